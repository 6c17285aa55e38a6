/* front/conn.c - see conn.h. */
#include "front/conn.h"

#include "base/caps.h"
#include "base/clock.h"
#include "base/str.h"
#include "front/route.h"
#include "mcp/jsonrpc.h"
#include "platform/net.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_TIME_MS 20000 /* from a request's first byte to its last */
#define SILENT_MS 60000       /* a new connection that says nothing */
#define LINGER_MS 2000
#define OUT_MAX (CAP_MESSAGE + CAP_HELD + 4 * CAP_OUT)

static void on_io(struct ev_loop *loop, ev_io *w, int events);

struct conn *conn_create_with(struct front *f, int fd, const struct conn_reader *reader,
                              void *reader_self)
{
    struct conn *c = xcalloc(1, sizeof *c);
    c->front = f;
    c->reader = reader;
    c->reader_self = reader_self;
    c->in.cap = CAP_HEAD + CAP_BODY + READ_SIZE;
    c->out.cap = OUT_MAX;
    list_init(&c->search_node);
    list_add_tail(&f->conns, &c->node);
    f->conn_count++;
    ev_io_init(&c->io, on_io, fd, EV_READ);
    ev_io_start(f->loop, &c->io);
    return c;
}

void conn_create(struct front *f, int fd)
{
    struct conn *c = conn_create_with(f, fd, NULL, NULL);
    struct err err = {0};
    if (!peer_identify(fd, &c->peer, &err))
        c->peer.is_known = false;
    net_no_delay(fd);
    c->deadline_ms = clock_ms() + SILENT_MS;
    front_time_something(f);
}

void conn_close(struct conn *c)
{
    if (c->is_doomed)
        return;
    c->is_doomed = true;
    c->user = NULL;
    ev_io_stop(c->front->loop, &c->io);
    close(c->io.fd);
    peer_search_free(c->search);
    c->search = NULL;
    list_remove(&c->search_node);
    list_remove(&c->node);
    list_add_tail(&c->front->doomed_conns, &c->node);
    c->front->conn_count--;
    if (c->reader)
        c->reader->on_close(c);
}

void conn_reap(struct front *f)
{
    list_each(node, after, &f->doomed_conns)
    {
        struct conn *c = container_of(node, struct conn, node);
        list_remove(node);
        if (c->reader)
            c->reader->free(c);
        buf_release(&c->in);
        buf_release(&c->out);
        owner_free(c->owner);
        free(c);
    }
}

static void watch(struct conn *c, int events)
{
    if (c->io.events == events)
        return;
    ev_io_stop(c->front->loop, &c->io);
    ev_io_set(&c->io, c->io.fd, events);
    if (events)
        ev_io_start(c->front->loop, &c->io);
}

void conn_gone(struct conn *c)
{
    const struct conn_user *user = c->user;
    void *self = c->user_self;
    conn_close(c);
    if (user)
        user->on_gone(self);
}

void conn_take(struct conn *c, const struct conn_user *user, void *self)
{
    if (!c->reader)
        c->state = CONN_BUSY;
    c->user = user;
    c->user_self = self;
}

void conn_add(struct conn *c, const void *bytes, size_t n)
{
    if (!c->is_doomed && !buf_add(&c->out, bytes, n))
        conn_gone(c); /* back-pressure keeps this from happening; a peer past it is dropped */
}

void conn_add_int(struct conn *c, int64_t number)
{
    if (!c->is_doomed && !buf_add_int(&c->out, number))
        conn_gone(c);
}

void conn_printf(struct conn *c, const char *fmt, ...)
{
    char text[2048];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    assert(n >= 0 && (size_t)n < sizeof text);
    conn_add(c, text, (size_t)n);
}

void conn_begin_events(struct conn *c, const char *headers, bool is_chunked)
{
    if (c->is_http10)
        c->will_close = true;
    conn_printf(c,
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
                "%s%s%s\r\n",
                is_chunked && !c->is_http10 ? "Transfer-Encoding: chunked\r\n" : "", headers,
                c->will_close ? "Connection: close\r\n" : "");
}

void conn_chunk(struct conn *c, const void *bytes, size_t n)
{
    if (!c->is_http10)
        conn_printf(c, "%zx\r\n", n);
    conn_add(c, bytes, n);
    if (!c->is_http10)
        conn_add(c, "\r\n", 2);
}

void conn_end_chunks(struct conn *c)
{
    if (!c->is_http10)
        conn_add(c, "0\r\n\r\n", 5);
}

bool conn_is_full(const struct conn *c)
{
    return c->out.len > CAP_OUT;
}

/* Whoever's write it was that made room: all who paused because of it may go on. */
static void tell_drained(struct conn *c)
{
    bool is_full = conn_is_full(c);
    bool has_drained = c->was_full && !is_full;
    c->was_full = is_full;
    if (has_drained && c->user)
        c->user->on_drained(c->user_self);
    if (has_drained && c->reader && !c->is_doomed)
        c->reader->on_room(c);
}

void conn_flush(struct conn *c)
{
    if (c->is_doomed)
        return;
    c->was_full |= conn_is_full(c);
    while (c->out.len) {
        ssize_t n = send(c->io.fd, c->out.data, c->out.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            watch(c, c->io.events | EV_WRITE);
            tell_drained(c);
            return;
        }
        if (n < 0) {
            conn_gone(c);
            return;
        }
        buf_consume(&c->out, (size_t)n);
    }
    buf_release(&c->out);
    watch(c, c->io.events & ~EV_WRITE);
    tell_drained(c);
    if (c->state == CONN_CLOSING) {
        /* Closing with unread bytes would reset the connection and lose the answer: read on, and
         * away, until the client has closed or the time is up. */
        shutdown(c->io.fd, SHUT_WR);
        watch(c, EV_READ);
        c->deadline_ms = clock_ms() + LINGER_MS;
        front_time_something(c->front);
    }
}

static void consume(struct conn *c, const char *bytes, size_t n);

void conn_finish(struct conn *c)
{
    if (c->is_doomed)
        return;
    c->user = NULL;
    c->state = c->will_close ? CONN_CLOSING : CONN_READING;
    conn_flush(c);
    if (c->is_doomed || c->state != CONN_READING)
        return;
    watch(c, c->io.events | EV_READ);
    if (c->in.len) /* a pipelined request is waiting: from the loop, not from inside this answer */
        ev_feed_event(c->front->loop, &c->io, EV_CUSTOM);
}

static const char *status_text(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 202:
        return "Accepted";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 406:
        return "Not Acceptable";
    case 409:
        return "Conflict";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 421:
        return "Misdirected Request";
    case 503:
        return "Service Unavailable";
    default:
        return "Status";
    }
}

void conn_status_line(struct conn *c, int status)
{
    conn_printf(c, "HTTP/1.1 %d %s\r\n", status, status_text(status));
}

void conn_answer(struct conn *c, int status, const char *headers, const char *type,
                 struct span body)
{
    conn_status_line(c, status);
    if (body.n)
        conn_printf(c, "Content-Type: %s\r\n", type);
    conn_add(c, headers, strlen(headers));
    conn_printf(c, "Content-Length: %zu\r\n%s\r\n", body.n,
                c->will_close ? "Connection: close\r\n" : "");
    if (!c->is_head)
        conn_add(c, body.p, body.n);
    conn_finish(c);
}

void conn_answer_error(struct conn *c, int status, struct span id, int code, const char *text)
{
    struct buf body = BUF_INIT(CAP_OUT + id.n);
    if (rpc_write_error(&body, id, code, text, (struct span){0}))
        conn_answer(c, status, "", "application/json", (struct span){body.data, body.len});
    else
        conn_close(c);
    buf_release(&body);
}

void conn_answer_problem(struct conn *c, int status, enum err_code code, const char *text)
{
    const struct err_row *row = err_row(code);
    struct buf body = BUF_INIT(CAP_OUT);
    if (buf_printf(&body,
                   "{\"type\":\"urn:poold:error:%s\",\"title\":\"%s\",\"status\":%d,\"detail\":",
                   row->name, row->meaning, status) &&
        json_write_string(&body, text, strlen(text)) &&
        buf_printf(&body, ",\"code\":\"%s\"}", row->name))
        /* RFC 9110 15.5.6; which of them this path has is the API's to say. */
        conn_answer(c, status, status == 405 ? "Allow: GET, HEAD, POST, DELETE\r\n" : "",
                    "application/problem+json", (struct span){body.data, body.len});
    else
        conn_close(c);
    buf_release(&body);
}

/* Bytes that cannot be understood any more: say why, then close. */
static void refuse(struct conn *c, int status, enum err_code code, const char *text)
{
    c->will_close = true;
    buf_release(&c->in);
    conn_answer_error(c, status, (struct span){0}, err_row(code)->rpc, text);
}

/* Collect a chunked body: 1 complete (body set, *used bytes in all), 0 more needed, -1 refused. */
static int chunked_body(struct conn *c, const char *bytes, size_t n, struct buf *body, size_t *used)
{
    struct http_chunked state = {0};
    size_t at = 0;
    while (!state.done) {
        const char *data;
        size_t data_n, took = http_chunked_next(&state, bytes + at, n - at, &data, &data_n);
        if (took == SIZE_MAX) {
            refuse(c, 400, ERR_BAD_REQUEST, "the chunked coding of the body is broken");
            return -1;
        }
        if (!buf_add(body, data, data_n)) {
            refuse(c, 413, ERR_TOO_BIG, "the body is larger than 4 MiB");
            return -1;
        }
        at += took;
        if (at == n && !state.done)
            return 0;
    }
    *used = at;
    return 1;
}

/* One request off the front of the bytes. Returns how many were used; 0 = incomplete or refused. */
static size_t take_request(struct conn *c, const char *bytes, size_t n)
{
    size_t head_len = http_head_length(bytes, n < CAP_HEAD ? n : CAP_HEAD);
    if (!head_len) {
        if (n >= CAP_HEAD)
            refuse(c, 400, ERR_TOO_BIG, "the request head is larger than 32 KiB");
        return 0;
    }
    struct request request;
    struct err err = {0};
    if (!http_request_parse(bytes, head_len, &request.head, &err)) {
        refuse(c, 400, ERR_BAD_REQUEST, err_text(&err));
        return 0;
    }
    const struct http_head *head = &request.head;
    if (head->has_length && head->length > CAP_BODY) {
        refuse(c, 413, ERR_TOO_BIG, "the body is larger than 4 MiB");
        return 0;
    }
    c->is_http10 = head->is_http10;
    c->is_head = head->method == HTTP_HEAD_M;
    struct buf body = BUF_INIT(CAP_BODY);
    size_t used = head_len;
    if (head->is_chunked) {
        size_t in_body = 0;
        int done = chunked_body(c, bytes + head_len, n - head_len, &body, &in_body);
        if (done <= 0) {
            buf_release(&body);
            if (done < 0)
                return 0;
        } else {
            used += in_body;
        }
        request.body = (struct span){body.data, body.len};
        if (done == 0)
            used = 0;
    } else {
        size_t length = head->has_length ? (size_t)head->length : 0;
        request.body = (struct span){bytes + head_len, length};
        used = n - head_len < length ? 0 : head_len + length;
    }
    if (!used) { /* the body is still coming; from somebody who may not ask none is waited for */
        if (dispatch_refuses(c, head)) {
            buf_release(&c->in);
            return 0;
        }
        if (!c->continue_sent && span_is_nocase(http_header(head, "Expect"), "100-continue")) {
            c->continue_sent = true;
            conn_printf(c, "HTTP/1.1 100 Continue\r\n\r\n");
            conn_flush(c);
        }
        return 0;
    }
    c->continue_sent = false;
    c->will_close =
        !head->keep_alive || head->is_http10; /* 1.0 would want it said, with each answer */
    c->deadline_ms = 0;
    dispatch(c, &request);
    buf_release(&body);
    return c->state == CONN_ROUTING ? 0 : used;
}

/* Use what can be used of the bytes, keep the rest in c->in. bytes may be c->in's own. */
static void consume(struct conn *c, const char *bytes, size_t n)
{
    bool is_own = c->in.len && bytes == c->in.data;
    size_t at = 0;
    while (at < n && c->state == CONN_READING && !c->is_paused && !c->is_doomed) {
        size_t used = c->reader ? c->reader->take(c, bytes + at, n - at)
                                : take_request(c, bytes + at, n - at);
        if (!used)
            break;
        at += used;
    }
    if (c->is_doomed || c->state == CONN_CLOSING)
        return;
    if (is_own)
        buf_consume(&c->in, at);
    else if (at < n && !buf_add(&c->in, bytes + at, n - at)) {
        refuse(c, 413, ERR_TOO_BIG, "more bytes than a request may have");
        return;
    }
    if (!c->in.len)
        buf_release(&c->in);
    if (c->reader)
        return;
    if (c->in.len && c->state == CONN_READING) {
        if (!c->deadline_ms || c->deadline_ms > clock_ms() + REQUEST_TIME_MS)
            c->deadline_ms = clock_ms() + REQUEST_TIME_MS;
        front_time_something(c->front);
    }
    if (c->in.len >= c->in.cap - READ_SIZE && c->state == CONN_READING) {
        refuse(c, 413, ERR_TOO_BIG, "the request is larger than a body may be, with its chunks");
        return;
    }
    if (c->in.len >= c->in.cap - READ_SIZE) /* pipelined far ahead: read on after the answer */
        watch(c, c->io.events & ~EV_READ);
}

void conn_pause(struct conn *c)
{
    c->is_paused = true;
    watch(c, c->io.events & ~EV_READ);
}

void conn_resume(struct conn *c)
{
    if (c->is_doomed || c->state != CONN_READING)
        return;
    c->is_paused = false;
    if (!c->has_ended)
        watch(c, c->io.events | EV_READ);
    if (c->in.len)
        consume(c, c->in.data, c->in.len);
}

/* It has closed its sending half: the other one too? */
static bool still_listens(const struct conn *c)
{
    struct pollfd look = {.fd = c->io.fd};
    return poll(&look, 1, 0) == 0;
}

static void on_readable(struct conn *c)
{
    char *bytes = c->front->read_buffer;
    ssize_t n = recv(c->io.fd, bytes, READ_SIZE, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n == 0 && c->reader && c->state == CONN_READING && still_listens(c)) {
        c->has_ended = true;
        watch(c, c->io.events & ~EV_READ);
        c->reader->on_end(c);
        return;
    }
    if (n <= 0) {
        conn_gone(c);
        return;
    }
    if (c->state == CONN_CLOSING)
        return;
    if (!c->in.len && c->state == CONN_READING) {
        consume(c, bytes, (size_t)n);
        return;
    }
    if (!buf_add(&c->in, bytes, (size_t)n)) {
        conn_gone(c);
        return;
    }
    consume(c, c->in.data, c->in.len);
}

static void on_io(struct ev_loop *loop, ev_io *w, int events)
{
    (void)loop;
    struct conn *c = container_of(w, struct conn, io);
    if (events & EV_WRITE) {
        conn_flush(c);
    }
    if (!c->is_doomed && (events & EV_CUSTOM) && c->state == CONN_READING && c->in.len)
        consume(c, c->in.data, c->in.len);
    if (!c->is_doomed && (events & EV_READ))
        on_readable(c);
}

void conn_find_owner(struct conn *c)
{
    c->state = CONN_ROUTING;
    owner_free(c->owner);
    c->owner = NULL;
    c->search = peer_search_new(&c->peer);
    list_add_tail(&c->front->searching, &c->search_node);
    ev_idle_start(c->front->loop, &c->front->search_idle);
}

void conn_search_step(struct front *f)
{
    if (list_is_empty(&f->searching)) {
        ev_idle_stop(f->loop, &f->search_idle);
        return;
    }
    static struct peer_process found; /* 4 KiB that need not be on the stack; one thread */
    struct conn *c = container_of(f->searching.next, struct conn, search_node);
    enum peer_state state = peer_search_step(c->search, 1000, &found);
    list_remove(&c->search_node);
    if (state == PEER_MORE) { /* the next one's turn */
        list_add_tail(&f->searching, &c->search_node);
        return;
    }
    peer_search_free(c->search);
    c->search = NULL;
    c->owner = owner_new(&found, state == PEER_FOUND);
    c->state = CONN_READING;
    consume(c, c->in.data, c->in.len);
}

bool conn_check_deadlines(struct front *f, int64_t now_ms)
{
    bool any = false;
    list_each(node, after, &f->conns)
    {
        struct conn *c = container_of(node, struct conn, node);
        if (!c->deadline_ms || (c->state != CONN_READING && c->state != CONN_CLOSING))
            continue;
        if (now_ms >= c->deadline_ms)
            conn_close(c);
        else
            any = true;
    }
    return any;
}
