/* pool/daemon.h - private to pool/: what daemon.c offers to the actions in daemon_do.c. */
#pragma once
#include "pool/evict.h"
#include "pool/slot.h"

/* The only writer of d.state: arms the state's deadline, writes the row, logs one line, tells the
 * listeners. reason NONE leaves what was; detail NULL forgets it.
 * Flips between ready and busy happen at every call and do none of that. */
void slot_set_state(struct slot *s, enum daemon_state state, enum reason reason,
                    const char *detail);
/* The state's time is over in in_ms; -1: it has none. */
void slot_deadline(struct slot *s, int64_t in_ms);
void slot_deadline_idle(struct slot *s);
/* A history row: what is "start", "ready", "end", "fail" or "adopt". took_ms -1: unknown. */
void slot_note(struct slot *s, const char *what, enum reason reason, const char *detail,
               int64_t took_ms);
/* Fill usual_start_ms from the history, if it is not known: the median of the last starts. */
void slot_learn_usual(struct slot *s);
/* A new id: 24 random characters, never used again. */
void slot_name_life(struct slot *s);
/* Into the queue; slot_launch follows when there is room (daemon_do.c). */
void slot_enqueue(struct slot *s, enum reason why);
/* The start has failed and nothing of it runs: remember that, for a growing while (daemon_end.c).
 */
void slot_fail(struct slot *s, enum reason reason, const char *detail);
/* Since its process was started; -1: it was not. */
int64_t slot_lived_ms(const struct slot *s);
struct evict_view slot_view(const struct slot *s);
