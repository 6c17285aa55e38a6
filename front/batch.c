/* front/batch.c - see batch.h. */
#include "front/batch.h"

#include "base/caps.h"
#include "base/str.h"
#include "front/flight.h"
#include "front/http_answer.h"
#include "front/roots.h"

#include <string.h>

#define ELEMENTS_MAX 100 /* as the official SDK's server has it */

struct batch {         /* client_self of its flights; freed with the last of them */
    struct conn *conn; /* NULL once the client is gone */
    struct session *session;
    int open; /* flights under way, and one while they are being made */
};

/* --- the answer --- */

static void write_bytes(struct batch *b, const char *bytes, size_t n)
{
    if (b->conn && n)
        conn_chunk(b->conn, bytes, n);
}

static void leave(struct batch *b)
{
    if (--b->open > 0)
        return;
    struct conn *c = b->conn;
    if (c)
        conn_end_chunks(c);
    if (b->conn)
        conn_finish(c);
    free(b);
}

static void write_message(struct batch *b, struct span json)
{
    struct buf event = BUF_INIT(CAP_MESSAGE + 1024);
    if (sse_event_write(&event, "message", NULL, json))
        write_bytes(b, event.data, event.len);
    buf_release(&event);
}

/* --- the flights' client --- */

static void message(struct flight *f, struct span json, bool is_answer)
{
    (void)is_answer;
    write_message(f->client_self, json);
}

static void json_end(struct flight *f)
{
    message(f, (struct span){f->held.data, f->held.len}, true);
}

static void events(struct flight *f, const char *bytes, size_t n)
{
    write_bytes(f->client_self, bytes, n);
}

static void end(struct flight *f)
{
    leave(f->client_self);
}

static void flush(struct flight *f)
{
    struct batch *b = f->client_self;
    if (b->conn)
        conn_flush(b->conn);
}

static bool is_full(struct flight *f)
{
    struct batch *b = f->client_self;
    return b->conn && conn_is_full(b->conn);
}

static void beat(struct flight *f)
{
    write_bytes(f->client_self, HTTP_COMMENT, sizeof HTTP_COMMENT - 1);
    flush(f);
}

static const struct flight_client batch_sink = {flight_hold_begin,
                                                flight_hold_data,
                                                json_end,
                                                events,
                                                message,
                                                end,
                                                flush,
                                                is_full,
                                                beat,
                                                NULL};

static void on_gone(void *self)
{
    struct batch *b = self;
    b->conn = NULL; /* its flights go on: the daemon works on them */
}

static void on_drained(void *self)
{
    struct batch *b = self;
    flight_resume_all(b->session);
}

static const struct conn_user batch_user = {on_gone, on_drained};

/* --- the request --- */

int batch_count(const struct session *s, struct span array, const char **why)
{
    *why = "batches are of the revision 2025-03-26 only";
    if (strcmp(s->protocol, "2025-03-26") != 0)
        return -1;
    const char *at = array.p, *stop = array.p + array.n;
    struct span element;
    int requests = 0, elements = 0;
    while (rpc_batch_next(&at, stop, &element)) {
        struct rpc_peek peek;
        rpc_peek(element.p, element.n, &peek);
        *why = peek.kind == RPC_INVALID || peek.kind == RPC_BATCH
                   ? "an element of the batch is not a JSON-RPC message"
               : rpc_text_is(peek.method, "initialize") ? "initialize must not be part of a batch"
               : ++elements > ELEMENTS_MAX              ? "the batch has more than 100 elements"
                                                        : NULL;
        if (*why)
            return -1;
        requests += peek.kind == RPC_REQUEST;
    }
    return requests;
}

static void start(struct session *s, struct batch *b, struct span element, const char *headers)
{
    struct rpc_peek peek;
    rpc_peek(element.p, element.n, &peek);
    if (roots_take(s, &peek, element))
        return;
    if (rpc_text_is(peek.method, "ping") && peek.kind == RPC_REQUEST) {
        struct buf body = BUF_INIT(CAP_HEAD + peek.id.n);
        if (rpc_write_empty(&body, peek.id))
            write_message(b, (struct span){body.data, body.len});
        buf_release(&body);
        return;
    }
    bool is_request = peek.kind == RPC_REQUEST;
    if (!is_request &&
        (rpc_text_is(peek.method, "notifications/initialized") || !link_is_open(&s->link)))
        return;
    struct flight *f = flight_new(s, is_request ? FLIGHT_CALL : FLIGHT_ONEWAY,
                                  is_request ? &batch_sink : &flight_client_none, NULL, element,
                                  &peek, headers ? xstrdup(headers) : NULL);
    if (is_request) {
        f->client_self = b;
        b->open++;
    }
    flight_go(f);
}

void batch_request(struct conn *c, struct session *s, struct span array, const char *headers)
{
    const char *why = NULL, *at = array.p, *stop = array.p + array.n;
    int requests = batch_count(s, array, &why);
    if (requests < 0) {
        conn_answer_error(c, 400, (struct span){0}, err_row(ERR_BAD_REQUEST)->rpc, why);
        return;
    }
    struct batch *b = xcalloc(1, sizeof *b);
    /* The connection's request goes when it is answered: the elements are read from a copy. */
    char *copy = xstrndup(array.p, array.n);
    at = copy;
    stop = copy + array.n;
    b->session = s;
    b->open = 1;
    if (requests) {
        conn_take(c, &batch_user, b);
        b->conn = c;
        conn_begin_events(c, flight_headers(s, false), true);
    } else {
        conn_answer(c, 202, "", "", (struct span){0});
    }
    s->holds++;
    for (struct span element; rpc_batch_next(&at, stop, &element);)
        start(s, b, element, headers);
    s->holds--;
    if (b->conn)
        conn_flush(b->conn);
    leave(b);
    free(copy);
    session_release(s);
}
