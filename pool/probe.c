/* pool/probe.c - see probe.h and question.h: the questions, whatever carries them. */
#include "pool/probe.h"

#include "base/str.h"
#include "mcp/tool_result.h"
#include "pool/question.h"

#include <stdio.h>
#include <string.h>

#define MODERN_META                                                                                \
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"" QUESTION_MODERN "\","              \
    "\"io.modelcontextprotocol/clientCapabilities\":{},"                                           \
    "\"io.modelcontextprotocol/clientInfo\":{\"name\":\"poold\",\"version\":\"" POOLD_VERSION      \
    "\"}}"

/* --- one question's end --- */

static void question_free(struct question *q)
{
    ev_timer_stop(q->probe->loop, &q->timer);
    ev_timer_stop(q->probe->loop, &q->report);
    q->probe->carrier->drop(q);
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

void question_end(struct question *q, enum probe_outcome outcome, const char *text)
{
    if (q->is_done)
        return;
    q->is_done = true;
    q->outcome = outcome;
    snprintf(q->text, sizeof q->text, "%s", text ? text : "");
    ev_timer_stop(q->probe->loop, &q->timer);
    q->probe->carrier->drop(q);
    ev_timer_start(q->probe->loop, &q->report);
}

static void on_timeout(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct question *q = timer->data;
    enum probe_outcome outcome = q->probe->carrier->timed_out(q);
    question_end(q, outcome, outcome == PROBE_OK ? "" : "no answer in time");
}

/* --- asking and answering --- */

void probe_flush(struct probe *p)
{
    list_each(node, after, &p->questions)
    {
        struct question *q = container_of(node, struct question, node);
        if (q->message && !q->is_done && p->carrier->may_send(p, q))
            p->carrier->send(q);
    }
}

struct question *probe_question(struct probe *p, struct span id)
{
    list_each(node, after, &p->questions)
    {
        struct question *q = container_of(node, struct question, node);
        if (!q->is_done && span_is(id, q->id))
            return q;
    }
    return NULL;
}

/* Does an answer to server/discover name the revision that we speak? */
static bool offers_modern(struct span message)
{
    static const char quoted[] = "\"" QUESTION_MODERN "\"";
    struct span versions = rpc_member(rpc_member(message, "result"), "supportedVersions");
    return versions.n && memmem(versions.p, versions.n, quoted, sizeof quoted - 1);
}

void question_answer(struct question *q, struct span data, bool is_error)
{
    static const enum probe_outcome outcomes[] = {
        [TOOL_WORKS] = PROBE_OK, [TOOL_FAILS] = PROBE_TOOL_FAILED, [TOOL_REFUSED] = PROBE_REFUSED};
    struct probe *p = q->probe;
    char text[512];
    enum probe_outcome outcome = outcomes[tool_result_judge(data.p, data.n, text, sizeof text)];
    if (is_error) {
        char *raw = xstrndup(data.p, data.n);
        bool again = p->carrier->retry && p->carrier->retry(q, raw);
        free(raw);
        if (!again)
            question_end(q, PROBE_REFUSED, text);
        return;
    }
    if (q->ask == ASK_HANDSHAKE) {
        p->is_open = true;
        if (!p->is_modern)
            p->carrier->opened(p);
    }
    if (q->ask == ASK_DISCOVER && !offers_modern(data)) {
        question_end(q, PROBE_REFUSED, "it does not offer " QUESTION_MODERN);
        return;
    }
    question_end(q, q->ask == ASK_CALL ? outcome : PROBE_OK, q->ask == ASK_CALL ? text : "");
    probe_flush(p);
}

static struct question *question_new(struct probe *p, enum ask ask, const char *method,
                                     int64_t timeout_ms, probe_done_fn *done, void *arg)
{
    struct question *q = xcalloc(1, sizeof *q);
    char *id = xasprintf("%s%d%s", p->id_before, ++p->last_id, *p->id_before ? "\"" : "");
    q->probe = p;
    q->ask = ask;
    snprintf(q->id, sizeof q->id, "%s", id);
    free(id);
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

char *question_discover(const struct question *q)
{
    return xasprintf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"server/discover\","
                     "\"params\":{" MODERN_META "}}",
                     q->id);
}

static char *question_initialize(const struct question *q)
{
    return xasprintf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"initialize\",\"params\":{"
                     "\"protocolVersion\":\"" QUESTION_LEGACY "\",\"capabilities\":%s,"
                     "\"clientInfo\":{\"name\":\"poold\",\"version\":\"" POOLD_VERSION "\"}}}",
                     q->id, q->probe->capabilities);
}

/* --- the public face --- */

void probe_init(struct probe *p, struct ev_loop *loop, const struct carrier *carrier)
{
    p->loop = loop;
    p->carrier = carrier;
    p->capabilities = "{}";
    list_init(&p->questions);
}

void probe_finish(struct probe *p)
{
    list_each(node, after, &p->questions) question_free(container_of(node, struct question, node));
}

void probe_free(struct probe *p)
{
    if (p)
        p->carrier->destroy(p);
}

bool probe_is_guarded(const struct probe *p)
{
    return p->is_guarded;
}

bool probe_is_open(const struct probe *p)
{
    return p->is_open;
}

void probe_handshake(struct probe *p, int64_t timeout_ms, probe_done_fn *done, void *arg)
{
    struct question *q = question_new(p, ASK_HANDSHAKE, "initialize", timeout_ms, done, arg);
    struct err err = {0};
    if (!p->carrier->begin(q, &err)) {
        question_end(q, PROBE_UNREACHABLE, err_text(&err));
        return;
    }
    if (!q->message)
        q->message = question_initialize(q);
    probe_flush(p);
}

bool probe_is_modern_only(const struct probe *p)
{
    return p->is_modern;
}

void probe_discover(struct probe *p, int64_t timeout_ms, probe_done_fn *done, void *arg)
{
    struct question *q = question_new(p, ASK_DISCOVER, "server/discover", timeout_ms, done, arg);
    q->message = question_discover(q);
    probe_flush(p);
}

void probe_ping(struct probe *p, int64_t timeout_ms, probe_done_fn *done, void *arg)
{
    const char *method = p->is_modern ? "server/discover" : "ping";
    struct question *q = question_new(p, ASK_PING, method, timeout_ms, done, arg);
    q->message = p->is_modern
                     ? question_discover(q)
                     : xasprintf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"ping\"}", q->id);
    probe_flush(p);
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
    q->message = xasprintf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"tools/call\",\"params\":{"
                           "\"name\":%s,\"arguments\":%s%s}}",
                           q->id, buf_text(&name), arguments ? arguments : "{}",
                           p->is_modern ? "," MODERN_META : "");
    buf_release(&name);
    probe_flush(p);
}
