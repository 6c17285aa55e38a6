/* cli/client.c - see client.h. */
#include "cli/client.h"

#include "base/caps.h"
#include "base/str.h"
#include "mcp/http_head.h"

#include <string.h>

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
    bool ok = fits ? channel_send(&c->channel, out.data, out.len, err)
                   : err_set(err, ERR_TOO_BIG, 0, "the request is too big");
    buf_release(&out);
    return ok;
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
        size_t n = c->channel.in.len ? http_head_length(c->channel.in.data, c->channel.in.len) : 0;
        if (n) {
            struct http_head head = {0};
            struct err why = {0}; /* its code is about daemons */
            if (!http_response_parse(c->channel.in.data, n, &head, &why))
                return err_set(err, ERR_BAD_REQUEST, 0, "poold's answer is not HTTP: %s", why.text);
            take_framing(c, &head);
            buf_consume(&c->channel.in, n);
            if (c->status >= 200) /* 1xx only announces */
                return true;
            continue;
        }
        bool ready, ended;
        if (!channel_fill(&c->channel, -1, &ready, &ended, err))
            return false;
        if (ended)
            return err_set(err, ERR_NOT_RUNNING, 0, "poold went away before it answered");
    }
}

bool client_open(const struct client_request *request, struct client *out, struct err *err)
{
    struct client c = {0};
    if (!channel_open(&c.channel, request->socket_path, request->wait_ms,
                      CAP_HEAD + CHANNEL_READ_SIZE, err))
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
    channel_close(&c->channel);
}

/* Hand out what is read ahead. False: nothing there. */
static bool take_ahead(struct client *c, const char **data, size_t *n, bool *is_broken)
{
    *is_broken = false;
    if (!c->channel.in.len)
        return false;
    if (c->body == CLIENT_CHUNKED) {
        c->lent = http_chunked_next(&c->chunked, c->channel.in.data, c->channel.in.len, data, n);
        *is_broken = c->lent == SIZE_MAX;
        if (*is_broken)
            c->lent = 0;
        return !*is_broken && (*n || c->lent);
    }
    *data = c->channel.in.data;
    *n = c->channel.in.len;
    if (c->body == CLIENT_SIZED && (int64_t)*n > c->left)
        *n = (size_t)c->left;
    c->left -= c->body == CLIENT_SIZED ? (int64_t)*n : 0;
    c->lent = c->channel.in.len;
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
        buf_consume(&c->channel.in, c->lent);
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
        if (!channel_fill(&c->channel, quiet_ms, &ready, &ended, err))
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
