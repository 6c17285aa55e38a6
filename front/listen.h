/* front/listen.h - subscriptions/listen of modern clients (2026-07-28, basic, subscriptions): the
 * front's own. A listen request is a flight of a kind of its own that is never handed over. It is
 * acknowledged at once and stays through any death of the daemon; what the daemon says comes from a
 * listen request of ours (a daemon of the same era) or from the session's push stream. */
#pragma once
#include "front/flight.h"

/* Is what it asks for well-formed, and not too much (1000 resources)? */
bool listen_is_sound(const struct rpc_peek *peek);
/* A flight of FLIGHT_LISTEN begins: it is acknowledged. */
void listen_begin(struct flight *f);
/* The daemon or the link has changed: see that there is something to listen to. */
void listen_go(struct flight *f);
/* A notification of a legacy daemon: to each listen request of s that asked for it. */
void listen_message(struct session *s, struct span json, const struct rpc_peek *peek);
/* Comments that keep silent ones alive; lost ones are opened again. True if there are any. */
bool listen_check_time(struct front *f, int64_t now_ms);
/* End it from our side: its client gets the result. The flight is freed by its owner. */
void listen_give_end(struct flight *f);
/* Its client has gone. */
void listen_gone(struct flight *f);
/* The flight is freed. */
void listen_finish(struct flight *f);
