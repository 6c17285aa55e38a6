/* cli/log_file.h - the end of a daemon's log file, and what comes: for `logs` while poold is down.
 */
#pragma once
#include "base/err.h"

#include <stdint.h>

/* Copy the last lines of the file to stdout. With follow go on, also in the file that takes its
 * place when it is rotated, until stdout is closed. Err NOT_FOUND if there is none. */
bool log_file_show(const char *path, int64_t lines, bool follow, struct err *err) MUST_CHECK;
