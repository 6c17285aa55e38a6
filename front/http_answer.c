/* front/http_answer.c - see http_answer.h. */
#include "front/http_answer.h"

#include "base/caps.h"
#include "base/str.h"
#include "front/flight.h"
#include "front/replay.h"
#include "mcp/sse.h"

#include <string.h>

void http_answer_resumable(struct flight *f)
{
    /* An event without data breaks clients that do not know it (before 2025-11-25); ids on the
     * others are older (2025-03-26). */
    const char *protocol = f->session->protocol;
    f->resume = strcmp(protocol, "2025-11-25") >= 0   ? RESUME_PRIMED
                : strcmp(protocol, "2025-03-26") >= 0 ? RESUME_BY_ID
                                                      : RESUME_NO;
    if (f->resume == RESUME_PRIMED)
        front_prime_soon(f->session->front);
}

/* A run of bytes of the stream: a chunk where the client knows chunks and has not resumed it. */
static void send_bytes(struct flight *f, struct span line, const char *bytes, size_t n)
{
    struct conn *c = f->conn;
    bool is_chunked = c && !f->is_framed_by_end && !c->is_http10;
    if (!c || !(line.n + n))
        return;
    if (is_chunked)
        conn_printf(c, "%zx\r\n", line.n + n);
    conn_add(c, line.p, line.n);
    conn_add(c, bytes, n);
    if (is_chunked)
        conn_add(c, "\r\n", 2);
}

/* The stream's beginning, once: from here on the answer is an event stream. */
static void begin_stream(struct flight *f)
{
    static const char prime[] = HTTP_RETRY "data: \r\n\r\n";
    char line[REPLAY_LINE_MAX];
    if (f->form != FORM_NONE)
        return;
    if (f->kind == FLIGHT_INITIALIZE && !f->session->is_published)
        session_publish(f->session); /* a slow start: its id can only be said in this head */
    conn_begin_events(f->conn, flight_headers(f->session, f->kind == FLIGHT_INITIALIZE), true);
    f->form = FORM_SSE;
    if (f->resume != RESUME_NO)
        f->replay = replay_new(f->session, flight_client_id(f), f);
    if (f->replay && f->resume == RESUME_PRIMED)
        send_bytes(f, (struct span){line, replay_priming(f->replay, line)}, prime,
                   sizeof prime - 1);
}

/* Bytes of an event, in one piece or several: to the client, and to what it may resume from. */
static void part(struct flight *f, const char *bytes, size_t n, bool is_last)
{
    char line[REPLAY_LINE_MAX + sizeof HTTP_RETRY];
    size_t line_n = 0;
    begin_stream(f);
    if (f->replay && !f->is_in_event) {
        bool is_first = f->replay->next_event == 1;
        line_n = replay_begin(f->replay, line);
        if (is_first && f->resume == RESUME_BY_ID) { /* a block of its own is an event to some */
            memcpy(line + line_n, HTTP_RETRY, sizeof HTTP_RETRY - 1);
            line_n += sizeof HTTP_RETRY - 1;
        }
    }
    f->is_in_event = !is_last;
    if (n)
        f->last_byte = bytes[n - 1];
    send_bytes(f, (struct span){line, line_n}, bytes, n);
    if (f->replay) {
        replay_add(f->replay, bytes, n);
        if (is_last)
            replay_close(f->replay);
    }
}

/* An event of which a part has gone out will not be finished: clients ignore events of a name that
 * they do not know (a data line that is begun cannot be taken back). */
static void cut_event(struct flight *f)
{
    static const char cut[] = "\r\nevent: cut\r\n\r\n";
    bool is_at_line = f->last_byte == '\r' || f->last_byte == '\n';
    if (f->is_in_event)
        part(f, cut + (is_at_line ? 2 : 0), sizeof cut - 1 - (is_at_line ? 2 : 0), true);
}

static void events(struct flight *f, const char *bytes, size_t n)
{
    if (f->form == FORM_JSON)
        return; /* the answer was given: its length is said, nothing can stand behind it */
    cut_event(f);
    part(f, bytes, n, true);
}

/* Bytes of a JSON answer that is too large to be held until it is a whole event: line breaks in
 * JSON can only stand between tokens, and become blanks. */
static void part_of_json(struct flight *f, const char *bytes, size_t n)
{
    struct buf line = BUF_INIT(n);
    if (!buf_add(&line, bytes, n))
        return;
    for (size_t i = 0; i < n; i++)
        if (line.data[i] == '\n' || line.data[i] == '\r')
            line.data[i] = ' ';
    part(f, line.data, n, false);
    buf_release(&line);
}

static void json_begin(struct flight *f, int64_t length)
{
    struct conn *c = f->conn;
    if (f->form == FORM_SSE) {
        /* The stream was begun: the answer becomes an event, held until it is whole so that
         * keep-alives may come in between, or too large for that. */
        buf_release(&f->held);
        return;
    }
    f->form = FORM_JSON;
    if (length < 0 && c->is_http10)
        c->will_close = true;
    if (f->http_status && f->http_status != 200)
        conn_status_line(c, f->http_status);
    else
        conn_add(c, "HTTP/1.1 200 OK\r\n", 17);
    conn_add(c, "Content-Type: application/json\r\n", 32);
    const char *headers = flight_headers(f->session, f->kind == FLIGHT_INITIALIZE);
    conn_add(c, headers, strlen(headers));
    if (!f->conn)
        return;
    if (length >= 0) {
        conn_add(c, "Content-Length: ", 16);
        conn_add_int(c, length);
        conn_add(c, "\r\n", 2);
    } else if (!c->is_http10)
        conn_add(c, "Transfer-Encoding: chunked\r\n", 28);
    conn_add(c, c->will_close ? "Connection: close\r\n\r\n" : "\r\n", c->will_close ? 21 : 2);
    f->is_chunking = length < 0 && !c->is_http10;
}

static void event_of_json(struct flight *f, const char *bytes, size_t n)
{
    static const char begin[] = "event: message\r\ndata: ";
    if (f->is_in_event) {
        part_of_json(f, bytes, n);
    } else if (f->held.len + n > CAP_EVENT) {
        part(f, begin, sizeof begin - 1, false);
        part_of_json(f, f->held.data, f->held.len);
        part_of_json(f, bytes, n);
        buf_release(&f->held);
    } else {
        flight_hold_data(f, bytes, n);
    }
}

static void json_data(struct flight *f, const char *bytes, size_t n)
{
    if (f->form == FORM_SSE)
        event_of_json(f, bytes, n);
    else if (f->conn && f->is_chunking)
        conn_chunk(f->conn, bytes, n);
    else if (f->conn)
        conn_add(f->conn, bytes, n);
}

static void message(struct flight *f, struct span json, bool is_answer);

static void json_end(struct flight *f)
{
    if (f->is_in_event)
        part(f, "\r\n\r\n", 4, true);
    else if (f->form == FORM_SSE)
        message(f, (struct span){f->held.data, f->held.len}, true);
    else if (f->is_chunking && f->conn)
        conn_end_chunks(f->conn);
}

static void message(struct flight *f, struct span json, bool is_answer)
{
    if (is_answer && f->form == FORM_NONE) {
        json_begin(f, (int64_t)json.n);
        if (f->conn)
            json_data(f, json.p, json.n);
        return;
    }
    struct buf event = BUF_INIT(CAP_MESSAGE + 1024);
    if (sse_event_write(&event, "message", NULL, json))
        events(f, event.data, event.len);
    buf_release(&event);
}

static void end(struct flight *f)
{
    struct conn *c = f->conn;
    struct replay *replay = f->replay;
    f->conn = NULL;
    f->replay = NULL;
    if (c && f->form == FORM_SSE && !f->is_framed_by_end)
        conn_end_chunks(c);
    if (c)
        conn_finish(c);
    replay_end(replay, c && !c->is_doomed && !c->out.len);
}

static void flush(struct flight *f)
{
    if (f->conn)
        conn_flush(f->conn);
}

static bool is_full(struct flight *f)
{
    return f->conn && conn_is_full(f->conn);
}

static void beat(struct flight *f)
{
    if (f->form == FORM_JSON || f->is_in_event || !f->conn)
        return; /* a body of known length has begun, or an event whose end is on the way */
    bool is_begun = f->form == FORM_SSE;
    begin_stream(f);
    if (is_begun || !f->replay)
        send_bytes(f, (struct span){0}, HTTP_COMMENT, sizeof HTTP_COMMENT - 1);
    flush(f);
}

const struct flight_client client_http_sink = {json_begin, json_data, json_end, events, message,
                                               end,        flush,     is_full,  beat,   part};

static void on_gone(void *self)
{
    flight_client_gone(self);
}

static void on_drained(void *self)
{
    struct flight *f = self;
    if (f->up)
        upstream_resume(f->up);
}

const struct conn_user http_flight_user = {on_gone, on_drained};
