/* api/mhd_loop.h - runs a libmicrohttpd daemon inside a libev loop, without threads.
 *
 * With epoll (Linux) one watcher on MHD's own epoll descriptor serves all connections. Elsewhere
 * (macOS) MHD is asked for its descriptors each time before the loop blocks; that way is bound by
 * FD_SETSIZE and has been run on Linux only (tests/unit/test_api_loop.c).
 * Owned by: struct api.   Threads: loop only. */
#pragma once
#include <stdbool.h>

struct ev_loop;
struct MHD_Daemon;
struct mhd_loop;

/* The flag for MHD_start_daemon that fits: epoll if the library has it and has_epoll is wished. */
unsigned mhd_loop_flags(bool has_epoll);
/* daemon is borrowed until mhd_loop_free. New. */
struct mhd_loop *mhd_loop_new(struct ev_loop *loop, struct MHD_Daemon *daemon);
/* Something was resumed: MHD_get_timeout does not know of it (libmicrohttpd 0.9.75 would answer
 * only at the connection time-out), so MHD runs before the loop blocks. */
void mhd_loop_kick(struct mhd_loop *m);
/* NULL is fine. */
void mhd_loop_free(struct mhd_loop *m);
