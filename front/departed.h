/* front/departed.h - clients whose process has ended: noticed at once, one watch for all sessions
 * of a process. Where the system has no such watch, session_tidy finds them by the minute. */
#pragma once

struct client_process;
struct front;
struct session;

/* Watch the process of s (if it is known). */
void departed_watch(struct session *s);
/* s is freed. */
void departed_unwatch(struct session *s);
