/* front/late.c - see late.h. */
#include "front/late.h"

#define LOG_MODULE "front"
#include "base/caps.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "front/http_answer.h"
#include "front/session_id.h"
#include "mcp/rewrite.h"

#include <string.h>

#define KEEP_MS 60000         /* of an answer that nobody has asked for yet */
#define STREAM_WAIT_MS 300000 /* a stream that had begun: its call was handed over, as a rule */
/* For an answer: whether the call was ever handed over is not known. Many clients give up after 60
 * s.
 */
#define WAIT_MS 45000

struct late {
    struct list node; /* of front->late */
    const struct daemon *daemon;
    char *tag, *id, *message;
    size_t message_n;
    int64_t kept_ms;
};

static struct span text_span(const char *text)
{
    return (struct span){text, strlen(text)};
}

static void drop(struct front *f, struct late *late)
{
    f->late_bytes -= late->message_n;
    list_remove(&late->node);
    free(late->tag);
    free(late->id);
    free(late->message);
    free(late);
}

static bool has_tag(const char *session_id, struct span tag)
{
    struct span own = session_id_tag(session_id);
    return own.n == tag.n && memcmp(own.p, tag.p, tag.n) == 0;
}

static bool is_of(const struct session *s, const struct daemon *d, struct span tag)
{
    return s->daemon == d && (!tag.n || has_tag(s->id, tag) || has_tag(s->earlier_id, tag));
}

static struct flight *waiting(struct front *f, const struct daemon *d, struct span tag,
                              struct span id)
{
    list_each(node, after, &f->flights)
    {
        struct flight *flight = container_of(node, struct flight, node);
        if (flight->late_until_ms && is_of(flight->session, d, tag) &&
            rpc_same_value(flight->id, id))
            return flight;
    }
    return NULL;
}

struct search {
    const struct daemon *daemon;
    struct span tag;
    const char *name; /* or: of the session in an event id */
    struct session *found;
};

static void look_for_stream(void *arg, struct session *s)
{
    struct search *search = arg;
    bool is_it = s->client_kind == CLIENT_SSE && s->is_published && !s->is_ended &&
                 session_stream_is_awaited(s) && is_of(s, search->daemon, search->tag);
    if (is_it)
        search->found = s;
}

static void look_for_name(void *arg, struct session *s)
{
    struct search *search = arg;
    if (s->is_published && !s->is_ended && strcmp(event_session(s), search->name) == 0)
        search->found = s;
}

void late_answer(struct front *f, const struct daemon *d, struct span tag, struct span id,
                 struct span message)
{
    struct flight *flight = waiting(f, d, tag, id);
    if (flight) {
        flight_answer(flight, message);
        return;
    }
    struct search search = {.daemon = d, .tag = tag};
    static const char ours[] = "\"poold";
    if (id.n > sizeof ours && memcmp(id.p, ours, sizeof ours - 1) == 0)
        return; /* a request of the front's own (own.h) */
    session_each(f, look_for_stream, &search);
    if (search.found) { /* such a client never asks again: it still waits */
        session_stream_message(search.found, message);
        return;
    }
    if (f->late_bytes + message.n > CAP_HELD) {
        log_debug("a late answer is dropped", "project=%s server=%s", d->project->key, d->server);
        return;
    }
    struct late *late = xcalloc(1, sizeof *late);
    *late = (struct late){.daemon = d,
                          .tag = xstrndup(tag.p ? tag.p : "", tag.n),
                          .id = xstrndup(id.p, id.n),
                          .message = xstrndup(message.p, message.n),
                          .message_n = message.n,
                          .kept_ms = clock_ms()};
    f->late_bytes += message.n;
    list_add_tail(&f->late, &late->node);
    front_time_something(f);
}

static struct late *kept(struct session *s, struct span id)
{
    list_each(node, after, &s->front->late)
    {
        struct late *late = container_of(node, struct late, node);
        if (is_of(s, late->daemon, text_span(late->tag)) && rpc_same_value(text_span(late->id), id))
            return late;
    }
    return NULL;
}

bool late_give(struct session *s, struct span id)
{
    struct late *late = kept(s, id);
    if (!late)
        return false;
    session_stream_message(s, (struct span){late->message, late->message_n});
    drop(s->front, late);
    return true;
}

void late_give_all(struct session *s)
{
    list_each(node, after, &s->front->late)
    {
        struct late *late = container_of(node, struct late, node);
        if (!is_of(s, late->daemon, text_span(late->tag)))
            continue;
        session_stream_message(s, (struct span){late->message, late->message_n});
        drop(s->front, late);
    }
}

/* Does the daemon that may have its request live on? */
static bool may_come(const struct session *s)
{
    bool is_older = s->created_unix_ms < s->front->started_unix_ms;
    return is_older && s->link.state == LINK_OPEN && s->link.transport == &link_stdio;
}

bool late_resume(struct conn *c, const struct event_id *id)
{
    struct search search = {.name = id->session};
    if (strcmp(id->run, c->front->run) != 0)
        session_each(c->front, look_for_name, &search);
    struct session *s = search.found;
    struct late *late = s ? kept(s, id->request) : NULL;
    if (!late && (!s || !may_come(s)))
        return false;
    struct rpc_peek peek = {.kind = RPC_REQUEST, .id = id->request};
    struct flight *f = flight_new(s, FLIGHT_CALL, &client_http_sink, c, id->request, &peek, NULL);
    f->form = FORM_SSE;
    f->is_framed_by_end = true;
    conn_take(c, &http_flight_user, f);
    if (!late) {
        conn_flush(c);
        flight_wait_late(f, clock_ms() + STREAM_WAIT_MS);
        return true;
    }
    flight_wait_late(f, clock_ms());
    flight_answer(f, (struct span){late->message, late->message_n});
    drop(c->front, late);
    return true;
}

bool late_wait(struct session *s, struct span request, const struct rpc_peek *peek)
{
    if (!may_come(s))
        return false;
    struct flight *flight =
        flight_new(s, FLIGHT_CALL, &client_stream_sink, NULL, request, peek, NULL);
    flight_wait_late(flight, clock_ms() + WAIT_MS);
    return true;
}

bool late_is_awaited(const struct session *s, struct span id)
{
    list_each(node, after, &s->flights)
    {
        const struct flight *flight = container_of(node, struct flight, session_node);
        if (flight->phase != FLIGHT_QUEUED && flight->id.n && rpc_same_value(flight->id, id))
            return true;
    }
    return false;
}

bool late_check_time(struct front *f, int64_t now_ms)
{
    list_each(node, after, &f->late)
    {
        struct late *late = container_of(node, struct late, node);
        if (now_ms - late->kept_ms >= KEEP_MS)
            drop(f, late);
    }
    return !list_is_empty(&f->late);
}

void late_forget_all(struct front *f)
{
    list_each(node, after, &f->late) drop(f, container_of(node, struct late, node));
}
