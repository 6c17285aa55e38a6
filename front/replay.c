/* front/replay.c - see replay.h. */
#include "front/replay.h"

#include "base/caps.h"
#include "base/clock.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ENDED_MS 60000 /* clients come back after `retry`, twice: seconds */

static void charge(struct replay *r)
{
    size_t now = sizeof *r + r->kept.room;
    *r->total += now - r->charged;
    r->charged = now;
}

static void replay_free(struct replay *r)
{
    *r->total -= r->charged;
    list_remove(&r->node);
    buf_release(&r->kept);
    free(r);
}

/* All that is kept of a stream goes, but not the stream. */
static void forget(struct replay *r)
{
    r->is_skipped |= r->is_open;
    r->open_at = 0;
    buf_release(&r->kept);
    charge(r);
}

/* Of all: what ended first goes first, then what was begun first. */
static void keep_within(struct front *f, const struct replay *but)
{
    list_each(node, after, &f->ended_replays)
    {
        if (f->replay_bytes <= CAP_REPLAYS)
            return;
        replay_free(container_of(node, struct replay, node));
    }
    list_each(live, next, &f->replays)
    {
        struct replay *r = container_of(live, struct replay, node);
        if (f->replay_bytes <= CAP_REPLAYS)
            return;
        if (r != but)
            forget(r);
    }
}

struct replay *replay_new(struct session *s, struct span request, struct flight *f)
{
    struct front *front = s->front;
    struct replay *r = xcalloc(1, sizeof *r);
    r->front = front;
    r->total = &front->replay_bytes;
    r->stream = ++front->replay_count;
    if (!event_name_make(s, r->stream, request, r->name)) {
        free(r);
        return NULL;
    }
    r->name_n = strlen(r->name);
    r->next_event = 1;
    r->flight = f;
    r->kept.cap = f ? CAP_REPLAY : CAP_EVENT; /* long streams are many, and read at once */
    list_add_tail(&front->replays, &r->node);
    charge(r);
    return r;
}

static bool drop_first(struct replay *r)
{
    struct sse_splitter split = {0};
    size_t n = sse_first(&split, r->kept.data, r->is_open ? r->open_at : r->kept.len);
    if (!n)
        return false;
    buf_consume(&r->kept, n);
    r->open_at -= r->is_open ? n : 0;
    return true;
}

void replay_add(struct replay *r, const char *bytes, size_t n)
{
    while (!r->is_skipped && !buf_add(&r->kept, bytes, n))
        if (!drop_first(r)) { /* it is larger than all that may be kept */
            r->kept.len = r->open_at;
            r->is_skipped = true;
        }
    if (r->charged != sizeof *r + r->kept.room) {
        charge(r);
        keep_within(r->front, r);
    }
}

static size_t id_line(const struct replay *r, uint64_t event, char out[REPLAY_LINE_MAX])
{
    memcpy(out, "id: ", 4);
    memcpy(out + 4, r->name, r->name_n);
    size_t n = 4 + r->name_n;
    return n + (size_t)snprintf(out + n, REPLAY_LINE_MAX - n, "~%" PRIu64 "\r\n", event);
}

size_t replay_priming(const struct replay *r, char out[REPLAY_LINE_MAX])
{
    return id_line(r, 0, out);
}

size_t replay_begin(struct replay *r, char out[REPLAY_LINE_MAX])
{
    size_t n = id_line(r, r->next_event++, out);
    r->is_open = true;
    r->is_skipped = false;
    r->open_at = r->kept.len;
    replay_add(r, out, n);
    return n;
}

void replay_close(struct replay *r)
{
    r->is_open = false;
    if (!r->is_skipped)
        r->last_kept = r->next_event - 1;
}

static void keep_within_sent(struct front *f)
{
    list_each(node, after, &f->sent_replays)
    {
        if (f->sent_replay_bytes <= CAP_REPLAYS_SENT || after == &f->sent_replays)
            return;
        replay_free(container_of(node, struct replay, node));
    }
}

void replay_end(struct replay *r, bool is_sent)
{
    if (!r)
        return;
    struct front *f = r->front;
    r->flight = NULL;
    r->ended_ms = clock_ms();
    list_remove(&r->node);
    list_add_tail(is_sent ? &f->sent_replays : &f->ended_replays, &r->node);
    if (is_sent) {
        f->replay_bytes -= r->charged;
        f->sent_replay_bytes += r->charged;
        r->total = &f->sent_replay_bytes;
        keep_within_sent(f);
    } else {
        keep_within(f, NULL);
    }
    front_time_something(f);
}

void replay_take_back(struct replay *r)
{
    if (r)
        r->is_taken_back = true;
    replay_end(r, false);
}

struct replay *replay_find(struct front *f, const struct event_id *id)
{
    if (strcmp(id->run, f->run) != 0)
        return NULL;
    struct list *lists[] = {&f->replays, &f->ended_replays, &f->sent_replays};
    for (size_t i = 0; i < 3; i++)
        list_each(node, after, lists[i])
        {
            struct replay *r = container_of(node, struct replay, node);
            if (r->stream == id->stream)
                return r;
        }
    return NULL;
}

/* The number at the end of an event's id. */
static uint64_t number_of(const char *bytes, size_t n)
{
    struct sse_event event;
    sse_event_parse(bytes, n, &event);
    uint64_t number = 0;
    size_t at = event.id.n;
    while (at && event.id.p[at - 1] != '~')
        at--;
    for (; at < event.id.n; at++)
        number = number * 10 + (uint64_t)(event.id.p[at] - '0');
    return number;
}

void replay_after(const struct replay *r, uint64_t event,
                  void (*each)(void *arg, const char *bytes, size_t n), void *arg)
{
    struct sse_splitter split = {0};
    size_t end = r->is_open ? r->open_at : r->kept.len;
    for (size_t at = 0, n; at < end && (n = sse_first(&split, r->kept.data + at, end - at)) > 0;
         at += n)
        if (number_of(r->kept.data + at, n) > event)
            each(arg, r->kept.data + at, n);
    if (r->is_open && !r->is_skipped && r->kept.len > r->open_at)
        each(arg, r->kept.data + r->open_at, r->kept.len - r->open_at);
}

static bool free_old(struct list *ended, int64_t now_ms)
{
    list_each(node, after, ended)
    {
        struct replay *r = container_of(node, struct replay, node);
        if (now_ms - r->ended_ms < ENDED_MS)
            return true; /* those behind it ended later */
        replay_free(r);
    }
    return false;
}

bool replay_check_time(struct front *f, int64_t now_ms)
{
    bool any = free_old(&f->ended_replays, now_ms);
    return free_old(&f->sent_replays, now_ms) || any;
}

void replay_destroy_all(struct front *f)
{
    struct list *lists[] = {&f->replays, &f->ended_replays, &f->sent_replays};
    for (size_t i = 0; i < 3; i++)
        list_each(node, after, lists[i]) replay_free(container_of(node, struct replay, node));
}
