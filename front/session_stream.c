/* front/session_stream.c - a session's long stream to its client (session.h): the GET of Streamable
 * HTTP or the stream of HTTP+SSE. */
#include "base/caps.h"
#include "base/clock.h"
#include "front/flight.h"
#include "mcp/sse.h"

#define STREAM_BEAT_MS 60000

static void on_stream_gone(void *self)
{
    struct session *s = self;
    s->stream = NULL;
    list_remove(&s->stream_node);
    link_push_changed(&s->link);
    if (s->client_kind == CLIENT_SSE &&
        !s->is_ended) /* HTTP+SSE: the end of the stream is the end of the session */
        session_end(s);
}

static void on_stream_drained(void *self)
{
    struct session *s = self;
    link_drained(&s->link);
    if (s->client_kind == CLIENT_SSE) /* their answers go through the stream too */
        flight_resume_all(s);
}

static const struct conn_user stream_user = {on_stream_gone, on_stream_drained};

void session_stream_open(struct session *s, struct conn *c)
{
    /* Framed by the end of the connection: a killed poold then looks like a clean end to clients.
     */
    c->will_close = true;
    conn_take(c, &stream_user, s);
    s->stream = c;
    s->stream_beat_ms = clock_ms();
    list_add_tail(&s->front->streams, &s->stream_node);
    if (!ev_is_active(&s->front->keepalive))
        ev_timer_again(s->front->loop, &s->front->keepalive);
}

void session_stream_events(struct session *s, const char *bytes, size_t n)
{
    if (!s->stream)
        return;
    s->stream_beat_ms = clock_ms();
    conn_add(s->stream, bytes, n);
    if (s->stream)
        conn_flush(s->stream);
}

void session_stream_message(struct session *s, struct span json)
{
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

bool session_streams_beat(struct front *f, int64_t now_ms)
{
    static const char comment[] = ": poold\r\n\r\n";
    list_each(node, after, &f->streams)
    {
        struct session *s = container_of(node, struct session, stream_node);
        if (now_ms - s->stream_beat_ms >= STREAM_BEAT_MS)
            session_stream_events(s, comment, sizeof comment - 1);
    }
    return !list_is_empty(&f->streams);
}
