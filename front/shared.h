/* front/shared.h - what is kept of a stdio daemon whose one MCP connection many sessions share: who
 * they are, and what they have set together. Resource subscriptions are counted per URI (the first
 * and the last go to the daemon), the daemon's log level is the most verbose of theirs, and what it
 * says unasked goes to whom it concerns. (docs/sharing.md)
 *
 * Owned by: the front, from the first link to a daemon's life until that life is over. What
 * sessions had set before poold was started anew is counted from their rows until they are back. */
#pragma once
#include "front/flight.h"

struct shared;

/* Its link is open: from now on it counts. Safe to repeat. */
void shared_join(struct link *l);
/* The session is over: what only it wanted is taken back. */
void shared_leave(struct link *l);
/* A request that sets something is about to be handed over. True: it was answered here. */
bool shared_takes(struct link *l, struct flight *f);
/* The daemon has answered one. */
void shared_answered(struct flight *f, bool is_error);
/* A notification of the daemon's that belongs to no call. */
void shared_notification(struct front *f, struct daemon *d, const struct rpc_peek *peek,
                         struct span json);
/* Send an answer to one of the daemon's own requests; kept until there is room. */
void shared_say(struct front *f, struct daemon *d, const char *json, size_t n);
/* There is room again. */
void shared_room(struct front *f, struct daemon *d);
/* Its life is over (all: of every daemon). */
void shared_forget(struct front *f, const struct daemon *d);
void shared_forget_all(struct front *f);

/* --- for restore.h: what must the daemon be told for this session, that it has not been? --- */
/* The level to set now (raw JSON, static), NULL: it is set. */
const char *shared_level_due(struct link *l);
bool shared_subscription_due(struct link *l, const char *uri);
