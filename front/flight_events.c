/* front/flight_events.c - reading a daemon's event stream that answers a call (flight.h): event by
 * event, or in parts where one is large; numbers of the daemon's own go no further. */
#include "base/caps.h"
#include "base/clock.h"
#include "base/str.h"
#include "front/asked.h"
#include "front/flight.h"
#include "mcp/sse_filter.h"

/* Is it the answer? -1: not decidable yet (of an event that has not come to its end). */
static int is_answer(const char *bytes, size_t n, const struct sse_event *event)
{
    if (event->data_lines == 1)
        return rpc_is_response(event->data.p, event->data.n);
    struct buf joined = BUF_INIT(CAP_MESSAGE);
    int is_it = sse_event_data(bytes, n, &joined) ? rpc_is_response(joined.data, joined.len) : 0;
    buf_release(&joined);
    return is_it;
}

/* A request or a notification on the way to the client. */
static void look_at(struct flight *f, const struct sse_event *event)
{
    struct rpc_peek peek;
    rpc_peek(event->data.p, event->data.n, &peek);
    if (peek.kind == RPC_REQUEST)
        asked_note(f->session, f, peek.id);
    else if (peek.kind == RPC_NOTIFICATION && known_is_change(peek.method))
        known_list_changed(f->session);
}

static void take_event(struct flight *f, const char *bytes, size_t n)
{
    struct sse_event event;
    sse_event_parse(bytes, n, &event);
    if (event.is_numbered)
        flight_note_number(f, &event);
    if (!event.data_lines || (event.data_lines == 1 && !event.data.n))
        return; /* a comment or a priming event: our stream has its own */
    f->beat_ms = clock_ms();
    bool is_it = is_answer(bytes, n, &event) == 1;
    if (is_it && f->has_answer)
        return; /* there is one answer */
    f->has_answer |= is_it;
    if (!is_it)
        look_at(f, &event);
    if (!event.is_numbered) {
        f->client->events(f, bytes, n);
        return;
    }
    struct sse_filter filter = {0};
    struct buf out = BUF_INIT(n);
    if (sse_filter(&filter, bytes, n, &out))
        f->client->events(f, out.data, out.len);
    buf_release(&out);
}

static void take_events(struct flight *f, const char *bytes, size_t n)
{
    struct sse_splitter split = {0};
    for (size_t at = 0, len; at < n && (len = sse_first(&split, bytes + at, n - at)) > 0; at += len)
        take_event(f, bytes + at, len);
}

/* --- an event in parts --- */

static void pass_part(struct flight *f, const char *bytes, size_t n, bool is_last)
{
    struct buf out = BUF_INIT(n + sizeof f->parts->name);
    f->beat_ms = clock_ms();
    if (sse_filter(f->parts, bytes, n, &out) && (out.len || is_last))
        f->client->part(f, out.data, out.len, is_last);
    buf_release(&out);
    if (!is_last)
        return;
    free(f->parts);
    f->parts = NULL;
    f->has_answer |= f->is_part_answer;
}

/* What is held of an event is long: it goes on as it comes, once it is known what it is. */
static void begin_parts(struct flight *f)
{
    struct sse_event event;
    sse_event_parse(f->held.data, f->held.len, &event);
    int is_it = event.data_lines ? is_answer(f->held.data, f->held.len, &event) : -1;
    if (is_it < 0)
        return;
    f->is_part_answer = is_it == 1;
    f->parts = xcalloc(1, sizeof *f->parts);
    pass_part(f, f->held.data, f->held.len, false);
    buf_release(&f->held);
}

void flight_sse(struct flight *f, const char *bytes, size_t n)
{
    f->phase = FLIGHT_STREAMING;
    if (f->parts) {
        size_t len = sse_first(&f->split, bytes, n);
        pass_part(f, bytes, len ? len : n, len > 0);
        if (!len || len == n)
            return;
        bytes += len;
        n -= len;
    }
    size_t whole = sse_split(&f->split, bytes, n);
    if (whole && f->held.len) { /* the event held so far ends in these bytes */
        if (buf_add(&f->held, bytes, whole))
            take_events(f, f->held.data, f->held.len);
        buf_release(&f->held);
    } else if (whole) {
        take_events(f, bytes, whole);
    }
    if (whole == n)
        return;
    if (!buf_add(&f->held, bytes + whole, n - whole)) {
        flight_fail(f, ERR_TOO_BIG, "the daemon sent an event of more than %d MiB",
                    CAP_MESSAGE / 1024 / 1024);
        return;
    }
    if (f->held.len > CAP_EVENT && f->client->part)
        begin_parts(f);
}
