/* platform/activate.h - listening sockets handed over by what outlives poold (systemd, launchd, or
 * poold's own keeper), and telling the service manager how we are. No libsystemd.
 *
 * Protocols: sd_listen_fds(3) (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES; fds from 3 on), sd_notify(3)
 * (NOTIFY_SOCKET), launch_activate_socket(3). */
#pragma once
#include "base/err.h"

#include <stdint.h>

struct activate_sockets { /* listening, close-on-exec, non-blocking; -1: not handed over */
    int front, api, mcp;  /* the caller's to close */
};

/* Take what was handed over to this process. Returns how many sockets are in *out (0: none were
 * meant for us), or -1 with err when the hand-over makes no sense (something that is no listening
 * socket, two for one place).
 * A socket is known by its name (front, api, mcp); one of another or no name is the front if it is
 * TCP, and the api or mcp socket if its file is called api.sock or mcp.sock; the rest is closed.
 * The variables are gone from our environment afterwards, whatever the result, so that no daemon
 * takes them for its own. Call once, before any other fd is opened. */
int activate_take(struct activate_sockets *out, struct err *err) MUST_CHECK;

/* Send state ("READY=1", "STOPPING=1\nSTATUS=...") to the service manager. False if there is none
 * or it cannot be reached: no reason to stop. */
bool activate_notify(const char *state);
/* Milliseconds within which the service manager wants to hear "WATCHDOG=1" (WATCHDOG_USEC, meant
 * for this process by WATCHDOG_PID); 0: it does not watch. sd_watchdog_enabled(3). */
int64_t activate_watchdog_ms(void);

/* What a service manager hands over by a call instead of the environment (activate_linux.c:
 * nothing; activate_darwin.c: launchd). Returns and errors as activate_take. */
int activate_from_manager(struct activate_sockets *out, struct err *err) MUST_CHECK;
/* Put a handed-over listening socket into its place by name, as described above; takes fd, also on
 * failure. *count is raised if it was put. */
bool activate_place(int fd, const char *name, struct activate_sockets *out, int *count,
                    struct err *err) MUST_CHECK;
