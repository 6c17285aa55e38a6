/* pool/exchange.h - one HTTP request to a daemon on a connection of its own, and what comes back:
 * a JSON body as one message, an event stream as one message per event. Used by the probe.
 *
 * The callbacks may free the exchange. After on_end there are no more callbacks; the owner frees
 * it then (or earlier). Threads: loop only. */
#pragma once
#include "mcp/http_head.h"

struct ev_loop;
struct exchange;

struct exchange_listener {
    void *arg;
    /* The answer's head; session: value of Mcp-Session-Id, "" if absent. May be NULL. */
    void (*on_head)(void *arg, struct exchange *x, int status, const char *session);
    /* One message. name: of the event ("" for a JSON body or an unnamed event). */
    void (*on_message)(void *arg, struct exchange *x, struct span name, struct span data);
    /* The answer is complete (why NULL), or the connection failed (why: words; 0 < status only if
     * a head had come). */
    void (*on_end)(void *arg, struct exchange *x, int status, const char *why);
};

/* Send request (copied) on fd, which is connected or connecting and now owned. body_cap bounds a
 * message. New; exchange_free. */
struct exchange *exchange_new(struct ev_loop *loop, int fd, const char *request, size_t n,
                              size_t body_cap, const struct exchange_listener *listener);
void exchange_free(struct exchange *x); /* NULL is fine */
