/* front/asked.h - requests that a daemon has made of a client (sampling, elicitation, roots) and
 * that wait for its answer. Where the client has gone for good the daemon gets an error in its
 * place: it would wait for ever.
 *
 * Owned by: the session whose client was asked. */
#pragma once
#include "front/flight.h"

/* The daemon has asked, on the stream of f (NULL: on that of what comes unasked). Where nobody
 * hears it, it is refused at once. id: of its request, raw JSON (borrowed). */
void asked_note(struct session *s, struct flight *f, struct span id);
/* The client has answered. */
void asked_answered(struct session *s, struct span id);
/* What was asked on the stream of f (NULL: all that the session's client was asked) gets an error,
 * from the loop. */
void asked_refuse(struct session *s, const struct flight *f);
/* f has ended, and with it what was asked on its stream (NULL: all). */
void asked_forget(struct session *s, const struct flight *f);
