/* front/link_http.c - links to daemons that speak Streamable HTTP: a POST per message, the answer
 * as JSON or SSE in its response (link_call.c); a GET stream for what comes unasked (link_push.c).
 * (MCP 2025-11-25, transports.) */
#include "front/link_http.h"

#include "base/caps.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

#define LINGER_S 0.2 /* for the end of a stream whose answer has come */

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

void link_http_post(struct link *l, struct upstream *up, const char *extra, const char *body,
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

void link_http_bare(struct link *l, struct upstream *up, const char *method, const char *accept,
                    const char *last_id)
{
    char *lines = head_lines(l, method, accept);
    upstream_add_str(up, lines);
    upstream_add_str(up, link_credential(l));
    if (last_id) {
        upstream_add_str(up, "Last-Event-ID: ");
        upstream_add_str(up, last_id);
        upstream_add_str(up, "\r\n");
    }
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
        link_http_post(l, l->opening, link_credential(l), body.data, body.len);
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
    link_http_post(l, l->opening, link_credential(l), body, sizeof body - 1);
    return true;
}

bool link_find_response(const char *bytes, size_t n, struct buf *out)
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
    ev_timer_stop(l->session->front->loop, &l->linger);
    if (how != UPSTREAM_DONE) {
        link_failed(l, true, "the connection was lost during the handshake");
        return;
    }
    struct buf message = BUF_INIT(CAP_HANDSHAKE);
    struct span json = {l->held.data, l->held.len};
    if (l->is_result_sse && link_find_response(l->held.data, l->held.len, &message))
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

/* Some servers leave the stream open behind the answer. */
static void on_initialize_pause(void *self)
{
    struct link *l = self;
    struct buf message = BUF_INIT(CAP_HANDSHAKE);
    if (l->is_result_sse && !ev_is_active(&l->linger) &&
        link_find_response(l->held.data, l->held.len, &message)) {
        ev_timer_set(&l->linger, LINGER_S, 0.);
        ev_timer_start(l->session->front->loop, &l->linger);
    }
    buf_release(&message);
}

void link_http_lingered(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop;
    (void)events;
    struct link *l = w->data;
    upstream_close(l->opening);
    on_initialize_end(l, UPSTREAM_DONE);
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

static const struct upstream_user initialize_user = {on_initialize_head, on_collect,
                                                     on_initialize_pause, on_initialize_end};
static const struct upstream_user initialized_user = {on_initialized_head, on_ignore, on_nothing,
                                                      on_initialized_end};

/* --- the end --- */

static void on_no_head(void *self, const struct http_head *head)
{
    (void)self;
    (void)head;
}
static void on_no_end(void *self, enum upstream_end how)
{
    (void)self;
    (void)how;
}
static const struct upstream_user nobody = {on_no_head, on_ignore, on_nothing, on_no_end};

/* The handshake of a link that was closed meanwhile (self: its upstream): what it has made in the
 * daemon is ended as soon as its id is known. */
static void on_late_head(void *self, const struct http_head *head)
{
    struct upstream *up = self;
    struct span id = http_header(head, "Mcp-Session-Id");
    struct err err = {0};
    if (head->status != 200 || !id.n || strcmp(up->daemon->id, up->daemon_id) != 0)
        return;
    struct upstream *delete = upstream_open(up->front, up->daemon, &nobody, NULL, &err);
    if (!delete)
        return;
    upstream_add_str(delete, "DELETE /mcp HTTP/1.1\r\nHost: 127.0.0.1:");
    upstream_add_int(delete, up->daemon->port);
    upstream_add_str(delete, "\r\nMcp-Session-Id: ");
    upstream_add(delete, id.p, id.n);
    upstream_add_str(delete, "\r\n\r\n");
    upstream_flush(delete);
}
static const struct upstream_user late_user = {on_late_head, on_ignore, on_nothing, on_no_end};

static void http_close(struct link *l)
{
    struct err err = {0};
    if (l->upstream_session) { /* nobody waits for its answer */
        struct upstream *up =
            upstream_open(l->session->front, l->session->daemon, &nobody, NULL, &err);
        if (up)
            link_http_bare(l, up, "DELETE", "application/json", NULL);
    } else if (l->opening && !l->opening->has_head) {
        l->opening->user = &late_user;
        l->opening->self = l->opening;
        l->opening = NULL;
    }
}

const struct link_transport link_http = {http_open, link_http_send, link_http_push, http_close};
