/* pool/talk.c - see talk.h. */
#include "pool/talk.h"

#include "base/caps.h"
#include "base/str.h"
#include "mcp/handshake.h"
#include "mcp/tool_result.h"
#include "pool/question.h"

#include <stdio.h>
#include <string.h>

#define HANDSHAKE_ID "\"" TALK_IDS "initialize\""
#define QUIET_MS 1000 /* a private one that answers no ping and lives so long is ready */
#define ROOTS_CAP (64 * 1024)
#define SETTLED_ID "\"" TALK_IDS "settled\""
#define SETTLE_MS 200 /* one that answers no ping right after its handshake is ready all the same  \
                       */
#define ROOTS_MS 100  /* to take its roots: server-filesystem looks at each of them first */

struct talk {
    struct probe probe; /* first: a struct probe * of this carrier is its talk */
    struct talk_how how;
    char *root;
    bool is_asked;     /* initialize was sent in this life: never again */
    bool answers_ping; /* private: it has once */
    bool is_settling, has_asked_roots;
    ev_timer settle;
    char refusal[300]; /* the error that initialize was answered with; "": it was not */
};

static struct talk *talk_of(struct probe *p)
{
    return container_of(p, struct talk, probe);
}

/* --- what is sent --- */

static bool may_send(const struct probe *p, const struct question *q)
{
    const struct talk *t = container_of(p, const struct talk, probe);
    return q->ask == ASK_HANDSHAKE ? t->how.is_private || !t->is_asked : p->is_open;
}

static void send_question(struct question *q)
{
    struct talk *t = talk_of(q->probe);
    struct err err = {0};
    if (!t->how.send(t->how.arg, q->message, strlen(q->message), &err)) {
        /* What waits to be read says the same as silence. */
        question_end(q, err.code == ERR_CONFLICT ? PROBE_SILENT : PROBE_UNREACHABLE,
                     err_text(&err));
        return;
    }
    t->is_asked = t->is_asked || q->ask == ASK_HANDSHAKE;
    free(q->message);
    q->message = NULL;
}

/* A daemon that takes no more is found out by the next ping. */
static void tell(struct talk *t, struct buf *message)
{
    struct err ignored = {0};
    if (message->len)
        (void)!t->how.send(t->how.arg, message->data, message->len, &ignored);
    buf_release(message);
}

static void say_initialized(struct probe *p)
{
    struct buf b = BUF_INIT(256);
    if (!talk_of(p)->how.is_private &&
        buf_add_str(&b, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}"))
        tell(talk_of(p), &b);
}

/* --- the handshake --- */

static bool begin(struct question *q, struct err *err)
{
    struct talk *t = talk_of(q->probe);
    (void)err;
    if (t->how.is_private) {
        q->message = xasprintf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"ping\"}", q->id);
        ev_timer_stop(t->probe.loop, &q->timer);
        ev_timer_set(&q->timer, QUIET_MS / 1000.0, 0);
        ev_timer_start(t->probe.loop, &q->timer);
        return true;
    }
    snprintf(q->id, sizeof q->id, HANDSHAKE_ID);
    if (t->refusal[0])
        question_end(q, PROBE_REFUSED, t->refusal);
    else if (t->probe.is_open && !t->is_settling)
        question_end(q, PROBE_OK, "");
    return true; /* else it waits for the answer to the one initialize of this life */
}

static void keep_handshake(struct talk *t, const struct rpc_peek *peek, struct span message)
{
    char protocol[32];
    struct err err = {0};
    if (t->probe.is_open || t->refusal[0])
        return; /* told again: an earlier poold was killed before it could say that it had this */
    if (message.n > CAP_HANDSHAKE)
        snprintf(t->refusal, sizeof t->refusal, "an answer of %zu bytes is too long", message.n);
    else if (peek->is_error)
        tool_result_judge(message.p, message.n, t->refusal, sizeof t->refusal);
    else if (!handshake_check(message, protocol, sizeof protocol, &err))
        snprintf(t->refusal, sizeof t->refusal, "%.290s", err_text(&err));
    if (t->refusal[0])
        return;
    t->how.on_handshake(t->how.arg, message.p, message.n);
}

static void end_handshakes(struct talk *t)
{
    list_each(node, after, &t->probe.questions)
    {
        struct question *q = container_of(node, struct question, node);
        if (q->ask == ASK_HANDSHAKE)
            question_end(q, t->refusal[0] ? PROBE_REFUSED : PROBE_OK, t->refusal);
    }
    probe_flush(&t->probe);
}

static void on_settled(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct talk *t = container_of(timer, struct talk, settle);
    (void)events;
    ev_timer_stop(loop, timer);
    t->is_settling = false;
    end_handshakes(t);
}

static void settle_in(struct talk *t, int ms)
{
    ev_timer_stop(t->probe.loop, &t->settle);
    ev_timer_set(&t->settle, ms / 1000.0, 0);
    ev_timer_start(t->probe.loop, &t->settle);
}

/* A server that wants roots asks as soon as it hears `initialized`, and refuses what is outside of
 * them. A call that waits for the start would be there first: by its answer to a ping it has asked.
 */
static void begin_settling(struct talk *t)
{
    struct buf ping = BUF_INIT(256);
    t->is_settling = true;
    settle_in(t, SETTLE_MS);
    if (buf_add_str(&ping, "{\"jsonrpc\":\"2.0\",\"id\":" SETTLED_ID ",\"method\":\"ping\"}"))
        tell(t, &ping);
}

/* The answer to initialize: whoever waits for it, or nobody does just now. */
static void take_handshake(struct talk *t, const struct rpc_peek *peek, struct span message)
{
    bool was_open = t->probe.is_open;
    keep_handshake(t, peek, message);
    if (!was_open && !t->refusal[0]) {
        t->probe.is_open = true;
        say_initialized(&t->probe);
        begin_settling(t);
    } else if (!t->is_settling) {
        end_handshakes(t);
    }
}

static enum probe_outcome timed_out(struct question *q)
{
    struct talk *t = talk_of(q->probe);
    if (!t->how.is_private || t->answers_ping || q->ask == ASK_CALL)
        return PROBE_SILENT;
    /* One that never answered a ping: it reads and does not end, that is all there is to know. */
    if (t->how.unread(t->how.arg) && q->ask != ASK_HANDSHAKE)
        return PROBE_SILENT;
    t->probe.is_open = true;
    return PROBE_OK;
}

/* --- what it says --- */

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("-._~/", c);
}

/* {"roots":[{"uri":"file:///home/me/a%20b","name":"a b"}]} (MCP, client features, roots) */
static bool write_roots(struct buf *out, const char *root)
{
    const char *slash = strrchr(root, '/'), *name = slash ? slash + 1 : root;
    bool ok = buf_add_str(out, "{\"roots\":[{\"uri\":\"file://");
    for (const char *c = root; ok && *c; c++)
        ok = is_unreserved((unsigned char)*c) ? buf_add(out, c, 1)
                                              : buf_printf(out, "%%%02X", (unsigned char)*c);
    return ok && buf_add_str(out, "\",\"name\":") && json_write_string(out, name, strlen(name)) &&
           buf_add_str(out, "}]}");
}

static bool take_request(struct talk *t, const struct rpc_peek *peek)
{
    bool is_ping = rpc_text_is(peek->method, "ping");
    t->has_asked_roots |= rpc_text_is(peek->method, "roots/list");
    struct buf roots = BUF_INIT(ROOTS_CAP), answer = BUF_INIT(ROOTS_CAP + 4096);
    if (t->how.is_private || (!is_ping && !rpc_text_is(peek->method, "roots/list")))
        return false;
    bool ok = is_ping ? rpc_write_empty(&answer, peek->id)
                      : write_roots(&roots, t->root) &&
                            rpc_write_result(&answer, peek->id, buf_text(&roots));
    buf_release(&roots);
    if (ok)
        tell(t, &answer);
    buf_release(&answer);
    return true;
}

bool talk_take(struct probe *p, const struct rpc_peek *peek, const char *json, size_t n)
{
    struct talk *t = talk_of(p);
    if (peek->kind == RPC_REQUEST)
        return take_request(t, peek);
    static const char own[] = "\"" TALK_IDS;
    if (peek->kind != RPC_RESPONSE || peek->id.n < sizeof own ||
        memcmp(peek->id.p, own, sizeof own - 1) != 0)
        return false;
    if (span_is(peek->id, HANDSHAKE_ID)) {
        take_handshake(t, peek, (struct span){json, n});
        return true;
    }
    if (span_is(peek->id, SETTLED_ID)) {
        if (t->is_settling)
            settle_in(t, t->has_asked_roots ? ROOTS_MS : 0);
        return true;
    }
    struct question *q = probe_question(p, peek->id);
    if (q && t->how.is_private) {
        t->answers_ping = t->probe.is_open = true;
        question_end(q, PROBE_OK, "");
    } else if (q) {
        question_answer(q, (struct span){json, n}, peek->is_error);
    } /* else too late */
    return true;
}

/* --- the rest of a carrier --- */

static void drop(struct question *q)
{
    (void)q; /* what was sent cannot be taken back */
}

static void destroy(struct probe *p)
{
    struct talk *t = talk_of(p);
    ev_timer_stop(p->loop, &t->settle);
    probe_finish(p);
    free(t->root);
    free(t);
}

static const struct carrier carrier = {begin, may_send,  send_question, say_initialized,
                                       NULL,  timed_out, drop,          destroy};

struct probe *talk_new(struct ev_loop *loop, const struct talk_how *how)
{
    struct talk *t = xcalloc(1, sizeof *t);
    probe_init(&t->probe, loop, &carrier);
    t->how = *how;
    ev_init(&t->settle, on_settled);
    t->root = xstrdup(how->root);
    t->probe.capabilities = "{\"roots\":{\"listChanged\":false}}";
    snprintf(t->probe.id_before, sizeof t->probe.id_before, "\"" TALK_IDS "%lld.",
             (long long)how->epoch);
    t->probe.is_open = how->is_open;
    t->is_asked = how->given > 0;
    /* Killed between the answer and its second half: the second line is missing. */
    if (how->is_open && how->given == 1)
        say_initialized(&t->probe);
    return &t->probe;
}
