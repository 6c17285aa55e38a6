/* front/link_push.c - what a Streamable HTTP daemon sends unasked (link_http.h): its GET stream,
 * open as long as the client has one, and opened again when the daemon closes it. */
#include "base/caps.h"
#include "base/str.h"
#include "front/asked.h"
#include "front/link_http.h"
#include "mcp/sse_filter.h"

#include <string.h>

/* The daemon does not know our session any more? Only if it did know its stream: of a new session a
 * 404 means that there is no such thing as a stream. */
static bool is_session_lost(const struct link *l, int status)
{
    return l->upstream_session && l->has_pushed && (status == 404 || status == 410);
}

static void on_push_head(void *self, const struct http_head *head)
{
    struct link *l = self;
    if (head->status == 200 &&
        http_value_has(http_header(head, "Content-Type"), "text/event-stream")) {
        l->has_pushed = true;
        return;
    }
    upstream_close(l->push);
    l->push = NULL;
    if (is_session_lost(l, head->status)) {
        link_reset(l);
        link_open(l);
    } else if (head->status >= 500 || head->status == 409) {
        trail_wait(&l->trail, l->session->front->loop);
    } /* else, 405: it does not push */
}

/* An event goes on without the daemon's numbers; that a list has changed is noted. */
static void pass_event(struct link *l, const char *bytes, size_t n)
{
    struct rpc_peek peek;
    struct session *s = l->session;
    struct sse_event event;
    struct sse_filter filter = {0};
    struct buf out = BUF_INIT(n);
    sse_event_parse(bytes, n, &event);
    if (event.is_numbered)
        trail_note(&l->trail, &event);
    if (!event.data_lines || (event.data_lines == 1 && !event.data.n))
        return; /* a comment or a priming event: the client's stream has its own */
    if (!event.is_numbered)
        session_stream_events(s, bytes, n);
    else if (sse_filter(&filter, bytes, n, &out))
        session_stream_events(s, out.data, out.len);
    buf_release(&out);
    rpc_peek(event.data.p, event.data.n, &peek);
    if (peek.kind == RPC_REQUEST)
        asked_note(s, NULL, peek.id);
    else if (peek.kind == RPC_NOTIFICATION && known_is_change(peek.method))
        known_list_changed(s);
}

static void pass_events(struct link *l, const char *bytes, size_t n)
{
    struct sse_splitter split = {0};
    const struct upstream *push = l->push;
    for (size_t at = 0, len;
         l->push == push && at < n && (len = sse_first(&split, bytes + at, n - at)) > 0; at += len)
        pass_event(l, bytes + at, len);
}

static void on_push_body(void *self, const char *bytes, size_t n)
{
    struct link *l = self;
    size_t whole = sse_split(&l->split, bytes, n);
    if (whole && l->held.len) {
        struct buf held = l->held;
        l->held = (struct buf)BUF_INIT(CAP_MESSAGE);
        if (buf_add(&held, bytes, whole))
            pass_events(l, held.data, held.len);
        buf_release(&held);
    } else if (whole) {
        pass_events(l, bytes, whole);
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
    l->push = NULL;
    buf_release(&l->held);
    if (how != UPSTREAM_DONE)
        link_suspect(l);
    /* The client's stream stays; it is joined to the daemon's next one, of this life or another. */
    trail_wait(&l->trail, l->session->front->loop);
}

static const struct upstream_user push_user = {on_push_head, on_push_body, on_push_pause,
                                               on_push_end};

void link_push_again(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop;
    (void)events;
    struct link *l = w->data;
    if (link_is_open(l) && session_wants_push(l->session))
        l->transport->push(l, true);
}

void link_http_push(struct link *l, bool is_wanted)
{
    if (!is_wanted) {
        ev_timer_stop(l->session->front->loop, &l->trail.timer);
        upstream_close(l->push);
        l->push = NULL;
        return;
    }
    if (l->push)
        return;
    struct err err = {0};
    l->split = (struct sse_splitter){0};
    buf_release(&l->held);
    ev_timer_stop(l->session->front->loop, &l->trail.timer);
    l->push = upstream_open(l->session->front, l->session->daemon, &push_user, l, &err);
    if (l->push)
        link_http_bare(l, l->push, "GET", "text/event-stream", l->trail.last_id);
    else
        trail_wait(&l->trail, l->session->front->loop);
}
