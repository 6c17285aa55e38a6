/* front/link_sse.c - links to daemons that speak HTTP+SSE (MCP 2024-11-05): one stream that names
 * the path to POST to, every answer as an event on it. */
#include "base/caps.h"
#include "base/str.h"
#include "front/flight.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const char initialize_id[] = "\"poold-initialize\"";

static void on_ignore(void *self, const char *bytes, size_t n)
{
    (void)self;
    (void)bytes;
    (void)n;
}
static void on_nothing(void *self)
{
    (void)self;
}

static void post(struct link *l, struct upstream *up, const char *extra, const char *body, size_t n)
{
    upstream_add_str(up, "POST ");
    upstream_add_str(up, l->post_path);
    upstream_add_str(up, " HTTP/1.1\r\nHost: 127.0.0.1:");
    upstream_add_int(up, l->session->daemon->port);
    upstream_add_str(up, "\r\nContent-Type: application/json\r\nAccept: application/json\r\n");
    if (extra)
        upstream_add_str(up, extra);
    upstream_add_str(up, "Content-Length: ");
    upstream_add_int(up, (int64_t)n);
    upstream_add_str(up, "\r\n\r\n");
    upstream_add(up, body, n);
    upstream_flush(up);
}

/* --- the handshake's own messages --- */

static void on_opening_head(void *self, const struct http_head *head)
{
    struct link *l = self;
    l->status = head->status;
}

static void on_opening_end(void *self, enum upstream_end how)
{
    struct link *l = self;
    l->opening = NULL;
    if (how != UPSTREAM_DONE || l->status >= 300)
        link_failed(l, how != UPSTREAM_DONE, "it did not take the handshake's message");
    else if (l->is_initialized_sent)
        link_opened(l);
}

static const struct upstream_user opening_user = {on_opening_head, on_ignore, on_nothing,
                                                  on_opening_end};

static void send_opening(struct link *l, const char *body, size_t n)
{
    struct err err = {0};
    upstream_close(l->opening); /* the answer may come before the end of the POST that asked */
    l->opening = upstream_open(l->session->front, l->session->daemon, &opening_user, l, &err);
    if (l->opening)
        post(l, l->opening, link_credential(l), body, n);
    else
        link_failed(l, true, err_text(&err));
}

static void send_initialize(struct link *l)
{
    struct buf body = BUF_INIT(CAP_BODY);
    if (link_initialize_body(l, &body))
        send_opening(l, body.data, body.len);
    buf_release(&body);
}

/* --- the stream --- */

/* Can this stand in a request line? */
static bool is_target(const char *p, const char *end)
{
    if (!p || p == end || *p != '/')
        return false;
    while (p<end && * p> ' ' && *p < 0x7f)
        p++;
    return p == end;
}

/* The endpoint event: a path, or a URL of the same origin (whose origin is dropped). */
static void take_endpoint(struct link *l, struct span data)
{
    const char *p = data.p, *end = span_end(data);
    static const char scheme[] = "http://";
    size_t n = sizeof scheme - 1;
    if (data.n > n && memcmp(p, scheme, n) == 0)
        p = memchr(p + n, '/', data.n - n);
    if (!is_target(p, end)) {
        link_failed(l, false, "the endpoint that its event stream names is no path");
        return;
    }
    free(l->post_path);
    l->post_path = xstrndup(p, (size_t)(end - p));
    if (l->state == LINK_OPENING)
        send_initialize(l);
}

static void take_message(struct link *l, struct span json)
{
    struct rpc_peek peek;
    if (l->state == LINK_OPEN) {
        link_message(l, json);
        return;
    }
    rpc_peek(json.p, json.n, &peek);
    if (peek.kind == RPC_RESPONSE && span_is(peek.id, initialize_id) && link_take_result(l, json)) {
        static const char initialized[] =
            "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}";
        l->is_initialized_sent = true;
        send_opening(l, initialized, sizeof initialized - 1);
        if (l->opening)
            link_greet(l); /* on_stream_body holds the session */
    }
}

static void take_event(struct link *l, const char *bytes, size_t n)
{
    struct sse_event event;
    sse_event_parse(bytes, n, &event);
    if (!event.data_lines)
        return;
    struct buf joined = BUF_INIT(CAP_MESSAGE);
    struct span data = event.data;
    if (event.data_lines > 1 && sse_event_data(bytes, n, &joined))
        data = (struct span){joined.data, joined.len};
    if (span_is(event.name, "endpoint"))
        take_endpoint(l, data);
    else if (!event.name.n || span_is(event.name, "message"))
        take_message(l, data);
    buf_release(&joined);
}

static void on_stream_head(void *self, const struct http_head *head)
{
    struct link *l = self;
    if (head->status != 200) {
        upstream_close(l->push);
        l->push = NULL;
        link_failed(l, false, "it refused the event stream (GET /sse)");
    }
}

static void on_stream_body(void *self, const char *bytes, size_t n)
{
    struct link *l = self;
    struct session *s = l->session;
    const struct upstream *stream = l->push;
    if (!buf_add(&l->held, bytes, n)) {
        upstream_close(l->push);
        l->push = NULL;
        link_failed(l, false, "it sent an event that is too large");
        return;
    }
    if (!sse_split(&l->split, bytes, n))
        return; /* no event has ended: nothing is scanned twice */
    /* Event by event, out of a buffer of our own; a callback may end the link. */
    struct buf events = l->held;
    l->held = (struct buf)BUF_INIT(CAP_MESSAGE);
    struct sse_splitter split = {0};
    size_t at = 0, len;
    s->holds++;
    while (l->push == stream && at < events.len &&
           (len = sse_first(&split, events.data + at, events.len - at)) > 0) {
        take_event(l, events.data + at, len);
        at += len;
    }
    if (l->push == stream && at < events.len &&
        !buf_add(&l->held, events.data + at, events.len - at))
        assert(false); /* it was in a buffer of the same cap */
    buf_release(&events);
    s->holds--;
    session_release(s);
}

static void on_stream_end(void *self, enum upstream_end how)
{
    struct link *l = self;
    struct session *s = l->session;
    (void)how;
    l->push = NULL;
    bool was_opening = l->state == LINK_OPENING;
    if (was_opening) {
        link_failed(l, true, "its event stream ended during the handshake");
        return;
    }
    link_reset(l);
    link_suspect(&s->link);
    flight_end_orphans(s);
}

static const struct upstream_user stream_user = {on_stream_head, on_stream_body, on_nothing,
                                                 on_stream_end};

static void sse_open(struct link *l)
{
    struct err err = {0};
    l->is_initialized_sent = false;
    l->push = upstream_open(l->session->front, l->session->daemon, &stream_user, l, &err);
    if (!l->push) {
        l->state = LINK_NONE;
        link_suspect(l);
        return;
    }
    upstream_add_str(l->push, "GET ");
    upstream_add_str(l->push, link_path(l));
    upstream_add_str(l->push, " HTTP/1.1\r\nHost: 127.0.0.1:");
    upstream_add_int(l->push, l->session->daemon->port);
    upstream_add_str(l->push, "\r\nAccept: text/event-stream\r\n");
    upstream_add_str(l->push, link_credential(l));
    upstream_add_str(l->push, "\r\n");
    upstream_flush(l->push);
}

/* --- calls --- */

static void on_post_head(void *self, const struct http_head *head)
{
    struct flight *f = self;
    f->status = head->status;
}

static void on_post_end(void *self, enum upstream_end how)
{
    struct flight *f = self;
    f->up = NULL;
    if (how == UPSTREAM_UNSENT || how == UPSTREAM_STALE) {
        f->phase = FLIGHT_QUEUED;
        link_suspect(&f->session->link);
        return;
    }
    if (f->kind == FLIGHT_ONEWAY || how == UPSTREAM_BROKEN)
        flight_end(f);
    else if (f->status >= 300)
        flight_fail(f, ERR_DAEMON_LOST, "the daemon answered the message with HTTP status %d",
                    f->status);
    /* else: taken; the answer comes on the stream, whose end is the end of all calls */
}

static const struct upstream_user post_user = {on_post_head, on_ignore, on_nothing, on_post_end};

static void sse_send(struct link *l, struct flight *f)
{
    struct err err = {0};
    f->up = upstream_open(l->session->front, l->session->daemon, &post_user, f, &err);
    if (!f->up) {
        link_suspect(l);
        return;
    }
    f->phase = FLIGHT_SENT;
    f->status = 0;
    post(l, f->up, f->headers, f->body, f->body_n);
}

static void sse_push(struct link *l, bool is_wanted)
{
    (void)l; /* the one stream is there as long as the link */
    (void)is_wanted;
}

static void sse_close(struct link *l)
{
    (void)l; /* closing the stream, which link_reset does, is the end of the session */
}

const struct link_transport link_sse = {sse_open, sse_send, sse_push, sse_close};
