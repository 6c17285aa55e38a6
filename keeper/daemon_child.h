/* keeper/daemon_child.h - the daemon's main process and the pipes to it. */
#pragma once
#include "keeper/spec.h"

#include <stdint.h>
#include <sys/types.h>

struct daemon_child {
    pid_t pid;           /* 0 before the spawn */
    uint64_t start_time;
    int64_t started_unix_ms;
    int in_fd;           /* stdio servers: their stdin; else -1 */
    int out_fd;          /* stdio servers: stdout; else both */
    int err_fd;          /* stdio servers: stderr; else -1 */
    bool has_ended;      /* reaped; status as of waitpid */
    int status;
    int exec_errno;      /* it could not be run at all */
};

/* Spawn it with POOLD_DAEMON_ID added to its environment. On failure exec_errno is set, too. */
bool daemon_child_start(struct daemon_child *child, const struct spec *spec,
                        struct err *err) MUST_CHECK;
/* Send a signal to its process group (it leads one) as long as it has not been reaped. */
void daemon_child_signal(const struct daemon_child *child, int signal_number);
/* Close our ends of its pipes. */
void daemon_child_close(struct daemon_child *child);
