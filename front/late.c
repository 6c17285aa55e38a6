/* front/late.c - see late.h. */
#include "front/late.h"

#define LOG_MODULE "front"
#include "base/caps.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "front/session_id.h"
#include "mcp/rewrite.h"

#include <string.h>

#define KEEP_MS 60000 /* of an answer that nobody has asked for yet */
#define WAIT_MS 60000 /* for an answer: whether the call was ever handed over is not known */

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

static bool is_of(const struct session *s, const struct daemon *d, struct span tag)
{
    struct span own = session_id_tag(s->id);
    return s->daemon == d && (!tag.n || (own.n == tag.n && memcmp(own.p, tag.p, tag.n) == 0));
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

void late_answer(struct front *f, const struct daemon *d, struct span tag, struct span id,
                 struct span message)
{
    struct flight *flight = waiting(f, d, tag, id);
    if (flight) {
        flight_answer(flight, message);
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

bool late_give(struct session *s, struct span id)
{
    struct front *f = s->front;
    list_each(node, after, &f->late)
    {
        struct late *late = container_of(node, struct late, node);
        if (!is_of(s, late->daemon, text_span(late->tag)) ||
            !rpc_same_value(text_span(late->id), id))
            continue;
        session_stream_message(s, (struct span){late->message, late->message_n});
        drop(f, late);
        return true;
    }
    return false;
}

bool late_wait(struct session *s, struct span request, const struct rpc_peek *peek)
{
    bool is_older = s->created_unix_ms < s->front->started_unix_ms;
    if (!is_older || s->link.state != LINK_OPEN || s->link.transport != &link_stdio)
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
