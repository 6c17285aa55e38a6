/* front/roots.h - routing by MCP roots. A client that declared the capability `roots`, and whose
 * project nothing but the working directory of its process names (or nothing at all), is asked
 * roots/list by the front itself: on its long stream, or on the answer of its first request. The
 * first root decides. A session without a project waits for it (front->nowhere is its slot):
 * initialize is answered at once, by a neutral answer of ours, everything else waits at most a
 * second for the roots. One whose directory names another project than its roots is moved, as long
 * as nothing but its handshake and lists was handed over. Answers to requests of the front's own
 * never reach a daemon. For all client adapters alike. */
#pragma once
#include "front/flight.h"

/* s->initialize has been set: are there roots to ask for? */
void roots_begin(struct session *s);
/* The client may be asked on its long stream from now on. */
void roots_ask(struct session *s);
/* The client says that they are others now: it is asked again while it may still be moved. */
void roots_changed(struct session *s);
/* Must f wait for the roots? True: it waits, or was answered. */
bool roots_hold(struct flight *f);
/* Is this message of the client's the answer to such a request? Then it was taken. */
bool roots_take(struct session *s, const struct rpc_peek *peek, struct span message);
/* End the waiting of those that were not answered. True: some may come. */
bool roots_check_time(struct front *f, int64_t now_ms);

static inline bool roots_are_open(const struct session *s)
{
    return s->roots.state == ROOTS_WANTED || s->roots.state == ROOTS_ASKED;
}
