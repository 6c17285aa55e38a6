/* front/link_upgraded.c - links of clients with sessions to daemons that know only the stateless
 * revision (2026-07-28): server/discover in the place of initialize, each request for itself
 * (upgrade.c), a listen request for what comes unasked. */
#include "base/caps.h"
#include "base/str.h"
#include "front/link_http.h"
#include "front/upgrade.h"
#include "mcp/handshake.h"
#include "mcp/modern.h"

#include <stdio.h>
#include <string.h>

static void post(struct link *l, struct upstream *up, const char *headers, const struct buf *body)
{
    char *lines = xasprintf("%s%s", headers, link_credential(l));
    link_http_post(l, up, lines, body->data, body->len);
    free(lines);
}

/* --- opening --- */

static void on_discover_head(void *self, const struct http_head *head)
{
    struct link *l = self;
    l->status = head->status;
    l->is_result_sse = http_value_has(http_header(head, "Content-Type"), "text/event-stream");
}

static void on_discover_body(void *self, const char *bytes, size_t n)
{
    struct link *l = self;
    if (l->held.len + n > CAP_HANDSHAKE || !buf_add(&l->held, bytes, n)) {
        upstream_close(l->opening);
        l->opening = NULL;
        link_failed(l, false, "its answer to server/discover is larger than 1 MiB");
    }
}

static bool take_discover(struct link *l, struct span json)
{
    struct buf answer = BUF_INIT(2 * CAP_HANDSHAKE);
    struct span initialize = upgrade_client_of(l->session).initialize;
    bool ok = handshake_from_discover(&answer, rpc_member(json, "result"),
                                      rpc_member(initialize, "protocolVersion"));
    if (!ok)
        link_failed(l, false, "its answer to server/discover is not understood");
    ok = ok && link_take_result(l, (struct span){answer.data, answer.len});
    buf_release(&answer);
    return ok;
}

static void on_discover_end(void *self, enum upstream_end how)
{
    struct link *l = self;
    struct session *s = l->session;
    l->opening = NULL;
    if (how != UPSTREAM_DONE) {
        link_failed(l, true, "the connection was lost during server/discover");
        return;
    }
    struct buf message = BUF_INIT(CAP_HANDSHAKE);
    struct span json = {l->held.data, l->held.len};
    if (l->is_result_sse && link_find_response(l->held.data, l->held.len, &message))
        json = (struct span){message.data, message.len};
    s->holds++;
    if (take_discover(l, json)) {
        buf_release(&l->held);
        snprintf(l->protocol, sizeof l->protocol, "%s", MODERN_REVISION); /* towards the daemon */
        link_greet(l);
        link_opened(l);
    }
    buf_release(&message);
    s->holds--;
    session_release(s);
}

/* Some servers leave the stream open behind the answer. */
static void on_discover_pause(void *self)
{
    struct link *l = self;
    struct buf message = BUF_INIT(CAP_HANDSHAKE);
    bool is_there =
        l->opening && l->is_result_sse && link_find_response(l->held.data, l->held.len, &message);
    buf_release(&message);
    if (!is_there)
        return;
    upstream_close(l->opening);
    on_discover_end(l, UPSTREAM_DONE);
}

static const struct upstream_user discover_user = {on_discover_head, on_discover_body,
                                                   on_discover_pause, on_discover_end};

static void upgraded_open(struct link *l)
{
    static const char headers[] =
        "MCP-Protocol-Version: " MODERN_REVISION "\r\nMcp-Method: server/discover\r\n";
    struct err err = {0};
    struct buf body = BUF_INIT(CAP_BODY);
    struct upgrade_client client = upgrade_client_of(l->session);
    buf_release(&l->held);
    l->is_initialized_sent = false;
    l->opening = upstream_open(l->session->front, l->session->daemon, &discover_user, l, &err);
    if (l->opening && upgrade_write_discover(&body, "\"poold-discover\"", &client))
        post(l, l->opening, headers, &body);
    buf_release(&body);
    if (!l->opening) { /* not from inside flight_go: the one-second look tries again */
        l->state = LINK_NONE;
        link_suspect(l);
    }
}

/* --- calls --- */

static void upgraded_send(struct link *l, struct flight *f)
{
    if (upgrade_hand_over(f))
        link_http.send(l, f);
}

/* --- what comes unasked --- */

static void on_listen_head(void *self, const struct http_head *head)
{
    struct link *l = self;
    if (head->status != 200 ||
        !http_value_has(http_header(head, "Content-Type"), "text/event-stream")) {
        upstream_close(l->push); /* it pushes nothing */
        l->push = NULL;
    }
}

static void take_event(struct link *l, const char *bytes, size_t n)
{
    struct buf data = BUF_INIT(CAP_MESSAGE), out = BUF_INIT(CAP_MESSAGE);
    struct rpc_peek peek;
    if (sse_event_data(bytes, n, &data) && data.len) {
        rpc_peek(data.data, data.len, &peek);
        bool is_news = peek.kind == RPC_NOTIFICATION &&
                       !rpc_text_is(peek.method, "notifications/subscriptions/acknowledged");
        if (is_news && upgrade_write_notification(&out, (struct span){data.data, data.len}))
            session_stream_message(l->session, (struct span){out.data, out.len});
        if (is_news && memmem(data.data, data.len, "/list_changed\"", 14))
            known_list_changed(l->session);
    }
    buf_release(&data);
    buf_release(&out);
}

static void take_events(struct link *l, const char *bytes, size_t n)
{
    struct sse_splitter split = {0};
    for (size_t at = 0, len; l->push && at < n && (len = sse_first(&split, bytes + at, n - at)) > 0;
         at += len)
        take_event(l, bytes + at, len);
}

static void on_listen_body(void *self, const char *bytes, size_t n)
{
    struct link *l = self;
    size_t whole = sse_split(&l->split, bytes, n);
    if (whole && l->held.len) {
        if (buf_add(&l->held, bytes, whole))
            take_events(l, l->held.data, l->held.len);
        buf_release(&l->held);
    } else if (whole) {
        take_events(l, bytes, whole);
    }
    if (l->push && whole < n && !buf_add(&l->held, bytes + whole, n - whole)) {
        upstream_close(l->push);
        l->push = NULL;
    }
}

static void on_listen_pause(void *self)
{
    struct link *l = self;
    if (l->push && l->session->stream && conn_is_full(l->session->stream))
        upstream_pause(l->push);
}

static void on_listen_end(void *self, enum upstream_end how)
{
    struct link *l = self;
    l->push = NULL;
    buf_release(&l->held);
    if (how != UPSTREAM_DONE)
        link_suspect(l);
    trail_wait(&l->trail, l->session->front->loop); /* then it is opened again */
}

static const struct upstream_user listen_user = {on_listen_head, on_listen_body, on_listen_pause,
                                                 on_listen_end};

static void upgraded_push(struct link *l, bool is_wanted)
{
    static const char headers[] = "Mcp-Method: subscriptions/listen\r\n";
    const struct session *s = l->session;
    struct upgrade_client client = upgrade_client_of(s);
    struct buf body = BUF_INIT(2 * CAP_BODY);
    struct err err = {0};
    ev_timer_stop(s->front->loop, &l->trail.timer);
    if (!is_wanted) {
        upstream_close(l->push);
        l->push = NULL;
        return;
    }
    if (l->push || !upgrade_write_listen(&body, "\"poold-listen\"", &client, s->subscriptions.items,
                                         s->subscriptions.count)) {
        buf_release(&body);
        return;
    }
    l->split = (struct sse_splitter){0};
    buf_release(&l->held);
    l->push = upstream_open(s->front, s->daemon, &listen_user, l, &err);
    if (l->push)
        post(l, l->push, headers, &body);
    buf_release(&body);
}

static void upgraded_close(struct link *l)
{
    (void)l; /* the daemon keeps nothing of it */
}

const struct link_transport link_upgraded = {upgraded_open, upgraded_send, upgraded_push,
                                             upgraded_close};
