/* pool/probe_http.c - a probe's questions over Streamable HTTP and HTTP+SSE. See question.h. */
#include "base/buf.h"
#include "base/caps.h"
#include "base/str.h"
#include "pool/exchange.h"
#include "pool/question.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct http {                /* a probe over HTTP */
    struct probe probe;      /* first: a struct probe * of this carrier is its http */
    struct probe_how how;    /* its session is ours below */
    struct exchange *notice; /* `initialized` under way */
    struct exchange *stream; /* HTTP+SSE: the event stream */
    char session[512];
    char endpoint[600]; /* where messages are posted to; "" not known yet */
};

static struct http *http_of(struct probe *p)
{
    return container_of(p, struct http, probe);
}

static void set_session(struct http *h, const char *session)
{
    if (strcmp(h->session, session) == 0)
        return;
    snprintf(h->session, sizeof h->session, "%s", session);
    h->how.on_session(h->how.arg, h->session);
}

/* --- sending --- */

static bool post(struct http *h, const char *message, const struct question *q,
                 const struct exchange_listener *listener, struct exchange **out, struct err *err)
{
    int fd;
    if (!h->how.dial(h->how.arg, &fd, err))
        return false;
    struct buf b = BUF_INIT(CAP_BODY);
    bool ok = buf_printf(&b,
                         "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n"
                         "Content-Type: application/json\r\n"
                         "Accept: application/json, text/event-stream\r\nContent-Length: %zu\r\n",
                         h->how.transport == TRANSPORT_SSE ? h->endpoint : "/mcp", h->how.port,
                         strlen(message));
    if (h->session[0])
        ok = ok && buf_printf(&b, "Mcp-Session-Id: %s\r\n", h->session);
    if (q && (h->probe.is_modern || q->ask == ASK_DISCOVER))
        ok = ok && buf_printf(&b, "MCP-Protocol-Version: " QUESTION_MODERN "\r\nMcp-Method: %s\r\n",
                              q->method);
    else if (h->probe.is_open)
        ok = ok && buf_add_str(&b, "MCP-Protocol-Version: " QUESTION_LEGACY "\r\n");
    if (h->probe.is_modern && q && q->tool)
        ok = ok && buf_printf(&b, "Mcp-Name: %s\r\n", q->tool);
    ok = ok && buf_printf(&b, "\r\n%s", message);
    assert(ok); /* all parts are far below the cap */
    *out = exchange_new(h->probe.loop, fd, b.data, b.len, CAP_BODY, listener);
    buf_release(&b);
    return true;
}

static void take_message(struct http *h, const struct exchange *x, struct span data)
{
    struct rpc_peek peek;
    rpc_peek(data.p, data.n, &peek);
    if (peek.kind != RPC_RESPONSE)
        return; /* notifications and questions of the daemon's are not for us */
    struct question *q = probe_question(&h->probe, peek.id);
    if (!q && x && peek.is_error && span_is(peek.id, "null"))
        /* An error without an id can only be about the one question of this connection. */
        list_each(node, after, &h->probe.questions)
        {
            struct question *other = container_of(node, struct question, node);
            if (other->carried == x && !other->is_done)
                q = other;
        }
    if (q)
        question_answer(q, data, peek.is_error);
}

static void on_post_head(void *arg, struct exchange *x, int status, const char *session)
{
    (void)x;
    struct question *q = arg;
    struct http *h = http_of(q->probe);
    if (q->ask == ASK_HANDSHAKE && status == 200 && session[0])
        set_session(h, session);
}

static void on_post_message(void *arg, struct exchange *x, struct span name, struct span data)
{
    struct question *q = arg;
    (void)name;
    take_message(http_of(q->probe), x, data);
}

static void on_post_end(void *arg, struct exchange *x, int status, const char *why)
{
    struct question *q = arg;
    struct http *h = http_of(q->probe);
    exchange_free(x);
    q->carried = NULL;
    if (why) {
        question_end(q, PROBE_UNREACHABLE, why);
    } else if (status >= 300) {
        char text[64];
        snprintf(text, sizeof text, "HTTP status %d", status);
        if ((status == 404 || status == 400) && q->ask != ASK_HANDSHAKE && q->ask != ASK_DISCOVER)
            h->probe.is_open = false; /* it has forgotten our session */
        /* It is there, and wants to know who asks: poold is nobody, its clients are
         * (authorization). */
        h->probe.is_guarded = q->ask == ASK_HANDSHAKE && (status == 401 || status == 403);
        question_end(q, h->probe.is_guarded ? PROBE_OK : PROBE_REFUSED, text);
    } else if (h->how.transport != TRANSPORT_SSE) {
        question_end(q, PROBE_REFUSED, "an answer without a JSON-RPC response");
    } /* HTTP+SSE: accepted, the answer comes on the stream */
}

static bool may_send(const struct probe *p, const struct question *q)
{
    const struct http *h = container_of(p, const struct http, probe);
    if (h->how.transport == TRANSPORT_SSE && !h->endpoint[0])
        return false;
    return q->ask == ASK_HANDSHAKE || (p->is_open && !h->notice);
}

static void drop(struct question *q)
{
    exchange_free(q->carried);
    q->carried = NULL;
}

static void send_question(struct question *q)
{
    struct http *h = http_of(q->probe);
    const struct exchange_listener listener = {q, on_post_head, on_post_message, on_post_end};
    struct exchange *x;
    struct err err = {0};
    if (!post(h, q->message, q, &listener, &x, &err)) {
        question_end(q, PROBE_UNREACHABLE, err_text(&err));
        return;
    }
    q->carried = x;
    free(q->message);
    q->message = NULL;
}

/* --- the handshake's second half --- */

static void on_notice_end(void *arg, struct exchange *x, int status, const char *why)
{
    (void)status;
    (void)why; /* a failure shows at the next question */
    struct http *h = arg;
    exchange_free(x);
    h->notice = NULL;
    probe_flush(&h->probe);
}

static void ignore_message(void *arg, struct exchange *x, struct span name, struct span data)
{
    (void)arg;
    (void)x;
    (void)name;
    (void)data;
}

static void send_initialized(struct probe *p)
{
    struct http *h = http_of(p);
    const struct exchange_listener listener = {h, NULL, ignore_message, on_notice_end};
    struct err err = {0};
    if (!post(h, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}", NULL, &listener,
              &h->notice, &err))
        h->notice = NULL; /* the next question finds out */
}

/* Refused `initialize`: perhaps it speaks the stateless era only. */
static bool try_modern(struct question *q, const char *text)
{
    struct http *h = http_of(q->probe);
    bool is_hint = strstr(text, "-32022") || strstr(text, "-32601");
    if (q->ask != ASK_HANDSHAKE || h->probe.is_modern || h->how.transport != TRANSPORT_HTTP ||
        !is_hint)
        return false;
    h->probe.is_modern = true;
    set_session(h, "");
    str_replace(&q->method, "server/discover");
    free(q->message);
    q->message = question_discover(q);
    drop(q);
    send_question(q);
    return true;
}

/* --- HTTP+SSE: the stream --- */

static void on_stream_message(void *arg, struct exchange *x, struct span name, struct span data)
{
    struct http *h = arg;
    if (!span_is(name, "endpoint")) {
        take_message(h, NULL, data);
        return;
    }
    (void)x;
    const char *path = data.p;
    size_t n = data.n;
    for (int scheme = 0; scheme < 2; scheme++) { /* a whole URL is allowed: keep its path */
        const char *start = scheme ? "https://" : "http://";
        if (n > strlen(start) && memcmp(path, start, strlen(start)) == 0) {
            const char *slash = memchr(path + strlen(start), '/', n - strlen(start));
            n = slash ? n - (size_t)(slash - path) : 0;
            path = slash;
        }
    }
    if (!n || path[0] != '/' || n >= sizeof h->endpoint || memchr(path, '\r', n) ||
        memchr(path, ' ', n))
        return; /* the handshake's time runs out */
    snprintf(h->endpoint, sizeof h->endpoint, "%.*s", (int)n, path);
    probe_flush(&h->probe);
}

static void on_stream_end(void *arg, struct exchange *x, int status, const char *why)
{
    struct http *h = arg;
    char text[120];
    exchange_free(x);
    h->stream = NULL;
    h->probe.is_open = false;
    h->endpoint[0] = '\0';
    if (why || status < 300)
        snprintf(text, sizeof text, "the event stream ended: %.80s", why ? why : "by the daemon");
    else
        snprintf(text, sizeof text, "HTTP status %d for the event stream", status);
    list_each(node, after, &h->probe.questions)
    {
        struct question *q = container_of(node, struct question, node);
        question_end(q, why ? PROBE_UNREACHABLE : PROBE_REFUSED, text);
    }
}

static bool stream_open(struct http *h, struct err *err)
{
    int fd;
    if (!h->how.dial(h->how.arg, &fd, err))
        return false;
    char head[256];
    int n = snprintf(head, sizeof head,
                     "GET /sse HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: text/event-stream\r\n"
                     "Connection: close\r\n\r\n",
                     h->how.port);
    const struct exchange_listener listener = {h, NULL, on_stream_message, on_stream_end};
    h->stream = exchange_new(h->probe.loop, fd, head, (size_t)n, CAP_BODY, &listener);
    return true;
}

/* --- what probe.c asks for --- */

static bool begin(struct question *q, struct err *err)
{
    struct http *h = http_of(q->probe);
    set_session(h, "");
    h->probe.is_open = h->probe.is_modern = h->probe.is_guarded = false;
    return h->how.transport != TRANSPORT_SSE || h->stream || stream_open(h, err);
}

static enum probe_outcome timed_out(struct question *q)
{
    struct http *h = http_of(q->probe);
    if (q->ask == ASK_HANDSHAKE) { /* the next one starts anew */
        exchange_free(h->stream);
        h->stream = NULL;
        h->endpoint[0] = '\0';
    }
    return PROBE_SILENT;
}

static void destroy(struct probe *p)
{
    struct http *h = http_of(p);
    probe_finish(p);
    exchange_free(h->notice);
    exchange_free(h->stream);
    free(h);
}

static const struct carrier carrier = {begin,      may_send,  send_question, send_initialized,
                                       try_modern, timed_out, drop,          destroy};

struct probe *probe_new(struct ev_loop *loop, const struct probe_how *how)
{
    struct http *h = xcalloc(1, sizeof *h);
    probe_init(&h->probe, loop, &carrier);
    h->how = *how;
    h->how.session = NULL;
    if (how->session && how->transport == TRANSPORT_HTTP) {
        snprintf(h->session, sizeof h->session, "%s", how->session);
        h->probe.is_open = true; /* if it is not, the next question finds out */
    }
    return &h->probe;
}
