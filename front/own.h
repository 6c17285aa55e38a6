/* front/own.h - requests of the front's own over a session's link: what restores a session with a
 * new daemon, and what looks at a list again. They start no daemon and open no link, and an answer
 * is never waited for by a client. */
#pragma once
#include "front/flight.h"

/* answer: the whole JSON-RPC message, an error where the daemon or the link was lost (borrowed).
 * Runs exactly once, never inside own_request. It may make flights, not end the session. */
typedef void own_done_fn(void *arg, struct session *s, struct span answer);

/* Tell the daemon of s, if its link is open. params as below. */
void own_notify(struct session *s, const char *method, struct span params);
/* The same of a whole message (an answer to a request of the daemon's). */
void own_say(struct session *s, struct span message);
/* Ask the daemon of s. params: raw JSON of less than CAP_BODY, empty for none. */
void own_request(struct session *s, const char *method, struct span params, own_done_fn *done,
                 void *arg);
