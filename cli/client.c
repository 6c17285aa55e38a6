/* cli/client.c - see client.h. */
#include "cli/client.h"

#include "base/caps.h"
#include "base/clock.h"
#include "base/str.h"
#include "mcp/http_head.h"
#include "platform/net.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_SIZE 16384

static bool too_late(struct err *err)
{
    return err_set(err, ERR_NOT_RUNNING, 0, "poold did not answer in time");
}

/* Wait for the socket; *ready tells whether it came before quiet_ms (-1: the deadline). */
static bool wait_for(const struct client *c, short events, int64_t quiet_ms, bool *ready,
                     struct err *err)
{
    int64_t quiet_at = quiet_ms < 0 ? INT64_MAX : clock_ms() + quiet_ms;
    for (;;) {
        int64_t now = clock_ms(), until = quiet_at < c->deadline_ms ? quiet_at : c->deadline_ms;
        int64_t left = until == INT64_MAX ? -1 : until > now ? until - now : 0;
        struct pollfd p = {.fd = c->fd, .events = events};
        int n = poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left);
        if (n > 0) {
            *ready = true;
            return true;
        }
        if (n < 0 && errno != EINTR)
            return err_set(err, ERR_SYSTEM, errno, "unable to wait for poold");
        now = clock_ms();
        if (now >= c->deadline_ms)
            return too_late(err);
        if (now >= quiet_at) {
            *ready = false;
            return true;
        }
    }
}

/* A full backlog is no absence: try again until the deadline. */
static bool connect_to(const char *path, struct client *c, struct err *err)
{
    for (;;) {
        struct err why = {0};
        if (net_connect_unix(path, &c->fd, &why))
            return true;
        if (why.sys != EAGAIN)
            return err_set(err, why.code, 0, "%s", why.text);
        if (clock_ms() >= c->deadline_ms)
            return too_late(err);
        nanosleep(&(struct timespec){.tv_nsec = 2 * 1000 * 1000}, NULL);
    }
}

static bool send_all(struct client *c, const char *bytes, size_t n, struct err *err)
{
    while (n) {
        ssize_t did = send(c->fd, bytes, n, MSG_NOSIGNAL);
        bool ready;
        if (did >= 0) {
            bytes += did;
            n -= (size_t)did;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!wait_for(c, POLLOUT, -1, &ready, err))
                return false;
        } else if (errno != EINTR) {
            return err_set(err, ERR_NOT_RUNNING, errno, "unable to send the request to poold");
        }
    }
    return true;
}

static bool send_request(struct client *c, const struct client_request *r, struct err *err)
{
    struct buf out = BUF_INIT(CAP_API_BODY);
    bool fits =
        buf_printf(&out, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: %s\r\n",
                   r->method, r->target, r->accept ? r->accept : "application/json");
    if (fits && r->body)
        fits = buf_printf(&out, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                          strlen(r->body));
    else if (fits && strcmp(r->method, "GET") != 0)
        fits = buf_add_str(&out, "Content-Type: application/json\r\nContent-Length: 0\r\n");
    fits = fits && buf_add_str(&out, "\r\n") && (!r->body || buf_add_str(&out, r->body));
    bool ok = fits ? send_all(c, out.data, out.len, err)
                   : err_set(err, ERR_TOO_BIG, 0, "the request is too big");
    buf_release(&out);
    return ok;
}

/* Read once more into c->in. READY says whether bytes came; *ended whether the peer closed. */
static bool fill(struct client *c, int64_t quiet_ms, bool *ready, bool *ended, struct err *err)
{
    *ended = false;
    for (;;) {
        char *room = buf_reserve(&c->in, READ_SIZE);
        if (!room)
            return err_set(err, ERR_TOO_BIG, 0, "poold's answer has too long a head");
        ssize_t got = recv(c->fd, room, READ_SIZE, 0);
        if (got > 0) {
            buf_commit(&c->in, (size_t)got);
            *ready = true;
            return true;
        }
        if (got == 0) {
            *ended = *ready = true;
            return true;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return err_set(err, ERR_NOT_RUNNING, errno, "the connection to poold was lost");
        if (!wait_for(c, POLLIN, quiet_ms, ready, err))
            return false;
        if (!*ready)
            return true;
    }
}

static bool has_no_body(int status)
{
    return status == 204 || status == 304 || status < 200;
}

static void take_framing(struct client *c, const struct http_head *head)
{
    c->status = head->status;
    struct span type = http_header(head, "content-type");
    static const char ndjson[] = "application/x-ndjson";
    c->is_ndjson = type.n >= sizeof ndjson - 1 && memcmp(type.p, ndjson, sizeof ndjson - 1) == 0;
    if (head->is_chunked) {
        c->body = CLIENT_CHUNKED;
    } else if (head->has_length || has_no_body(head->status)) {
        c->body = CLIENT_SIZED;
        c->left = has_no_body(head->status) ? 0 : head->length;
    } else {
        c->body = CLIENT_TO_END;
    }
}

static bool read_head(struct client *c, struct err *err)
{
    for (;;) {
        size_t n = c->in.len ? http_head_length(c->in.data, c->in.len) : 0;
        if (n) {
            struct http_head head = {0};
            struct err why = {0}; /* its code is about daemons */
            if (!http_response_parse(c->in.data, n, &head, &why))
                return err_set(err, ERR_BAD_REQUEST, 0, "poold's answer is not HTTP: %s", why.text);
            take_framing(c, &head);
            buf_consume(&c->in, n);
            if (c->status >= 200) /* 1xx only announces */
                return true;
            continue;
        }
        bool ready, ended;
        if (!fill(c, -1, &ready, &ended, err))
            return false;
        if (ended)
            return err_set(err, ERR_NOT_RUNNING, 0, "poold went away before it answered");
    }
}

bool client_open(const struct client_request *request, struct client *out, struct err *err)
{
    struct client c = {.fd = -1, .in = BUF_INIT(CAP_HEAD + READ_SIZE)};
    c.deadline_ms = request->wait_ms < 0 ? INT64_MAX : clock_ms() + request->wait_ms;
    if (!connect_to(request->socket_path, &c, err))
        return false;
    if (!send_request(&c, request, err) || !read_head(&c, err)) {
        client_close(&c);
        return false;
    }
    *out = c;
    return true;
}

void client_close(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    buf_release(&c->in);
}

/* Hand out what is read ahead. False: nothing there. */
static bool take_ahead(struct client *c, const char **data, size_t *n, bool *is_broken)
{
    *is_broken = false;
    if (!c->in.len)
        return false;
    if (c->body == CLIENT_CHUNKED) {
        c->lent = http_chunked_next(&c->chunked, c->in.data, c->in.len, data, n);
        *is_broken = c->lent == SIZE_MAX;
        if (*is_broken)
            c->lent = 0;
        return !*is_broken && (*n || c->lent);
    }
    *data = c->in.data;
    *n = c->in.len;
    if (c->body == CLIENT_SIZED && (int64_t)*n > c->left)
        *n = (size_t)c->left;
    c->left -= c->body == CLIENT_SIZED ? (int64_t)*n : 0;
    c->lent = c->in.len;
    return *n > 0;
}

static bool is_complete(const struct client *c)
{
    return c->body == CLIENT_CHUNKED ? c->chunked.done : c->body == CLIENT_SIZED && c->left == 0;
}

enum client_news client_read(struct client *c, int64_t quiet_ms, const char **data, size_t *n,
                             struct err *err)
{
    for (;;) {
        buf_consume(&c->in, c->lent);
        c->lent = 0;
        if (is_complete(c))
            return CLIENT_END;
        bool is_broken;
        *n = 0;
        if (take_ahead(c, data, n, &is_broken)) {
            if (*n)
                return CLIENT_DATA;
            continue;
        }
        if (is_broken) {
            err_set(err, ERR_BAD_REQUEST, 0, "poold's answer is not well-formed HTTP");
            return CLIENT_FAILED;
        }
        bool ready, ended;
        if (!fill(c, quiet_ms, &ready, &ended, err))
            return CLIENT_FAILED;
        if (!ready)
            return CLIENT_QUIET;
        if (ended && c->body == CLIENT_TO_END)
            return CLIENT_END;
        if (ended) {
            err_set(err, ERR_NOT_RUNNING, 0, "poold went away in the middle of its answer");
            return CLIENT_FAILED;
        }
    }
}

bool client_read_all(struct client *c, size_t cap, char **out, struct err *err)
{
    struct buf all = BUF_INIT(cap);
    const char *data;
    size_t n;
    enum client_news news;
    while ((news = client_read(c, -1, &data, &n, err)) == CLIENT_DATA) {
        if (!buf_add(&all, data, n)) {
            err_set(err, ERR_TOO_BIG, 0, "poold's answer is over %zu bytes", cap);
            news = CLIENT_FAILED;
            break;
        }
    }
    if (news == CLIENT_END)
        *out = buf_take(&all);
    buf_release(&all);
    return news == CLIENT_END;
}
