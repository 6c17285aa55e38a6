/* front/link_http.c - links to daemons that speak Streamable HTTP: a POST per message, the answer
 * as JSON or SSE in its response; a GET stream for what comes unasked. (MCP 2025-11-25,
 * transports.) */
#include "base/caps.h"
#include "base/str.h"
#include "front/flight.h"

#include <stdio.h>
#include <string.h>

/* --- writing requests --- */

/* The lines of a request head of ours that do not change from call to call; the client's own head
 * never goes further than the front. New string. */
static char *head_lines(const struct link *l, const char *method, const char *accept)
{
    const struct session *s = l->session;
    const char *upstream = l->upstream_session;
    bool is_negotiated = l->state == LINK_OPEN || l->is_initialized_sent;
    return xasprintf("%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: %s\r\n%s%s%s%s%s%s", method,
                     link_path(l), s->daemon->port, accept, upstream ? "Mcp-Session-Id: " : "",
                     upstream ? upstream : "", upstream ? "\r\n" : "",
                     is_negotiated ? "MCP-Protocol-Version: " : "",
                     is_negotiated ? l->protocol : "", is_negotiated ? "\r\n" : "");
}

static void send_message(struct link *l, struct upstream *up, const char *extra, const char *body,
                         size_t body_n)
{
    static const char accept[] =
        "application/json, text/event-stream\r\nContent-Type: application/json";
    char *lines = l->call_head;
    if (!lines)
        lines = head_lines(l, "POST", accept);
    if (l->state == LINK_OPEN)
        l->call_head = lines;
    upstream_add_str(up, lines);
    if (extra)
        upstream_add_str(up, extra);
    upstream_add_str(up, "Content-Length: ");
    upstream_add_int(up, (int64_t)body_n);
    upstream_add_str(up, "\r\n\r\n");
    upstream_add(up, body, body_n);
    upstream_flush(up);
    if (lines != l->call_head)
        free(lines);
}

static void send_bare(struct link *l, struct upstream *up, const char *method, const char *accept)
{
    char *lines = head_lines(l, method, accept);
    upstream_add_str(up, lines);
    upstream_add_str(up, "\r\n");
    upstream_flush(up);
    free(lines);
}

/* --- the handshake --- */

static const struct upstream_user initialize_user, initialized_user;

static void http_open(struct link *l)
{
    struct err err = {0};
    struct buf body = BUF_INIT(CAP_BODY);
    l->is_initialized_sent = false;
    l->is_result_sse = false;
    l->opening = upstream_open(l->session->front, l->session->daemon, &initialize_user, l, &err);
    if (l->opening && link_initialize_body(l, &body))
        send_message(l, l->opening, NULL, body.data, body.len);
    buf_release(&body);
    if (!l->opening) {
        /* Not from inside flight_go: the one-second look tries again or the pool tells more. */
        l->state = LINK_NONE;
        link_suspect(l);
    }
}

static void on_initialize_head(void *self, const struct http_head *head)
{
    struct link *l = self;
    l->status = head->status;
    struct span id = http_header(head, "Mcp-Session-Id");
    if (head->status == 200 && id.n) { /* only an answer to initialize may name a session */
        free(l->upstream_session);
        l->upstream_session = xstrndup(id.p, id.n);
    }
    l->is_result_sse = http_value_has(http_header(head, "Content-Type"), "text/event-stream");
}

static void on_collect(void *self, const char *bytes, size_t n)
{
    struct link *l = self;
    if (l->held.len + n > CAP_HANDSHAKE || !buf_add(&l->held, bytes, n)) {
        upstream_close(l->opening);
        l->opening = NULL;
        link_failed(l, false, "its answer to initialize is larger than 1 MiB");
    }
}

static void on_nothing(void *self)
{
    (void)self;
}

static bool send_initialized(struct link *l)
{
    static const char body[] = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}";
    struct err err = {0};
    l->is_initialized_sent = true;
    l->opening = upstream_open(l->session->front, l->session->daemon, &initialized_user, l, &err);
    if (!l->opening) {
        link_failed(l, true, err_text(&err));
        return false;
    }
    send_message(l, l->opening, NULL, body, sizeof body - 1);
    return true;
}

/* The response among the events of an SSE answer, appended to out. */
static bool find_response(const char *bytes, size_t n, struct buf *out)
{
    struct sse_splitter split = {0};
    for (size_t at = 0, len; at < n && (len = sse_first(&split, bytes + at, n - at)) > 0;
         at += len) {
        struct sse_event event;
        sse_event_parse(bytes + at, len, &event);
        if (event.data_lines && rpc_is_response(event.data.p, event.data.n) == 1)
            return sse_event_data(bytes + at, len, out);
    }
    return false;
}

static void on_initialize_end(void *self, enum upstream_end how)
{
    struct link *l = self;
    l->opening = NULL;
    if (how != UPSTREAM_DONE) {
        link_failed(l, true, "the connection was lost during the handshake");
        return;
    }
    struct buf message = BUF_INIT(CAP_HANDSHAKE);
    struct span json = {l->held.data, l->held.len};
    if (l->is_result_sse && find_response(l->held.data, l->held.len, &message))
        json = (struct span){message.data, message.len};
    bool ok;
    if (l->status != 200 && rpc_is_response(json.p, json.n) != 1) {
        char why[80];
        snprintf(why, sizeof why, "it answered initialize with HTTP status %d", l->status);
        link_failed(l, false, why);
        ok = false;
    } else {
        ok = link_take_result(l, json);
    }
    buf_release(&message);
    if (!ok)
        return;
    buf_release(&l->held);
    if (send_initialized(l))
        link_greet(l);
}

static void on_initialized_head(void *self, const struct http_head *head)
{
    struct link *l = self;
    l->status = head->status;
}

static void on_ignore(void *self, const char *bytes, size_t n)
{
    (void)self;
    (void)bytes;
    (void)n;
}

static void on_initialized_end(void *self, enum upstream_end how)
{
    struct link *l = self;
    l->opening = NULL;
    if (how == UPSTREAM_DONE && l->status < 300)
        link_opened(l);
    else
        link_failed(l, how != UPSTREAM_DONE, "it refused notifications/initialized");
}

static const struct upstream_user initialize_user = {on_initialize_head, on_collect, on_nothing,
                                                     on_initialize_end};
static const struct upstream_user initialized_user = {on_initialized_head, on_ignore, on_nothing,
                                                      on_initialized_end};

/* --- calls --- */

/* 404 (or 400 of servers that do not conform) to a session id: the daemon has forgotten us. */
static bool is_session_lost(const struct flight *f)
{
    return f->session->link.upstream_session && f->tries < 2 &&
           (f->status == 404 || f->status == 400);
}

static void on_call_head(void *self, const struct http_head *head)
{
    struct flight *f = self;
    f->status = head->status;
    f->is_sse_answer = http_value_has(http_header(head, "Content-Type"), "text/event-stream");
    f->split = (struct sse_splitter){0};
    bool is_empty = head->has_length && head->length == 0;
    if (f->status == 200 && !f->is_sse_answer && !is_empty && f->kind != FLIGHT_ONEWAY) {
        f->phase = FLIGHT_STREAMING;
        f->client->json_begin(f, head->has_length ? head->length : -1);
    }
}

static void on_call_body(void *self, const char *bytes, size_t n)
{
    struct flight *f = self;
    if (f->kind == FLIGHT_ONEWAY)
        return;
    if (f->status == 200 && f->is_sse_answer)
        flight_sse(f, bytes, n);
    else if (f->status == 200)
        f->client->json_data(f, bytes, n);
    else if (!buf_add(&f->held, bytes, n)) /* an HTTP error's body, judged when it is whole */
        flight_fail(f, ERR_DAEMON_LOST, "the daemon's error answer is too large");
}

static void on_call_pause(void *self)
{
    struct flight *f = self;
    if (f->is_sse_answer && f->resume == RESUME_PRIMED && f->form == FORM_NONE)
        f->client->beat(f); /* the answer's head came alone: a client that knows how may resume */
    f->client->flush(f);
    if (f->up && f->client->is_full(f))
        upstream_pause(f->up);
}

/* Hand it over again after the link was lost; the call was not taken. */
static void again(struct flight *f)
{
    f->phase = FLIGHT_QUEUED;
    buf_release(&f->held);
    flight_go(f);
}

static void end_of_http_error(struct flight *f)
{
    struct rpc_peek peek;
    rpc_peek(f->held.data, f->held.len, &peek);
    bool is_ours = peek.kind == RPC_RESPONSE && peek.id.n == f->id.n && f->id.n &&
                   memcmp(peek.id.p, f->id.p, f->id.n) == 0;
    if (is_ours) /* every client reports an error in a 200 at once, and survives it */
        flight_answer(f, (struct span){f->held.data, f->held.len});
    else
        flight_fail(f, ERR_DAEMON_LOST, "the daemon answered with HTTP status %d: %.*s", f->status,
                    (int)(f->held.len < 300 ? f->held.len : 300), f->held.len ? f->held.data : "");
}

static void on_call_end(void *self, enum upstream_end how)
{
    struct flight *f = self;
    struct link *l = &f->session->link;
    f->up = NULL;
    if (how == UPSTREAM_UNSENT || how == UPSTREAM_STALE) {
        f->phase = FLIGHT_QUEUED;
        if (how == UPSTREAM_STALE && f->tries < 2)
            flight_go(f);
        else
            link_suspect(l); /* the pool's news or the next second moves it on */
        return;
    }
    if (how == UPSTREAM_DONE && f->status != 200 && f->kind != FLIGHT_ONEWAY) {
        if (is_session_lost(f)) {
            link_reset(l);
            again(f);
        } else {
            end_of_http_error(f);
        }
        return;
    }
    if (how == UPSTREAM_DONE && !f->is_sse_answer && f->kind != FLIGHT_ONEWAY) {
        if (f->phase != FLIGHT_STREAMING) {
            flight_fail(f, ERR_DAEMON_LOST, "the daemon's answer was empty");
            return;
        }
        f->client->json_end(f);
        f->has_answer = true;
    }
    if (how == UPSTREAM_BROKEN)
        link_suspect(&f->session->link);
    if (f->form == FORM_JSON && !f->has_answer && f->conn) {
        conn_close(f->conn); /* half a JSON body cannot be mended: the length says it is cut */
        f->conn = NULL;
        f->client = &flight_client_none;
    }
    flight_end(f);
}

static const struct upstream_user call_user = {on_call_head, on_call_body, on_call_pause,
                                               on_call_end};

static void http_send(struct link *l, struct flight *f)
{
    struct err err = {0};
    f->up = upstream_open(l->session->front, l->session->daemon, &call_user, f, &err);
    if (!f->up) { /* stays queued: the pool looks, and wakes it */
        link_suspect(l);
        return;
    }
    f->phase = FLIGHT_SENT;
    f->status = 0;
    send_message(l, f->up, f->headers, f->body, f->body_n);
}

/* --- the GET stream --- */

static void on_push_head(void *self, const struct http_head *head)
{
    struct link *l = self;
    if (head->status != 200 ||
        !http_value_has(http_header(head, "Content-Type"), "text/event-stream")) {
        upstream_close(l->push); /* 405: it does not push */
        l->push = NULL;
    }
}

/* Whole events of the push stream go on as they are; that a list has changed is noted. */
static void pass_events(struct session *s, const char *bytes, size_t n)
{
    static const char changed[] = "/list_changed\"";
    session_stream_events(s, bytes, n);
    if (memmem(bytes, n, changed, sizeof changed - 1))
        known_list_changed(s);
}

static void on_push_body(void *self, const char *bytes, size_t n)
{
    struct link *l = self;
    struct session *s = l->session;
    size_t whole = sse_split(&l->split, bytes, n);
    if (whole && l->held.len) {
        if (buf_add(&l->held, bytes, whole))
            pass_events(s, l->held.data, l->held.len);
        buf_release(&l->held);
    } else if (whole) {
        pass_events(s, bytes, whole);
    }
    if (l->push && whole < n && !buf_add(&l->held, bytes + whole, n - whole)) {
        upstream_close(l->push);
        l->push = NULL;
    }
}

static void on_push_pause(void *self)
{
    struct link *l = self;
    if (l->push && l->session->stream && conn_is_full(l->session->stream))
        upstream_pause(l->push);
}

static void on_push_end(void *self, enum upstream_end how)
{
    struct link *l = self;
    (void)how;
    l->push = NULL;
    buf_release(&l->held);
    link_suspect(l);
    /* The client's stream stays; it is joined to the next life's when the link opens again. */
}

static const struct upstream_user push_user = {on_push_head, on_push_body, on_push_pause,
                                               on_push_end};

static void http_push(struct link *l, bool is_wanted)
{
    if (!is_wanted) {
        upstream_close(l->push);
        l->push = NULL;
        return;
    }
    if (l->push)
        return;
    struct err err = {0};
    l->split = (struct sse_splitter){0};
    buf_release(&l->held);
    l->push = upstream_open(l->session->front, l->session->daemon, &push_user, l, &err);
    if (l->push)
        send_bare(l, l->push, "GET", "text/event-stream");
}

/* --- the end --- */

static void on_delete_head(void *self, const struct http_head *head)
{
    (void)self;
    (void)head;
}
static void on_delete_end(void *self, enum upstream_end how)
{
    (void)self;
    (void)how;
}
static const struct upstream_user delete_user = {on_delete_head, on_ignore, on_nothing,
                                                 on_delete_end};

static void http_close(struct link *l)
{
    if (!l->upstream_session)
        return;
    struct err err = {0};
    struct upstream *up =
        upstream_open(l->session->front, l->session->daemon, &delete_user, NULL, &err);
    if (up) /* nobody waits for its answer */
        send_bare(l, up, "DELETE", "application/json");
}

const struct link_transport link_http = {http_open, http_send, http_push, http_close};
