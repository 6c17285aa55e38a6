/* front/listen.c - see listen.h. */
#include "front/listen.h"

#include "base/caps.h"
#include "base/clock.h"
#include "base/str.h"
#include "front/link_http.h"
#include "front/restore.h"
#include "mcp/modern.h"

#include <stdlib.h>
#include <string.h>

#define URIS_MAX 1000        /* resources that one listen request follows: each is compared */
#define LISTEN_BEAT_MS 60000 /* a silent one shows that it lives (the promise is 100 s) */

static struct span filter_of(const struct flight *f)
{
    struct rpc_peek peek;
    rpc_peek(f->body, f->body_n, &peek);
    return rpc_member(peek.params, "notifications");
}

bool listen_is_sound(const struct rpc_peek *peek)
{
    struct span filter = rpc_member(peek->params, "notifications");
    struct span uris = rpc_member(filter, "resourceSubscriptions"), one;
    int count = 0;
    for (const char *at = uris.p; uris.n && rpc_batch_next(&at, uris.p + uris.n, &one);)
        count++;
    return filter.n && filter.p[0] == '{' && (!uris.n || uris.p[0] == '[') && count <= URIS_MAX;
}

/* --- to the client --- */

static void give(struct flight *f, struct span json)
{
    if (f->client->is_full(f)) { /* it does not read: better no stream than one with gaps */
        if (f->conn)
            conn_gone(f->conn);
        return;
    }
    f->beat_ms = clock_ms();
    f->client->message(f, json, false);
    f->client->flush(f);
}

static void give_tagged(struct flight *f, struct span json)
{
    struct buf out = BUF_INIT(CAP_MESSAGE);
    if (modern_write_tagged(&out, json, f->id))
        give(f, (struct span){out.data, out.len});
    buf_release(&out);
}

void listen_message(struct session *s, struct span json, const struct rpc_peek *peek)
{
    list_each(node, after, &s->flights)
    {
        struct flight *f = container_of(node, struct flight, session_node);
        if (f->kind == FLIGHT_LISTEN && !f->is_cancelled && modern_listen_wants(filter_of(f), peek))
            give_tagged(f, json);
    }
}

void listen_give_end(struct flight *f)
{
    struct buf out = BUF_INIT(2 * f->id.n + 300);
    if (modern_write_listen_end(&out, f->id))
        f->client->message(f, (struct span){out.data, out.len}, true);
    buf_release(&out);
}

/* --- a listen request of ours, to a daemon of the same era: the client's own, under its own id, so
 * that what comes is tagged already --- */

static void on_head(void *self, const struct http_head *head)
{
    struct flight *f = self;
    f->split = (struct sse_splitter){0};
    f->status = head->status;
    f->is_sse_answer = http_value_has(http_header(head, "Content-Type"), "text/event-stream");
}

static void take_event(struct flight *f, const char *bytes, size_t n)
{
    struct buf data = BUF_INIT(CAP_MESSAGE);
    struct rpc_peek peek;
    if (sse_event_data(bytes, n, &data) && data.len) {
        rpc_peek(data.data, data.len, &peek);
        bool is_ack = rpc_text_is(peek.method, "notifications/subscriptions/acknowledged");
        if (peek.kind == RPC_NOTIFICATION && !is_ack) /* its end is that of a life, not of this */
            give(f, (struct span){data.data, data.len});
        /* The client was told at once that it is listened for it: what has changed since, shows. */
        if (is_ack || memmem(data.data, data.len, "/list_changed\"", 14))
            known_list_changed(f->session);
    }
    buf_release(&data);
}

static void take_events(struct flight *f, const char *bytes, size_t n)
{
    struct sse_splitter split = {0};
    for (size_t at = 0, len; f->up && at < n && (len = sse_first(&split, bytes + at, n - at)) > 0;
         at += len)
        take_event(f, bytes + at, len);
}

static void on_body(void *self, const char *bytes, size_t n)
{
    struct flight *f = self;
    if (f->status != 200 || !f->is_sse_answer)
        return;
    size_t whole = sse_split(&f->split, bytes, n);
    if (whole && f->held.len) {
        if (buf_add(&f->held, bytes, whole))
            take_events(f, f->held.data, f->held.len);
        buf_release(&f->held);
    } else if (whole) {
        take_events(f, bytes, whole);
    }
    if (f->up && whole < n && !buf_add(&f->held, bytes + whole, n - whole)) {
        upstream_close(f->up);
        f->up = NULL;
    }
}

static void on_pause(void *self)
{
    struct flight *f = self;
    if (f->up && f->client->is_full(f))
        upstream_pause(f->up);
}

static void on_end(void *self, enum upstream_end how)
{
    struct flight *f = self;
    f->up = NULL;
    buf_release(&f->held);
    if (how != UPSTREAM_DONE)
        link_suspect(&f->session->link);
    /* It is opened again with the daemon's next life, or at the next beat. */
}

static const struct upstream_user listen_user = {on_head, on_body, on_pause, on_end};

static void open_upstream(struct flight *f)
{
    struct link *l = &f->session->link;
    struct err err = {0};
    f->up = upstream_open(f->session->front, f->session->daemon, &listen_user, f, &err);
    if (f->up)
        link_http_post(l, f->up, f->headers, f->body, f->body_n);
}

void listen_go(struct flight *f)
{
    struct session *s = f->session;
    struct daemon *d = s->daemon;
    if (!daemon_is_up(d) || !d->eras || clock_ms() < d->suspect_until_ms)
        return;
    if (!link_is_open(&s->link)) {
        upstream_close(f->up); /* of an earlier life */
        f->up = NULL;
        f->status = 0;
        link_open(&s->link);
    }
    if (link_is_open(&s->link) && s->link.transport == &link_modern) {
        if (!f->up)
            open_upstream(f);
    } else {
        link_push_changed(&s->link);
    }
}

/* --- resources that are followed: of a legacy session they are a property, so each is told once --
 */

struct followed { /* resources of one listen request, sorted, each once */
    size_t count;
    struct span uris[URIS_MAX];
    bool is_others[URIS_MAX]; /* another request follows it too */
};

static int compare(const void *left, const void *right)
{
    const struct span *a = left, *b = right;
    int order = memcmp(a->p, b->p, a->n < b->n ? a->n : b->n);
    return order ? order : (a->n > b->n) - (a->n < b->n);
}

static struct followed *followed_by(const struct flight *f)
{
    struct followed *all = xcalloc(1, sizeof *all);
    struct span uris = rpc_member(filter_of(f), "resourceSubscriptions"), one;
    size_t count = 0;
    for (const char *at = uris.p; uris.n && rpc_batch_next(&at, uris.p + uris.n, &one);)
        if (one.p[0] == '"' && count < URIS_MAX)
            all->uris[count++] = one;
    qsort(all->uris, count, sizeof *all->uris, compare);
    for (size_t i = 0; i < count; i++)
        if (!i || compare(&all->uris[i], &all->uris[all->count - 1]) != 0)
            all->uris[all->count++] = all->uris[i];
    return all;
}

static void mark_others(struct followed *all, const struct flight *other)
{
    struct span uris = rpc_member(filter_of(other), "resourceSubscriptions"), one;
    for (const char *at = uris.p; uris.n && rpc_batch_next(&at, uris.p + uris.n, &one);) {
        const struct span *found = bsearch(&one, all->uris, all->count, sizeof *all->uris, compare);
        if (found)
            all->is_others[found - all->uris] = true;
    }
}

static void follow(struct flight *f, bool is_on)
{
    struct followed *all = followed_by(f);
    list_each(node, after, &f->session->flights)
    {
        const struct flight *other = container_of(node, const struct flight, session_node);
        if (other != f && other->kind == FLIGHT_LISTEN && !other->is_cancelled && all->count)
            mark_others(all, other);
    }
    for (size_t i = 0; i < all->count; i++)
        if (!all->is_others[i])
            restore_follow(f->session, all->uris[i], is_on);
    free(all);
}

/* --- its life --- */

void listen_begin(struct flight *f)
{
    struct session *s = f->session;
    struct buf out = BUF_INIT(CAP_BODY + 1000);
    list_remove(&f->node); /* not looked after by the second, as calls are */
    list_add_tail(&s->front->listens, &f->node);
    s->listens++;
    if (!ev_is_active(&s->front->keepalive))
        ev_timer_again(s->front->loop, &s->front->keepalive);
    if (modern_write_acknowledged(&out, f->id, filter_of(f)))
        give(f, (struct span){out.data, out.len});
    buf_release(&out);
    if (f->is_cancelled)
        return;
    follow(f, true);
    if (daemon_is_up(s->daemon))
        listen_go(f);
    else
        known_note_stay(s);
}

bool listen_check_time(struct front *front, int64_t now_ms)
{
    list_each(node, after, &front->listens)
    {
        struct flight *f = container_of(node, struct flight, node);
        const struct link *l = &f->session->link;
        bool is_refused = f->status >= 400; /* it has no such request */
        if (!f->up && !is_refused && (l->transport == &link_modern || !link_is_open(l)))
            listen_go(f);
        if (now_ms - f->beat_ms < LISTEN_BEAT_MS)
            continue;
        f->beat_ms = now_ms;
        f->client->beat(f);
    }
    return !list_is_empty(&front->listens);
}

void listen_gone(struct flight *f)
{
    upstream_close(f->up);
    f->up = NULL;
    f->is_cancelled = true;
    list_remove(&f->node); /* flight_go ends it, not from inside its own writing */
    list_add_tail(&f->session->front->flights, &f->node);
    front_look_soon(f->session->front);
}

void listen_finish(struct flight *f)
{
    struct session *s = f->session;
    s->listens--;
    f->is_cancelled = true;
    follow(f, false);
    if (!s->listens)
        link_push_changed(&s->link);
}
