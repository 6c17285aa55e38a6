/* pool/leftovers.h - what a vanished keeper left behind: every process that carries its daemon's
 * POOLD_DAEMON_ID is asked to end, then ended. Found by that mark alone, signalled only while pid
 * and start time still agree, so that a stranger on a reused pid is never touched. */
#pragma once
#include <stdint.h>

struct ev_loop;
struct leftovers;

/* TERM now, KILL after grace_ms, done when none is left (never from inside the call). New. */
struct leftovers *leftovers_end(struct ev_loop *loop, const char *daemon_id, int64_t grace_ms,
                                void (*done)(void *arg), void *arg);
/* Give up looking; no callback. Also to be called after done. NULL is fine. */
void leftovers_free(struct leftovers *l);
