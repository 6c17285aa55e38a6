/* front/api_relay.c - see api_relay.h. */
#include "front/api_relay.h"

#include "base/caps.h"
#include "base/str.h"
#include "front/upstream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct relay {
    struct front *front;
    struct conn *conn;
    struct upstream *up;
    bool has_head, is_chunked;
};

static void relay_free(struct relay *r)
{
    r->front->api_relays--;
    free(r);
}

/* Writing to the client may end it and, by on_gone, the relay: r is not touched after the first
 * write. */
static void on_head(void *self, const struct http_head *head)
{
    struct relay *r = self;
    static const char *const passed[] = {
        "Content-Type",           "Allow", "Cache-Control", "Location", "Content-Security-Policy",
        "X-Content-Type-Options", "ETag"};
    struct conn *c = r->conn;
    bool has_body = head->status != 204 && head->status != 304;
    r->has_head = true;
    r->is_chunked = has_body && !head->has_length && !c->is_http10 && !c->is_head;
    bool is_chunked = r->is_chunked;
    conn_printf(c, "HTTP/1.1 %d poold\r\n", head->status);
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++) {
        struct span value = http_header(head, passed[i]);
        if (value.p && value.n < 1024)
            conn_printf(c, "%s: %.*s\r\n", passed[i], (int)value.n, value.p);
    }
    if (is_chunked)
        conn_printf(c, "Transfer-Encoding: chunked\r\n");
    else if (has_body && head->has_length)
        conn_printf(c, "Content-Length: %lld\r\n", (long long)head->length);
    else if (has_body && !c->is_head)
        c->will_close = true;
    conn_printf(c, "%s\r\n", c->will_close ? "Connection: close\r\n" : "");
}

static void on_body(void *self, const char *bytes, size_t n)
{
    const struct relay *r = self;
    struct conn *c = r->conn;
    bool is_chunked = r->is_chunked;
    if (is_chunked)
        conn_printf(c, "%zx\r\n", n);
    conn_add(c, bytes, n);
    if (is_chunked)
        conn_add(c, "\r\n", 2);
}

static void on_pause(void *self)
{
    const struct relay *r = self;
    struct conn *c = r->conn;
    struct upstream *up = r->up;
    conn_flush(c);
    if (!c->is_doomed && conn_is_full(c))
        upstream_pause(up);
}

static void on_end(void *self, enum upstream_end how)
{
    struct relay *r = self;
    struct conn *c = r->conn;
    bool has_head = r->has_head, is_chunked = r->is_chunked;
    c->user = NULL;
    relay_free(r);
    if (how == UPSTREAM_DONE) {
        if (is_chunked)
            conn_add(c, "0\r\n\r\n", 5);
        conn_finish(c);
    } else if (!has_head) {
        conn_answer_problem(c, 503, ERR_NOT_RUNNING, "the management API did not answer");
    } else {
        conn_close(c);
    }
}

static const struct upstream_user relay_user = {on_head, on_body, on_pause, on_end};

static void on_gone(void *self)
{
    struct relay *r = self;
    upstream_close(r->up); /* the API notices departed clients by this */
    relay_free(r);
}

static void on_drained(void *self)
{
    struct relay *r = self;
    upstream_resume(r->up);
}

static const struct conn_user client_user = {on_gone, on_drained};

static const char *method_name(enum http_method method)
{
    switch (method) {
    case HTTP_POST_M:
        return "POST";
    case HTTP_PUT_M:
        return "PUT";
    case HTTP_DELETE_M:
        return "DELETE";
    case HTTP_HEAD_M:
        return "HEAD";
    default:
        return "GET";
    }
}

/* Our head with what the API may know of the client's. */
static void send_request(struct relay *r, const struct request *request)
{
    static const char *const passed[] = {"Content-Type", "Accept", "Last-Event-ID",
                                         "If-None-Match"};
    const struct http_head *head = &request->head;
    struct buf out = BUF_INIT(2 * CAP_HEAD);
    r->up->is_head = head->method == HTTP_HEAD_M;
    bool ok = buf_printf(&out, "%s %.*s HTTP/1.1\r\nHost: localhost\r\nX-Poold-Peer: uid=%ld\r\n",
                         method_name(head->method), (int)head->target.n, head->target.p,
                         (long)r->conn->peer.uid);
    for (size_t i = 0; ok && i < sizeof passed / sizeof *passed; i++) {
        struct span value = http_header(head, passed[i]);
        if (value.p)
            ok = buf_printf(&out, "%s: %.*s\r\n", passed[i], (int)value.n, value.p);
    }
    if (ok && (request->body.n || head->has_length || head->is_chunked))
        ok = buf_printf(&out, "Content-Length: %zu\r\n", request->body.n);
    if (ok && buf_add_str(&out, "\r\n")) {
        upstream_add(r->up, out.data, out.len);
        upstream_add(r->up, request->body.p, request->body.n);
        upstream_flush(r->up);
    }
    buf_release(&out);
}

void api_relay_request(struct conn *c, const struct request *request)
{
    struct err err = {0};
    if (request->body.n > CAP_API_BODY) {
        conn_answer_problem(c, 413, ERR_TOO_BIG, "an API request may have 256 KiB");
        return;
    }
    if (c->front->api_relays >= CAP_API_RELAYS) {
        conn_answer_problem(c, 503, ERR_TOO_BIG, "too many API requests at once; try again");
        return;
    }
    struct relay *r = xcalloc(1, sizeof *r);
    r->front = c->front;
    r->conn = c;
    r->up = upstream_open(c->front, NULL, &relay_user, r, &err);
    if (!r->up) {
        free(r);
        conn_answer_problem(c, 503, ERR_NOT_RUNNING, err_text(&err));
        return;
    }
    c->front->api_relays++;
    conn_take(c, &client_user, r);
    send_request(r, request);
}
