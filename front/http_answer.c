/* front/http_answer.c - see http_answer.h. */
#include "front/http_answer.h"

#include "base/caps.h"
#include "base/str.h"
#include "front/flight.h"
#include "mcp/sse.h"

#include <string.h>

static void sse_head(struct flight *f)
{
    if (f->kind == FLIGHT_INITIALIZE && !f->session->is_published)
        session_publish(f->session); /* a slow start: its id can only be said in this head */
    conn_begin_events(f->conn, flight_headers(f->session, f->kind == FLIGHT_INITIALIZE), true);
    f->form = FORM_SSE;
}

/* Bytes of an SSE answer, in a chunk where the client knows chunks. */
static void sse_bytes(struct flight *f, const char *bytes, size_t n)
{
    if (f->conn && n && f->form == FORM_NONE)
        sse_head(f);
    if (f->conn && n)
        conn_chunk(f->conn, bytes, n);
}

static void json_begin(struct flight *f, int64_t length)
{
    struct conn *c = f->conn;
    if (f->form ==
        FORM_SSE) { /* a keep-alive has gone out: the answer becomes an event, held until */
        buf_release(&f->held); /* it is whole, so that other events may come in between */
        return;
    }
    f->form = FORM_JSON;
    if (length < 0 && c->is_http10)
        c->will_close = true;
    conn_add(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n", 49);
    const char *headers = flight_headers(f->session, f->kind == FLIGHT_INITIALIZE);
    conn_add(c, headers, strlen(headers));
    if (!f->conn)
        return;
    if (length >= 0) {
        conn_add(c, "Content-Length: ", 16);
        conn_add_int(c, length);
        conn_add(c, "\r\n", 2);
    } else if (!c->is_http10)
        conn_add(c, "Transfer-Encoding: chunked\r\n", 28);
    conn_add(c, c->will_close ? "Connection: close\r\n\r\n" : "\r\n", c->will_close ? 21 : 2);
    f->is_chunking = length < 0 && !c->is_http10;
}

static void json_data(struct flight *f, const char *bytes, size_t n)
{
    if (f->form == FORM_SSE)
        flight_hold_data(f, bytes, n);
    else if (f->conn && f->is_chunking)
        conn_chunk(f->conn, bytes, n);
    else if (f->conn)
        conn_add(f->conn, bytes, n);
}

static void message(struct flight *f, struct span json, bool is_answer);

static void json_end(struct flight *f)
{
    if (f->form == FORM_SSE)
        message(f, (struct span){f->held.data, f->held.len}, true);
    else if (f->is_chunking && f->conn)
        conn_end_chunks(f->conn);
}

static void message(struct flight *f, struct span json, bool is_answer)
{
    if (is_answer && f->form == FORM_NONE) {
        json_begin(f, (int64_t)json.n);
        if (f->conn)
            json_data(f, json.p, json.n);
        return;
    }
    struct buf event = BUF_INIT(CAP_MESSAGE + 1024);
    if (sse_event_write(&event, "message", NULL, json))
        sse_bytes(f, event.data, event.len);
    buf_release(&event);
}

static void end(struct flight *f)
{
    struct conn *c = f->conn;
    if (!c)
        return;
    f->conn = NULL;
    if (f->form == FORM_SSE)
        conn_end_chunks(c);
    conn_finish(c);
}

static void flush(struct flight *f)
{
    if (f->conn)
        conn_flush(f->conn);
}

static bool is_full(struct flight *f)
{
    return f->conn && conn_is_full(f->conn);
}

static void beat(struct flight *f)
{
    if (f->form == FORM_JSON)
        return; /* a body of known length has begun */
    sse_bytes(f, ": poold\r\n\r\n", 11);
    flush(f);
}

const struct flight_client client_http_sink = {json_begin, json_data, json_end, sse_bytes, message,
                                               end,        flush,     is_full,  beat};

static void on_gone(void *self)
{
    flight_client_gone(self);
}

static void on_drained(void *self)
{
    struct flight *f = self;
    if (f->up)
        upstream_resume(f->up);
}

const struct conn_user http_flight_user = {on_gone, on_drained};
