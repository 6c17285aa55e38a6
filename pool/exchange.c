/* pool/exchange.c - see exchange.h. */
#include "pool/exchange.h"

#include "base/buf.h"
#include "base/caps.h"
#include "base/str.h"
#include "mcp/http_chunked.h"
#include "mcp/sse.h"
#include "platform/net.h"

#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct exchange {
    struct ev_loop *loop;
    struct exchange_listener listener;
    struct ev_io io;
    int fd;
    struct buf out, in, body; /* body: decoded, not yet given out */
    bool has_head, is_stream, is_chunked, has_length;
    int status;
    int64_t left;
    struct http_chunked chunked;
    struct sse_splitter splitter;
    size_t split;  /* bytes of body that the splitter has seen */
    bool *is_gone; /* set while a callback runs: it may free us */
};

static void close_fd(struct exchange *x)
{
    if (x->fd < 0)
        return;
    ev_io_stop(x->loop, &x->io);
    close(x->fd);
    x->fd = -1;
}

void exchange_free(struct exchange *x)
{
    if (!x)
        return;
    if (x->is_gone)
        *x->is_gone = true;
    close_fd(x);
    buf_release(&x->out);
    buf_release(&x->in);
    buf_release(&x->body);
    free(x);
}

static void end(struct exchange *x, const char *why)
{
    close_fd(x);
    x->listener.on_end(x->listener.arg, x, x->status, why);
}

/* Give one message out; false if the exchange is gone. */
static bool give(struct exchange *x, struct span name, struct span data)
{
    bool gone = false;
    x->is_gone = &gone;
    x->listener.on_message(x->listener.arg, x, name, data);
    if (!gone)
        x->is_gone = NULL;
    return !gone;
}

/* All whole events of the body so far; false if the exchange is gone. */
static bool give_events(struct exchange *x)
{
    for (;;) {
        size_t fresh = x->body.len - x->split;
        size_t used = fresh ? sse_first(&x->splitter, x->body.data + x->split, fresh) : 0;
        if (!used) {
            x->split = x->body.len;
            return true;
        }
        size_t whole = x->split + used;
        struct sse_event event;
        struct buf data = BUF_INIT(CAP_MESSAGE);
        sse_event_parse(x->body.data, whole, &event);
        bool alive = true;
        if (event.data_lines && sse_event_data(x->body.data, whole, &data))
            alive = give(x, event.name, (struct span){data.data, data.len});
        buf_release(&data);
        if (!alive)
            return false;
        buf_consume(&x->body, whole);
        x->split = 0;
    }
}

/* The answer is complete: a JSON body is one message. */
static void complete(struct exchange *x)
{
    if (!x->is_stream && x->body.len) {
        struct span data = {x->body.data, x->body.len};
        if (!give(x, (struct span){"", 0}, data))
            return;
    }
    end(x, NULL);
}

static bool take_head(struct exchange *x, size_t n)
{
    struct http_head head;
    struct err err = {0};
    if (!http_response_parse(x->in.data, n, &head, &err)) {
        end(x, err_text(&err));
        return false;
    }
    if (head.status >= 100 && head.status < 200) {
        buf_consume(&x->in, n);
        return true;
    }
    x->has_head = true;
    x->status = head.status;
    x->is_chunked = head.is_chunked;
    x->has_length = head.has_length || head.status == 204;
    x->left = head.has_length ? head.length : 0;
    x->is_stream = http_value_has(http_header(&head, "Content-Type"), "text/event-stream");
    struct span id = http_header(&head, "Mcp-Session-Id");
    char session[512];
    snprintf(session, sizeof session, "%.*s", id.p && id.n < sizeof session ? (int)id.n : 0,
             id.p ? id.p : "");
    buf_consume(&x->in, n);
    if (!x->listener.on_head)
        return true;
    bool gone = false;
    x->is_gone = &gone;
    x->listener.on_head(x->listener.arg, x, x->status, session);
    if (!gone)
        x->is_gone = NULL;
    return !gone;
}

/* Decode what is in `in` into `body`. 1 more wanted, 0 complete, -1 broken. */
static int decode(struct exchange *x)
{
    while (x->in.len) {
        const char *data = x->in.data;
        size_t used = x->in.len, n = used;
        if (x->is_chunked) {
            used = http_chunked_next(&x->chunked, x->in.data, x->in.len, &data, &n);
            if (used == SIZE_MAX)
                return -1;
        } else if (x->has_length) {
            n = used = (int64_t)used > x->left ? (size_t)x->left : used;
            x->left -= (int64_t)used;
        }
        if (n && !buf_add(&x->body, data, n))
            return -1;
        buf_consume(&x->in, used);
        if (used == 0 || (x->is_chunked && x->chunked.done))
            break;
    }
    bool done = x->is_chunked ? x->chunked.done : x->has_length && x->left == 0;
    return done ? 0 : 1;
}

/* Work on what was read; false if the exchange has ended or is gone. */
static bool digest(struct exchange *x)
{
    while (!x->has_head) {
        size_t n = x->in.len ? http_head_length(x->in.data, x->in.len) : 0;
        if (!n && x->in.len >= CAP_HEAD) {
            end(x, "its answer's head is too long");
            return false;
        }
        if (!n)
            return true;
        if (!take_head(x, n))
            return false;
    }
    int more = decode(x);
    if (more < 0) {
        end(x, "its answer is broken or too long");
        return false;
    }
    if (x->is_stream && !give_events(x))
        return false;
    if (more == 0) {
        complete(x);
        return false;
    }
    return true;
}

static void at_eof(struct exchange *x)
{
    if (x->has_head && !x->is_chunked && !x->has_length)
        complete(x);
    else
        end(x, x->has_head ? "the connection was cut within the answer"
                           : "the connection was closed without an answer");
}

static void on_readable(struct exchange *x)
{
    for (int i = 0; i < 16; i++) {
        char *room = buf_reserve(&x->in, 16384);
        if (!room) {
            end(x, "its answer is too long");
            return;
        }
        ssize_t n = recv(x->fd, room, 16384, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n < 0) {
            end(x, strerror(errno));
            return;
        }
        if (n == 0) {
            at_eof(x);
            return;
        }
        buf_commit(&x->in, (size_t)n);
        if (!digest(x))
            return;
    }
}

static void on_writable(struct exchange *x)
{
    int failed = net_connect_error(x->fd);
    if (failed) {
        end(x, strerror(failed));
        return;
    }
    ssize_t n = send(x->fd, x->out.data, x->out.len, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        end(x, strerror(errno));
        return;
    }
    if (n > 0)
        buf_consume(&x->out, (size_t)n);
    if (x->out.len)
        return;
    ev_io_stop(x->loop, &x->io);
    ev_io_set(&x->io, x->fd, EV_READ);
    ev_io_start(x->loop, &x->io);
}

static void on_io(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop;
    struct exchange *x = io->data;
    if (events & EV_WRITE)
        on_writable(x);
    else
        on_readable(x);
}

struct exchange *exchange_new(struct ev_loop *loop, int fd, const char *request, size_t n,
                              size_t body_cap, const struct exchange_listener *listener)
{
    struct exchange *x = xcalloc(1, sizeof *x);
    x->loop = loop;
    x->fd = fd;
    x->listener = *listener;
    x->out = (struct buf)BUF_INIT(n);
    x->in = (struct buf)BUF_INIT(CAP_HEAD + 65536);
    x->body = (struct buf)BUF_INIT(body_cap);
    if (!buf_add(&x->out, request, n))
        abort(); /* its cap is its size */
    ev_io_init(&x->io, on_io, fd, EV_WRITE);
    x->io.data = x;
    ev_io_start(loop, &x->io);
    return x;
}
