/* connect/pending.h - the client's requests that have no answer yet, so that none is lost with
 * poold: each with its id and, while there is room, the whole line. */
#pragma once
#include "mcp/http_head.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PENDING_MAX 256 /* then the client is not read on */

struct pending_request {
    char *id; /* raw JSON */
    size_t id_n;
    char *line; /* NULL: not kept */
    size_t line_n;
    uint64_t end_at; /* where it ends among all bytes for poold: is it sent? */
    bool is_endless; /* subscriptions/listen: no answer is waited for */
    bool was_sent;   /* to a poold that is gone: it may have run */
    int agains;      /* times it was asked again */
};

struct pending { /* zero to start; pending_finish */
    struct pending_request items[PENDING_MAX];
    size_t count, kept; /* bytes of kept lines */
};

/* Note a request; there must be room (count < PENDING_MAX). */
void pending_add(struct pending *p, struct span id, struct span line, uint64_t end_at);
/* The request of this id, however it is spelled now, is answered, or its client waits no more.
 * False: there is none. */
bool pending_remove(struct pending *p, struct span id);
void pending_remove_at(struct pending *p, size_t at);
void pending_finish(struct pending *p);
