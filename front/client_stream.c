/* front/client_stream.c - see client_stream.h. */
#include "front/client_stream.h"

#include "base/caps.h"
#include "base/str.h"
#include "front/client_lines.h"
#include "front/roots.h"
#include "mcp/handshake.h"

#define SMALL CAP_EVENT /* answers up to this wait for no others */

/* --- answers go to the session's stream, whole messages only --- */

/* On the flight's own connection, or the session's stream. */
static struct conn *stream_of(const struct flight *f)
{
    return f->conn ? f->conn : f->session->stream;
}

static void give(struct flight *f, struct span json)
{
    struct conn *c = f->conn;
    if (c) {
        lines_write(c, json);
        conn_flush(c);
    } else {
        session_stream_message(f->session, json);
    }
}

static void json_end(struct flight *f)
{
    give(f, (struct span){f->held.data, f->held.len});
}

static void events(struct flight *f, const char *bytes, size_t n)
{
    struct sse_splitter split = {0};
    for (size_t at = 0, len; at < n && (len = sse_first(&split, bytes + at, n - at)) > 0;
         at += len) {
        struct sse_event event;
        sse_event_parse(bytes + at, len, &event);
        if (!event.data_lines) /* comments keep nothing alive here: the stream has its own */
            continue;
        if (f->conn)
            lines_write_events(f->conn, bytes + at, len);
        else
            session_stream_events(f->session, bytes + at, len);
    }
}

static void message(struct flight *f, struct span json, bool is_answer)
{
    (void)is_answer;
    give(f, json);
}

static void flush(struct flight *f)
{
    if (f->conn)
        conn_flush(f->conn);
}

static void nothing(struct flight *f)
{
    (void)f;
}

/* Answers are held until they are whole, many at once: past CAP_HELD in all only the eldest of the
 * large ones is read on. */
static bool is_full(struct flight *f)
{
    struct session *s = f->session;
    const struct flight *eldest = NULL;
    size_t held = 0;
    const struct conn *c = stream_of(f);
    if (!c)
        return false;
    if (conn_is_full(c))
        return true;
    if (f->held.len <= SMALL)
        return false;
    list_each(node, after, &s->flights)
    {
        const struct flight *other = container_of(node, struct flight, session_node);
        held += other->held.len;
        if (!eldest && other->held.len > SMALL)
            eldest = other;
    }
    bool must_wait = held > CAP_HELD && f != eldest;
    s->has_waiting |= must_wait;
    return must_wait;
}

static void end(struct flight *f)
{
    struct session *s = f->session;
    struct conn *c = stream_of(f);
    buf_release(&f->held);
    if (s->has_waiting) {
        s->has_waiting = false;
        flight_resume_all(s);
    }
    if (c && c->reader)
        c->reader->on_room(c);
}

const struct flight_client client_stream_sink = {
    flight_hold_begin, flight_hold_data, json_end, events, message, end, flush,
    is_full,           nothing,          NULL};

/* --- requests --- */

static void begin(struct session *s, struct span message, const struct rpc_peek *peek)
{
    known_close(s);
    free(s->initialize);
    s->initialize = peek->params.n ? xstrndup(peek->params.p, peek->params.n) : xstrdup("{}");
    free(s->client);
    s->client = handshake_client_name(peek->params);
    roots_begin(s);
    link_close(&s->link); /* a handshake made without the client's own parameters is made again */
    flight_go(flight_new(s, FLIGHT_INITIALIZE, &client_stream_sink, NULL, message, peek, NULL));
}

static void answer_ping(struct session *s, struct span id)
{
    struct buf body = BUF_INIT(CAP_HEAD + id.n);
    if (rpc_write_empty(&body, id))
        session_stream_message(s, (struct span){body.data, body.len});
    buf_release(&body);
}

void client_stream_message(struct session *s, struct span message, const struct rpc_peek *peek,
                           char *headers_take)
{
    bool is_request = peek->kind == RPC_REQUEST;
    if (roots_take(s, peek, message)) {
        free(headers_take);
        return;
    }
    if (rpc_text_is(peek->method, "notifications/initialized"))
        roots_ask(s);
    if (rpc_text_is(peek->method, "notifications/roots/list_changed"))
        roots_changed(s);
    if (is_request && rpc_text_is(peek->method, "initialize")) {
        free(headers_take);
        begin(s, message, peek);
    } else if (is_request && rpc_text_is(peek->method, "ping")) {
        free(headers_take);
        answer_ping(s, peek->id);
    } else if (is_request) {
        flight_go(
            flight_new(s, FLIGHT_CALL, &client_stream_sink, NULL, message, peek, headers_take));
    } else if (!rpc_text_is(peek->method, "notifications/initialized") && link_is_open(&s->link)) {
        flight_go(
            flight_new(s, FLIGHT_ONEWAY, &flight_client_none, NULL, message, peek, headers_take));
    } else {
        free(headers_take);
    }
}
