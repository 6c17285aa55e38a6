/* front/session_stream.c - a session's long stream to its client (session.h): the GET of Streamable
 * HTTP or the stream of HTTP+SSE. */
#define LOG_MODULE "front"
#include "base/caps.h"
#include "base/clock.h"
#include "base/log.h"
#include "front/client_lines.h"
#include "front/flight.h"
#include "front/http_answer.h"
#include "front/modern.h"
#include "front/replay.h"
#include "mcp/sse.h"

#include <string.h>

#define STREAM_BEAT_MS 60000

static void on_stream_gone(void *self)
{
    struct session *s = self;
    s->stream = NULL;
    list_remove(&s->stream_node);
    if (s->client_kind == CLIENT_SSE && s->is_published) /* its client may open it anew */
        session_stream_await(s);
    else
        link_push_changed(&s->link);
    if (s->ends_with_stream && !s->is_ended)
        session_end(s);
}

static void on_stream_drained(void *self)
{
    struct session *s = self;
    link_drained(&s->link);
    if (s->client_kind != CLIENT_HTTP) /* their answers go through the stream too */
        flight_resume_all(s);
}

static const struct conn_user stream_user = {on_stream_gone, on_stream_drained};

static void take_stream(struct session *s, struct conn *c)
{
    conn_take(c, &stream_user, s);
    s->stream = c;
    s->awaited_until_ms = 0;
    s->stream_beat_ms = clock_ms();
    list_add_tail(&s->front->streams, &s->stream_node);
    if (!ev_is_active(&s->front->keepalive))
        ev_timer_again(s->front->loop, &s->front->keepalive);
}

void session_stream_open(struct session *s, struct conn *c)
{
    /* Framed by the end of the connection: a killed poold then looks like a clean end to clients.
     */
    c->will_close = true;
    take_stream(s, c);
}

void session_stream_adopt(struct session *s, struct conn *c)
{
    take_stream(s, c);
    struct buf late = s->late;
    s->late = (struct buf)BUF_INIT(CAP_BODY);
    if (late.len)
        session_stream_events(s, late.data, late.len);
    buf_release(&late);
    link_push_changed(&s->link);
    known_stream_opened(s);
}

void session_stream_await(struct session *s)
{
    s->awaited_until_ms = clock_ms() + SESSION_AWAIT_MS;
    s->front->awaits = true;
    front_time_something(s->front);
}

bool session_stream_is_awaited(const struct session *s)
{
    return s->stream || clock_ms() < s->awaited_until_ms;
}

/* The messages among whole events, for a client that listens by requests (listen.h). */
static void each_message(struct session *s, const char *bytes, size_t n)
{
    struct sse_splitter split = {0};
    for (size_t at = 0, len; at < n && (len = sse_first(&split, bytes + at, n - at)) > 0;
         at += len) {
        struct buf data = BUF_INIT(CAP_MESSAGE);
        if (sse_event_data(bytes + at, len, &data) && data.len)
            modern_message(s, (struct span){data.data, data.len});
        buf_release(&data);
    }
}

/* With an id, where the client's revision has them (2025-03-26 on). */
static void write_http_event(struct session *s, const char *bytes, size_t n)
{
    char line[REPLAY_LINE_MAX];
    if (!s->replay && strcmp(s->protocol, "2025-03-26") >= 0)
        s->replay = replay_new(s, (struct span){0}, NULL);
    if (s->replay) {
        conn_add(s->stream, line, replay_begin(s->replay, line));
        replay_add(s->replay, bytes, n);
        replay_close(s->replay);
    }
    if (s->stream)
        conn_add(s->stream, bytes, n);
}

static void add_again(void *arg, const char *bytes, size_t n)
{
    struct session *s = arg;
    if (s->stream)
        conn_add(s->stream, bytes, n);
}

void session_stream_replay(struct session *s, struct span last_event_id)
{
    struct event_id id;
    if (s->replay && event_id_read(s->front, last_event_id, &id) &&
        replay_find(s->front, &id) == s->replay)
        replay_after(s->replay, id.event, add_again, s);
}

void session_stream_events(struct session *s, const char *bytes, size_t n)
{
    if (s->modern)
        each_message(s, bytes, n);
    if (!s->stream) {
        if (s->awaited_until_ms && !buf_add(&s->late, bytes, n))
            log_debug("an event is lost: no stream", "project=%s", s->daemon->project->key);
        return;
    }
    s->stream_beat_ms = clock_ms();
    if (s->client_kind == CLIENT_LINES)
        lines_write_events(s->stream, bytes, n);
    else if (s->client_kind == CLIENT_HTTP)
        write_http_event(s, bytes, n);
    else
        conn_add(s->stream, bytes, n);
    if (s->stream)
        conn_flush(s->stream);
}

void session_stream_message(struct session *s, struct span json)
{
    if (s->modern) {
        modern_message(s, json);
        return;
    }
    if (s->client_kind == CLIENT_LINES) {
        if (s->stream)
            lines_write(s->stream, json);
        if (s->stream)
            conn_flush(s->stream);
        return;
    }
    struct buf event = BUF_INIT(CAP_MESSAGE + 1024);
    if (sse_event_write(&event, "message", NULL, json))
        session_stream_events(s, event.data, event.len);
    buf_release(&event);
}

void session_stream_close(struct session *s)
{
    struct conn *c = s->stream;
    if (!c)
        return;
    s->stream = NULL;
    list_remove(&s->stream_node);
    conn_finish(c);
}

static void beat(struct session *s)
{
    s->stream_beat_ms = clock_ms();
    conn_add(s->stream, HTTP_COMMENT, sizeof HTTP_COMMENT - 1);
    if (s->stream)
        conn_flush(s->stream);
}

bool session_streams_beat(struct front *f, int64_t now_ms)
{
    list_each(node, after, &f->streams)
    {
        struct session *s = container_of(node, struct session, stream_node);
        if (s->client_kind != CLIENT_LINES && now_ms - s->stream_beat_ms >= STREAM_BEAT_MS)
            beat(s);
    }
    return !list_is_empty(&f->streams);
}
