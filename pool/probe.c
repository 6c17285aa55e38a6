/* pool/probe.c - see probe.h. */
#include "pool/probe.h"

#include "base/buf.h"
#include "base/caps.h"
#include "base/list.h"
#include "base/str.h"
#include "mcp/jsonrpc.h"
#include "mcp/sse.h"
#include "mcp/tool_result.h"
#include "pool/exchange.h"

#include <assert.h>
#include <ev.h>
#include <stdio.h>
#include <string.h>

#define LEGACY "2025-11-25"
#define MODERN "2026-07-28"
#define MODERN_META                                                                                \
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"" MODERN "\","                       \
    "\"io.modelcontextprotocol/clientCapabilities\":{},"                                           \
    "\"io.modelcontextprotocol/clientInfo\":{\"name\":\"poold\",\"version\":\"" POOLD_VERSION      \
    "\"}}"

enum ask { ASK_HANDSHAKE, ASK_PING, ASK_CALL, ASK_DISCOVER };

/* One request whose answer somebody waits for. */
struct question {
    struct list node;
    struct probe *probe;
    enum ask ask;
    int id;
    char *method;          /* for the stateless era's header */
    char *tool;            /* ASK_CALL */
    char *message;         /* not yet sent; NULL afterwards */
    struct exchange *post; /* its own connection, while open */
    struct ev_timer timer;
    struct ev_timer report; /* the outcome is told from the loop */
    bool is_done;
    enum probe_outcome outcome;
    char text[300];
    probe_done_fn *done;
    void *arg;
};

struct probe {
    struct ev_loop *loop;
    enum transport transport;
    int port;
    probe_dial_fn *dial;
    void *arg;
    struct list questions;
    struct exchange *notice; /* `initialized` under way */
    struct exchange *stream; /* HTTP+SSE: the event stream */
    char session[512];
    char endpoint[600]; /* where messages are posted to; "" not known yet */
    bool is_open, is_modern;
    int last_id;
};

/* --- one question's end --- */

static void question_free(struct question *q)
{
    ev_timer_stop(q->probe->loop, &q->timer);
    ev_timer_stop(q->probe->loop, &q->report);
    exchange_free(q->post);
    list_remove(&q->node);
    free(q->method);
    free(q->tool);
    free(q->message);
    free(q);
}

static void on_report(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct question *q = timer->data;
    struct question told = *q;
    question_free(q);
    told.done(told.arg, told.outcome, told.text);
}

static void question_end(struct question *q, enum probe_outcome outcome, const char *text)
{
    if (q->is_done)
        return;
    q->is_done = true;
    q->outcome = outcome;
    snprintf(q->text, sizeof q->text, "%s", text ? text : "");
    ev_timer_stop(q->probe->loop, &q->timer);
    exchange_free(q->post);
    q->post = NULL;
    ev_timer_start(q->probe->loop, &q->report);
}

static void on_timeout(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct question *q = timer->data;
    struct probe *p = q->probe;
    question_end(q, PROBE_SILENT, "no answer in time");
    if (q->ask == ASK_HANDSHAKE) { /* the next one starts anew */
        exchange_free(p->stream);
        p->stream = NULL;
        p->endpoint[0] = '\0';
    }
}

/* --- sending --- */

static bool post(struct probe *p, const char *message, const struct question *q,
                 const struct exchange_listener *listener, struct exchange **out, struct err *err)
{
    int fd;
    if (!p->dial(p->arg, &fd, err))
        return false;
    struct buf b = BUF_INIT(CAP_BODY);
    bool ok =
        buf_printf(&b,
                   "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n"
                   "Content-Type: application/json\r\n"
                   "Accept: application/json, text/event-stream\r\nContent-Length: %zu\r\n",
                   p->transport == TRANSPORT_SSE ? p->endpoint : "/mcp", p->port, strlen(message));
    if (p->session[0])
        ok = ok && buf_printf(&b, "Mcp-Session-Id: %s\r\n", p->session);
    if (q && (p->is_modern || q->ask == ASK_DISCOVER))
        ok = ok &&
             buf_printf(&b, "MCP-Protocol-Version: " MODERN "\r\nMcp-Method: %s\r\n", q->method);
    else if (p->is_open)
        ok = ok && buf_add_str(&b, "MCP-Protocol-Version: " LEGACY "\r\n");
    if (p->is_modern && q && q->tool)
        ok = ok && buf_printf(&b, "Mcp-Name: %s\r\n", q->tool);
    ok = ok && buf_printf(&b, "\r\n%s", message);
    assert(ok); /* all parts are far below the cap */
    *out = exchange_new(p->loop, fd, b.data, b.len, CAP_BODY, listener);
    buf_release(&b);
    return true;
}

static void on_message(void *arg, struct exchange *x, struct span name, struct span data);

static void on_post_head(void *arg, struct exchange *x, int status, const char *session)
{
    (void)x;
    struct question *q = arg;
    if (q->ask == ASK_HANDSHAKE && status == 200 && session[0])
        snprintf(q->probe->session, sizeof q->probe->session, "%s", session);
}

static void on_post_message(void *arg, struct exchange *x, struct span name, struct span data)
{
    struct question *q = arg;
    on_message(q->probe, x, name, data);
}

static void on_post_end(void *arg, struct exchange *x, int status, const char *why)
{
    struct question *q = arg;
    struct probe *p = q->probe;
    exchange_free(x);
    q->post = NULL;
    if (why) {
        question_end(q, PROBE_UNREACHABLE, why);
    } else if (status >= 300) {
        char text[64];
        snprintf(text, sizeof text, "HTTP status %d", status);
        if ((status == 404 || status == 400) && q->ask != ASK_HANDSHAKE && q->ask != ASK_DISCOVER)
            p->is_open = false; /* it has forgotten our session */
        question_end(q, PROBE_REFUSED, text);
    } else if (p->transport != TRANSPORT_SSE) {
        question_end(q, PROBE_REFUSED, "an answer without a JSON-RPC response");
    } /* HTTP+SSE: accepted, the answer comes on the stream */
}

static void question_send(struct question *q)
{
    struct probe *p = q->probe;
    const struct exchange_listener listener = {q, on_post_head, on_post_message, on_post_end};
    struct err err = {0};
    if (!post(p, q->message, q, &listener, &q->post, &err)) {
        question_end(q, PROBE_UNREACHABLE, err_text(&err));
        return;
    }
    free(q->message);
    q->message = NULL;
}

/* Send what may be sent now: a handshake once there is an endpoint, the rest once it is over. */
static void flush(struct probe *p)
{
    if (p->transport == TRANSPORT_SSE && !p->endpoint[0])
        return;
    list_each(node, after, &p->questions)
    {
        struct question *q = container_of(node, struct question, node);
        bool may_go = q->ask == ASK_HANDSHAKE || (p->is_open && !p->notice);
        if (q->message && !q->is_done && may_go)
            question_send(q);
    }
}

/* --- the handshake's second half --- */

static void on_notice_end(void *arg, struct exchange *x, int status, const char *why)
{
    (void)status;
    (void)why; /* a failure shows at the next question */
    struct probe *p = arg;
    exchange_free(x);
    p->notice = NULL;
    flush(p);
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
    const struct exchange_listener listener = {p, NULL, ignore_message, on_notice_end};
    struct err err = {0};
    if (!post(p, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}", NULL, &listener,
              &p->notice, &err))
        p->notice = NULL; /* the next question finds out */
}

static char *discover_message(int id)
{
    return xasprintf("{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"server/discover\",\"params\":{" MODERN_META
                     "}}",
                     id);
}

/* Refused `initialize`: perhaps it speaks the stateless era only. */
static bool try_modern(struct probe *p, struct question *q, const char *text)
{
    bool is_hint = strstr(text, "-32022") || strstr(text, "-32601");
    if (q->ask != ASK_HANDSHAKE || p->is_modern || p->transport != TRANSPORT_HTTP || !is_hint)
        return false;
    p->is_modern = true;
    p->session[0] = '\0';
    str_replace(&q->method, "server/discover");
    free(q->message);
    q->message = discover_message(q->id);
    exchange_free(q->post);
    q->post = NULL;
    question_send(q);
    return true;
}

/* Does an answer to server/discover name the revision that we speak? */
static bool offers_modern(struct span message)
{
    struct span versions = rpc_member(rpc_member(message, "result"), "supportedVersions");
    return versions.n && memmem(versions.p, versions.n, "\"" MODERN "\"", sizeof MODERN + 1);
}

static void answer(struct probe *p, struct question *q, struct span data, bool is_error)
{
    char text[512];
    static const enum probe_outcome outcomes[] = {
        [TOOL_WORKS] = PROBE_OK, [TOOL_FAILS] = PROBE_TOOL_FAILED, [TOOL_REFUSED] = PROBE_REFUSED};
    enum probe_outcome outcome = outcomes[tool_result_judge(data.p, data.n, text, sizeof text)];
    if (is_error) {
        char *raw = xstrndup(data.p, data.n);
        bool again = try_modern(p, q, raw);
        free(raw);
        if (again)
            return;
        question_end(q, PROBE_REFUSED, text);
        return;
    }
    if (q->ask == ASK_HANDSHAKE) {
        p->is_open = true;
        if (!p->is_modern)
            send_initialized(p);
    }
    if (q->ask == ASK_DISCOVER && !offers_modern(data)) {
        question_end(q, PROBE_REFUSED, "it does not offer " MODERN);
        return;
    }
    question_end(q, q->ask == ASK_CALL ? outcome : PROBE_OK, q->ask == ASK_CALL ? text : "");
    flush(p);
}

static void on_message(void *arg, struct exchange *x, struct span name, struct span data)
{
    (void)x;
    (void)name;
    struct probe *p = arg;
    struct rpc_peek peek;
    rpc_peek(data.p, data.n, &peek);
    if (peek.kind != RPC_RESPONSE)
        return; /* notifications and questions of the daemon's are not for us */
    list_each(node, after, &p->questions)
    {
        struct question *q = container_of(node, struct question, node);
        char id[16];
        snprintf(id, sizeof id, "%d", q->id);
        /* An error without an id can only be about the one question of this connection. */
        bool is_ours = span_is(peek.id, id) ||
                       (x && q->post == x && peek.is_error && span_is(peek.id, "null"));
        if (is_ours && !q->is_done) {
            answer(p, q, data, peek.is_error);
            return;
        }
    }
}

/* --- HTTP+SSE: the stream --- */

static void on_stream_message(void *arg, struct exchange *x, struct span name, struct span data)
{
    struct probe *p = arg;
    if (!span_is(name, "endpoint")) {
        on_message(p, NULL, name, data);
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
    if (!n || path[0] != '/' || n >= sizeof p->endpoint || memchr(path, '\r', n) ||
        memchr(path, ' ', n))
        return; /* the handshake's time runs out */
    snprintf(p->endpoint, sizeof p->endpoint, "%.*s", (int)n, path);
    flush(p);
}

static void on_stream_end(void *arg, struct exchange *x, int status, const char *why)
{
    struct probe *p = arg;
    char text[120];
    exchange_free(x);
    p->stream = NULL;
    p->is_open = false;
    p->endpoint[0] = '\0';
    if (why || status < 300)
        snprintf(text, sizeof text, "the event stream ended: %.80s", why ? why : "by the daemon");
    else
        snprintf(text, sizeof text, "HTTP status %d for the event stream", status);
    list_each(node, after, &p->questions)
    {
        struct question *q = container_of(node, struct question, node);
        question_end(q, why ? PROBE_UNREACHABLE : PROBE_REFUSED, text);
    }
}

static bool stream_open(struct probe *p, struct err *err)
{
    int fd;
    if (!p->dial(p->arg, &fd, err))
        return false;
    char head[256];
    int n = snprintf(head, sizeof head,
                     "GET /sse HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: text/event-stream\r\n"
                     "Connection: close\r\n\r\n",
                     p->port);
    const struct exchange_listener listener = {p, NULL, on_stream_message, on_stream_end};
    p->stream = exchange_new(p->loop, fd, head, (size_t)n, CAP_BODY, &listener);
    return true;
}

/* --- the public face --- */

struct probe *probe_new(struct ev_loop *loop, enum transport transport, int port,
                        probe_dial_fn *dial, void *arg)
{
    struct probe *p = xcalloc(1, sizeof *p);
    p->loop = loop;
    p->transport = transport;
    p->port = port;
    p->dial = dial;
    p->arg = arg;
    list_init(&p->questions);
    return p;
}

void probe_free(struct probe *p)
{
    if (!p)
        return;
    list_each(node, after, &p->questions) question_free(container_of(node, struct question, node));
    exchange_free(p->notice);
    exchange_free(p->stream);
    free(p);
}

bool probe_is_open(const struct probe *p)
{
    return p->is_open;
}

static struct question *question_new(struct probe *p, enum ask ask, const char *method,
                                     int64_t timeout_ms, probe_done_fn *done, void *arg)
{
    struct question *q = xcalloc(1, sizeof *q);
    q->probe = p;
    q->ask = ask;
    q->id = ++p->last_id;
    q->method = xstrdup(method);
    q->done = done;
    q->arg = arg;
    ev_timer_init(&q->timer, on_timeout, (double)timeout_ms / 1000.0, 0);
    q->timer.data = q;
    ev_timer_init(&q->report, on_report, 0, 0);
    q->report.data = q;
    ev_now_update(p->loop);
    ev_timer_start(p->loop, &q->timer);
    list_add_tail(&p->questions, &q->node);
    return q;
}

void probe_handshake(struct probe *p, int64_t timeout_ms, probe_done_fn *done, void *arg)
{
    struct question *q = question_new(p, ASK_HANDSHAKE, "initialize", timeout_ms, done, arg);
    p->session[0] = '\0';
    p->is_open = p->is_modern = false;
    q->message = xasprintf("{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"initialize\",\"params\":{"
                           "\"protocolVersion\":\"" LEGACY "\",\"capabilities\":{},\"clientInfo\":"
                           "{\"name\":\"poold\",\"version\":\"" POOLD_VERSION "\"}}}",
                           q->id);
    struct err err = {0};
    if (p->transport == TRANSPORT_SSE && !p->stream && !stream_open(p, &err)) {
        question_end(q, PROBE_UNREACHABLE, err_text(&err));
        return;
    }
    flush(p);
}

bool probe_is_modern_only(const struct probe *p)
{
    return p->is_modern;
}

void probe_discover(struct probe *p, int64_t timeout_ms, probe_done_fn *done, void *arg)
{
    struct question *q = question_new(p, ASK_DISCOVER, "server/discover", timeout_ms, done, arg);
    q->message = discover_message(q->id);
    flush(p);
}

void probe_ping(struct probe *p, int64_t timeout_ms, probe_done_fn *done, void *arg)
{
    const char *method = p->is_modern ? "server/discover" : "ping";
    struct question *q = question_new(p, ASK_PING, method, timeout_ms, done, arg);
    q->message = p->is_modern
                     ? discover_message(q->id)
                     : xasprintf("{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"ping\"}", q->id);
    flush(p);
}

void probe_call(struct probe *p, const char *tool, const char *arguments, int64_t timeout_ms,
                probe_done_fn *done, void *arg)
{
    struct question *q = question_new(p, ASK_CALL, "tools/call", timeout_ms, done, arg);
    struct buf name = BUF_INIT(4096);
    q->tool = xstrdup(tool);
    if (!json_write_string(&name, tool, strlen(tool))) {
        buf_release(&name);
        question_end(q, PROBE_REFUSED, "the tool's name is too long");
        return;
    }
    q->message = xasprintf("{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"tools/call\",\"params\":{"
                           "\"name\":%s,\"arguments\":%s%s}}",
                           q->id, buf_text(&name), arguments ? arguments : "{}",
                           p->is_modern ? "," MODERN_META : "");
    buf_release(&name);
    flush(p);
}
