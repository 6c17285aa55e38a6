/* front/link_modern.c - links to daemons of the stateless revision (2026-07-28): nothing is opened,
 * each request stands for itself. (Daemons that know only this one, and modern clients of those
 * that know both.) */
#include "front/link_http.h"
#include "mcp/modern.h"

#include <stdio.h>

static void modern_open(struct link *l)
{
    snprintf(l->protocol, sizeof l->protocol, "%s", MODERN_REVISION);
    l->state = LINK_OPEN; /* no news of it: who opens it goes on at once */
    known_link_opened(l->session);
}

static void modern_send(struct link *l, struct flight *f)
{
    link_http_send(l, f);
}

static void modern_push(struct link *l, bool is_wanted)
{
    (void)l; /* each listen request has its own stream (listen.c) */
    (void)is_wanted;
}

static void modern_close_link(struct link *l)
{
    (void)l;
}

const struct link_transport link_modern = {modern_open, modern_send, modern_push,
                                           modern_close_link};
