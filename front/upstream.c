/* front/upstream.c - see upstream.h. */
#include "front/upstream.h"

#include "base/caps.h"
#include "base/clock.h"
#include "base/str.h"
#include "platform/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* uvicorn and node close a kept connection after 5 s; we are earlier, so that a request rarely
 * meets a connection that is being closed. */
#define IDLE_MS 2500
#define IDLE_MAX 64

static void on_io(struct ev_loop *loop, ev_io *w, int events);

static void watch(struct upstream *up, int events)
{
    if (up->io.events == events && ev_is_active(&up->io))
        return;
    ev_io_stop(up->front->loop, &up->io);
    ev_io_set(&up->io, up->io.fd, events);
    if (events)
        ev_io_start(up->front->loop, &up->io);
}

static struct upstream *from_idle(struct front *f, struct daemon *daemon)
{
    for (struct list *node = f->idle.prev; node != &f->idle; node = node->prev) {
        struct upstream *up = container_of(node, struct upstream, node);
        if (up->daemon == daemon && (!daemon || strcmp(up->daemon_id, daemon->id) == 0))
            return up;
    }
    return NULL;
}

struct upstream *upstream_open(struct front *f, struct daemon *daemon,
                               const struct upstream_user *user, void *self, struct err *err)
{
    struct upstream *up = from_idle(f, daemon);
    if (up) {
        list_remove(&up->node);
        up->is_reused = true;
    } else {
        int fd;
        if (daemon ? !daemon_dial(daemon, &fd, err)
                   : !net_connect_unix(f->places->api_socket, &fd, err))
            return NULL;
        up = xcalloc(1, sizeof *up);
        up->front = f;
        up->daemon = daemon;
        if (daemon) {
            snprintf(up->daemon_id, sizeof up->daemon_id, "%s", daemon->id);
            net_no_delay(fd);
        }
        up->out.cap = CAP_BODY + 2 * CAP_HEAD;
        up->in.cap = CAP_HEAD + READ_SIZE;
        ev_io_init(&up->io, on_io, fd, EV_READ | EV_WRITE);
        /* Before clients: a daemon's end that has reached us is seen before the next call is sent.
         */
        ev_set_priority(&up->io, EV_MAXPRI);
        ev_io_start(f->loop, &up->io);
    }
    list_add_tail(&f->upstreams, &up->node);
    up->user = user;
    up->self = self;
    up->is_sent = up->got_bytes = up->has_head = up->keep = up->is_head = up->was_refused = false;
    return up;
}

void upstream_close(struct upstream *up)
{
    if (!up || up->is_doomed)
        return;
    up->is_doomed = true;
    up->user = NULL;
    ev_io_stop(up->front->loop, &up->io);
    close(up->io.fd);
    list_remove(&up->node);
    list_add_tail(&up->front->doomed_upstreams, &up->node);
}

void upstream_reap(struct front *f)
{
    list_each(node, after, &f->doomed_upstreams)
    {
        struct upstream *up = container_of(node, struct upstream, node);
        list_remove(node);
        buf_release(&up->out);
        buf_release(&up->in);
        free(up);
    }
}

static void end(struct upstream *up, enum upstream_end how)
{
    const struct upstream_user *user = up->user;
    void *self = up->self;
    upstream_close(up);
    if (user)
        user->on_end(self, how);
}

/* The other side closed or failed (sys: errno, 0 for a plain close). A reset says that bytes of
 * ours lay unread when the other side went, or came after it had (RFC 1122, 4.2.2.13): the request
 * was not read. A plain close says nothing of the kind: it may have been, and is never repeated. */
static void broken(struct upstream *up, int sys)
{
    bool is_late = up->out.len || up->was_refused || sys == EPIPE || sys == EINPROGRESS;
    if (!up->is_connected || !up->is_sent || (sys == ECONNRESET && !up->got_bytes))
        end(up, UPSTREAM_UNSENT);
    else if (is_late && !up->got_bytes)
        end(up, up->is_reused ? UPSTREAM_STALE : UPSTREAM_UNSENT);
    else
        end(up, UPSTREAM_BROKEN);
}

/* The answer is complete: keep the connection if both sides may, then tell the user. */
static void done(struct upstream *up)
{
    if (!up->keep || up->out.len) { /* rest of a request that nobody reads any more */
        end(up, UPSTREAM_DONE);
        return;
    }
    const struct upstream_user *user = up->user;
    void *self = up->self;
    up->user = NULL;
    up->idle_since_ms = clock_ms();
    buf_release(&up->in);
    list_remove(&up->node);
    list_add_tail(&up->front->idle, &up->node);
    watch(up, EV_READ);
    front_time_something(up->front);
    user->on_end(self, UPSTREAM_DONE);
}

static void flush(struct upstream *up)
{
    while (up->out.len) {
        ssize_t n = send(up->io.fd, up->out.data, up->out.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            watch(up, up->io.events | EV_WRITE);
            return;
        }
        if (n < 0) {
            /* Not from inside the sender's call: the read side will report it from the loop. */
            up->was_refused = true;
            buf_release(&up->out);
            ev_feed_event(up->front->loop, &up->io, EV_READ);
            break;
        }
        up->is_sent = true;
        buf_consume(&up->out, (size_t)n);
    }
    buf_release(&up->out);
    watch(up, up->io.events & ~EV_WRITE);
}

void upstream_add(struct upstream *up, const void *bytes, size_t n)
{
    if (!buf_add(&up->out, bytes, n)) /* a request over the caps never comes this far */
        shutdown(up->io.fd, SHUT_RDWR);
}

void upstream_add_str(struct upstream *up, const char *text)
{
    upstream_add(up, text, strlen(text));
}

void upstream_add_int(struct upstream *up, int64_t number)
{
    if (!buf_add_int(&up->out, number))
        shutdown(up->io.fd, SHUT_RDWR);
}

void upstream_flush(struct upstream *up)
{
    if (up->is_connected)
        flush(up);
}

/* A parsed head decides how the body is framed (RFC 9112 section 6.3). */
static void frame(struct upstream *up, const struct http_head *head)
{
    up->keep = head->keep_alive;
    up->chunked = (struct http_chunked){0};
    if (up->is_head || head->status == 204 || head->status == 304) {
        up->body = BODY_NONE;
    } else if (head->is_chunked) {
        up->body = BODY_CHUNKED;
    } else if (head->has_length) {
        up->body = head->length ? BODY_LENGTH : BODY_NONE;
        up->left = head->length;
    } else {
        up->body = BODY_CLOSE;
        up->keep = false;
    }
}

/* The head at the front of the bytes; returns how many were used, 0 = incomplete or broken. */
static size_t take_head(struct upstream *up, const char *bytes, size_t n)
{
    size_t len = http_head_length(bytes, n < CAP_HEAD ? n : CAP_HEAD);
    struct http_head head;
    if (!len && n < CAP_HEAD)
        return 0;
    if (!len || !http_response_parse(bytes, len, &head, NULL)) {
        broken(up, 0);
        return 0;
    }
    if (head.status < 200)
        return len;
    up->has_head = true;
    frame(up, &head);
    up->user->on_head(up->self, &head);
    return len;
}

/* Body bytes; returns how many were used (all, unless it ended or was closed meanwhile). */
static size_t take_body(struct upstream *up, const char *bytes, size_t n)
{
    size_t at = 0;
    while (at < n && up->body != BODY_NONE && !up->is_doomed && up->user) {
        const char *data = bytes + at;
        size_t data_n = n - at, took = data_n;
        bool last = false;
        if (up->body == BODY_LENGTH) {
            took = data_n = (int64_t)data_n > up->left ? (size_t)up->left : data_n;
            up->left -= (int64_t)data_n;
            last = up->left == 0;
        } else if (up->body == BODY_CHUNKED) {
            took = http_chunked_next(&up->chunked, bytes + at, n - at, &data, &data_n);
            if (took == SIZE_MAX) {
                broken(up, 0);
                return n;
            }
            last = up->chunked.done;
        }
        at += took;
        if (data_n)
            up->user->on_body(up->self, data, data_n);
        if (last && !up->is_doomed) {
            up->body = BODY_NONE;
            break;
        }
    }
    return at;
}

static void feed(struct upstream *up, const char *bytes, size_t n)
{
    if (up->in.len) { /* a head that came in pieces */
        if (!buf_add(&up->in, bytes, n)) {
            broken(up, 0);
            return;
        }
        bytes = up->in.data;
        n = up->in.len;
    }
    bool is_own = up->in.len > 0;
    size_t at = 0;
    while (!up->has_head && at < n && !up->is_doomed) {
        size_t used = take_head(up, bytes + at, n - at);
        if (!used)
            break;
        at += used;
    }
    if (up->is_doomed)
        return;
    if (!up->has_head) {
        if (is_own)
            buf_consume(&up->in, at);
        else if (!buf_add(&up->in, bytes + at, n - at))
            broken(up, 0);
        return;
    }
    at += take_body(up, bytes + at, n - at);
    if (up->is_doomed)
        return;
    if (up->body == BODY_NONE) {
        if (at < n)
            up->keep = false; /* bytes that nobody asked for */
        done(up);
    } else {
        buf_release(&up->in);
        up->user->on_pause(up->self);
    }
}

/* Why a connection that ended was ended: EPIPE if the other side had closed before our bytes came.
 * Its refusal of them may be on its way yet: what it has not acknowledged with its end, it never
 * read. */
static int end_reason(int fd)
{
    int sys = net_connect_error(fd), left = 0;
    return sys == 0 && ioctl(fd, TIOCOUTQ, &left) == 0 && left > 0 ? EPIPE : sys;
}

static void on_readable(struct upstream *up)
{
    char *bytes = up->front->read_buffer;
    ssize_t n = recv(up->io.fd, bytes, READ_SIZE, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (!up->user) { /* kept and idle: closed by the other side, or out of step */
        upstream_close(up);
        return;
    }
    if (n == 0 && up->has_head && up->body == BODY_CLOSE) {
        end(up, UPSTREAM_DONE);
        return;
    }
    if (n <= 0) {
        broken(up, n < 0 ? errno : end_reason(up->io.fd));
        return;
    }
    up->got_bytes = true;
    feed(up, bytes, (size_t)n);
}

static void on_io(struct ev_loop *loop, ev_io *w, int events)
{
    (void)loop;
    struct upstream *up = container_of(w, struct upstream, io);
    if (!up->is_connected) {
        if (net_connect_error(up->io.fd)) {
            broken(up, 0);
            return;
        }
        if (!(events & EV_WRITE))
            return;
        up->is_connected = true;
        flush(up);
    } else if (events & EV_WRITE) {
        flush(up);
    }
    if (!up->is_doomed && (events & EV_READ))
        on_readable(up);
}

void upstream_pause(struct upstream *up)
{
    if (!up->is_doomed)
        watch(up, up->io.events & ~EV_READ);
}

void upstream_resume(struct upstream *up)
{
    if (!up->is_doomed)
        watch(up, up->io.events | EV_READ);
}

bool upstream_check_idle(struct front *f, int64_t now_ms)
{
    int count = 0;
    list_each(node, after, &f->idle)
    {
        struct upstream *up = container_of(node, struct upstream, node);
        if (now_ms - up->idle_since_ms > IDLE_MS || count >= IDLE_MAX ||
            (up->daemon && strcmp(up->daemon_id, up->daemon->id) != 0))
            upstream_close(up);
        else
            count++;
    }
    return count > 0;
}
