/* front/resume.h - a client that lost its response stream comes back with the id of the last event
 * that it saw (GET, Last-Event-ID). */
#pragma once
#include "front/event_id.h"

/* Go on with the stream of this event: what it has missed, then live to the answer, or an error
 * that says that the call may have run where the call is not known any more (poold was ended since,
 * or it is too long ago). id was read by event_id_read. */
void resume_stream(struct conn *c, const struct event_id *id);
