/* cli/tool.h - run a small program of the system (systemctl, launchctl) and take what it says. */
#pragma once
#include "base/err.h"

#include <stdint.h>

/* Run argv (searched in PATH, input from /dev/null) and wait for its end, at most wait_ms. *out
 * (may be NULL) is what it wrote to stdout and stderr, at most 64 KiB, without the last line end;
 * *status its exit status (128 + signal). Err START_FAILED when it cannot be run, START_TIMEOUT
 * (and it is ended) when it takes too long. */
bool tool_run(char *const *argv, int64_t wait_ms, char **out, int *status,
              struct err *err) MUST_CHECK;
