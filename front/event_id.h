/* front/event_id.h - ids of the events on response streams. An id is enough by itself: it names the
 * run of poold, the stream in it, the session and the request (its raw JSON id), and proves itself
 * by the key of session ids, so that a later poold can tell what it is asked to resume (MCP
 * 2025-11-25, transports, "Resumability and Redelivery").
 *
 *   e1~RUN~STREAM~SESSION~REQUEST~MAC~EVENT     the stream's name, and the event's number in it */
#pragma once
#include "front/session.h"

#define EVENT_NAME_MAX 224
#define EVENT_ID_MAX (EVENT_NAME_MAX + 24)

struct event_id {
    char text[EVENT_ID_MAX];
    const char *run, *session; /* into text */
    uint64_t stream, event;
    struct span request; /* into text: raw JSON */
};

/* The name of a run of poold: new with each. */
void event_run_make(char out[14]);
/* What an id says of its session: the end of its id, "-" for one without. */
const char *event_session(const struct session *s);
/* The name of a stream of s that answers the request of this id. False: the id is too long. */
bool event_name_make(const struct session *s, uint64_t stream, struct span request,
                     char out[EVENT_NAME_MAX]) MUST_CHECK;
/* Take an id apart if it is one that this installation has made. */
bool event_id_read(const struct front *f, struct span id, struct event_id *out) MUST_CHECK;
