/* front/link_http.h - what the files of the Streamable HTTP transport (link_http.c, link_call.c,
 * link_push.c) have of each other. */
#pragma once
#include "front/flight.h"

/* Write a POST with this body; extra: more lines of the head, or NULL. */
void link_http_post(struct link *l, struct upstream *up, const char *extra, const char *body,
                    size_t body_n);
/* Write a request without a body. last_id: for Last-Event-ID, or NULL. */
void link_http_bare(struct link *l, struct upstream *up, const char *method, const char *accept,
                    const char *last_id);

/* link_call.c: hand a flight over, and read its answer. */
void link_http_send(struct link *l, struct flight *f);
/* link_push.c: open or close the stream of what comes unasked. */
void link_http_push(struct link *l, bool is_wanted);
