/* front/upgrade.c - see upgrade.h. */
#include "front/upgrade.h"

#include "base/caps.h"
#include "base/clock.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

#define ROUNDS_MAX 20 /* a daemon that asks again and again */

struct asked { /* one request to the client */
    struct list node;
    unsigned number; /* its id is "poold-ask-NUMBER" */
    char *key;       /* the daemon's name for it, raw between its quotes */
};

struct upgraded { /* flight->upgraded */
    const struct flight_client *client;
    char *id; /* the client's own, raw */
    char *body;
    size_t body_n;
    char *headers;
    bool is_local; /* of the front's own: answered here, but not from inside its making */
    /* what the daemon wants to know */
    bool is_asking;
    int rounds;
    struct list asked;    /* what the client has not answered yet */
    struct buf responses; /* members of an object */
    char *state;          /* raw, NULL: none */
};

struct upgrade_client upgrade_client_of(const struct session *s)
{
    return (struct upgrade_client){
        .initialize = {s->initialize, s->initialize ? strlen(s->initialize) : 0},
        .level = s->level};
}

static void forget_asked(struct upgraded *u)
{
    list_each(node, after, &u->asked)
    {
        struct asked *a = container_of(node, struct asked, node);
        list_remove(node);
        free(a->key);
        free(a);
    }
}

void upgrade_free(struct flight *f)
{
    struct upgraded *u = f->upgraded;
    if (!u)
        return;
    forget_asked(u);
    buf_release(&u->responses);
    free(u->state);
    free(u->id);
    free(u->body);
    free(u->headers);
    free(u);
    f->upgraded = NULL;
}

/* --- questions to the client --- */

static bool ask(struct flight *f, struct span key, struct span request)
{
    static unsigned number;
    struct upgraded *u = f->upgraded;
    struct span method = rpc_member(request, "method"), params = rpc_member(request, "params");
    struct buf out = BUF_INIT(CAP_MESSAGE);
    if (!method.n)
        return false;
    bool ok =
        buf_printf(&out, "{\"jsonrpc\":\"2.0\",\"id\":\"poold-ask-%u\",\"method\":", ++number) &&
        buf_add(&out, method.p, method.n) &&
        (!params.n || (buf_add_str(&out, ",\"params\":") && buf_add(&out, params.p, params.n))) &&
        buf_add_str(&out, "}");
    if (ok) {
        struct asked *a = xcalloc(1, sizeof *a);
        a->number = number;
        a->key = xstrndup(key.p, key.n);
        list_add_tail(&u->asked, &a->node);
        u->client->message(f, (struct span){out.data, out.len}, false);
        u->client->flush(f);
        if (f->replay && !f->conn && !f->away_ms)
            f->away_ms = clock_ms(); /* it may come back for it, but not for ever */
    }
    buf_release(&out);
    return ok;
}

/* The daemon's answer asks for input (basic, patterns, multi round-trip requests). False: what it
 * asks makes no sense, or never ends. */
static bool begin_asking(struct flight *f, struct span answer)
{
    struct upgraded *u = f->upgraded;
    struct span result = rpc_member(answer, "result"), key, request;
    struct span requests = rpc_member(result, "inputRequests");
    struct span state = rpc_member(result, "requestState");
    if (++u->rounds > ROUNDS_MAX || (!requests.n && !state.n))
        return false;
    buf_release(&u->responses);
    free(u->state);
    u->state = state.n ? xstrndup(state.p, state.n) : NULL;
    u->is_asking = true;
    const char *at = requests.p, *end = span_end(requests);
    while (requests.n && rpc_member_next(&at, end, &key, &request))
        if (!ask(f, key, request))
            return false;
    return true;
}

static bool is_answered(const struct upgraded *u)
{
    return list_is_empty(&u->asked);
}

static void go_on(struct flight *f)
{
    f->upgraded->is_asking = false;
    f->phase = FLIGHT_QUEUED;
    flight_go(f);
}

bool upgrade_goes_on(struct flight *f)
{
    struct upgraded *u = f->upgraded;
    if (!u->is_asking || f->client == &flight_client_none)
        return false;
    f->has_answer = false;
    f->phase = FLIGHT_STREAMING;
    if (is_answered(u))
        go_on(f);
    return true;
}

bool upgrade_gives_up(struct flight *f)
{
    if (!f->upgraded->is_asking || f->up)
        return false;
    f->upgraded->is_asking = false;
    flight_fail(f, ERR_METHOD, "the server asked something, and its client has gone");
    return true;
}

static void take_response(struct flight *f, struct asked *a, const struct rpc_peek *peek,
                          struct span message)
{
    struct upgraded *u = f->upgraded;
    struct span result = rpc_member(message, "result");
    bool ok = !peek->is_error && result.n &&
              buf_printf(&u->responses, "%s\"%s\":", u->responses.len ? "," : "", a->key) &&
              buf_add(&u->responses, result.p, result.n);
    list_remove(&a->node);
    free(a->key);
    free(a);
    if (!ok) {
        u->is_asking = false;
        flight_fail(f, ERR_METHOD,
                    "the server asked something that its client did not answer: %.*s",
                    (int)(message.n < 300 ? message.n : 300), message.p);
    } else if (is_answered(u) && !f->up) {
        go_on(f);
    }
}

/* A response of the client's: to one of our questions? */
static void find_question(struct session *s, const struct rpc_peek *peek, struct span message)
{
    char id[40];
    list_each(node, after, &s->flights)
    {
        struct flight *f = container_of(node, struct flight, session_node);
        if (!f->upgraded)
            continue;
        list_each(question, next, &f->upgraded->asked)
        {
            struct asked *a = container_of(question, struct asked, node);
            snprintf(id, sizeof id, "\"poold-ask-%u\"", a->number);
            if (span_is(peek->id, id)) {
                take_response(f, a, peek, message);
                return;
            }
        }
    }
}

/* --- the answer --- */

static void give(struct flight *f, struct span json)
{
    struct upgraded *u = f->upgraded;
    struct span id = {u->id, strlen(u->id)};
    struct buf out = BUF_INIT(CAP_MESSAGE);
    if (upgrade_write_answer(&out, json, id) ||
        rpc_write_error(&out, id, err_row(ERR_DAEMON_LOST)->rpc,
                        "the daemon's answer is not understood, or too large", (struct span){0}))
        u->client->message(f, (struct span){out.data, out.len}, true);
    buf_release(&out);
}

static void take(struct flight *f, struct span json, bool is_answer)
{
    static const char senseless[] =
        "{\"error\":{\"code\":-32603,\"message\":\"the server asked for input in a way that makes "
        "no sense, or without end\"}}";
    struct upgraded *u = f->upgraded;
    if (!is_answer) {
        u->client->message(f, json, false);
    } else if (!upgrade_asks(json)) {
        give(f, json);
    } else if (!begin_asking(f, json)) {
        u->is_asking = false;
        forget_asked(u);
        give(f, (struct span){senseless, sizeof senseless - 1});
    }
}

static void json_end(struct flight *f)
{
    struct buf whole = f->held; /* the adapter may hold something of its own */
    f->held = (struct buf)BUF_INIT(CAP_MESSAGE);
    take(f, (struct span){whole.data, whole.len}, true);
    buf_release(&whole);
}

static void events(struct flight *f, const char *bytes, size_t n)
{
    struct buf data = BUF_INIT(CAP_MESSAGE);
    if (sse_event_data(bytes, n, &data) && data.len)
        take(f, (struct span){data.data, data.len}, rpc_is_response(data.data, data.len) == 1);
    buf_release(&data);
}

static void message(struct flight *f, struct span json, bool is_answer)
{
    if (is_answer)
        give(f, json);
    else
        f->upgraded->client->message(f, json, false);
}

static void end(struct flight *f)
{
    f->upgraded->client->end(f);
}
static void flush(struct flight *f)
{
    f->upgraded->client->flush(f);
}
static bool is_full(struct flight *f)
{
    return f->upgraded->client->is_full(f);
}
static void beat(struct flight *f)
{
    f->upgraded->client->beat(f);
}

static const struct flight_client upgraded_sink = {.json_begin = flight_hold_begin,
                                                   .json_data = flight_hold_data,
                                                   .json_end = json_end,
                                                   .events = events,
                                                   .message = message,
                                                   .end = end,
                                                   .flush = flush,
                                                   .is_full = is_full,
                                                   .beat = beat};

/* --- the request --- */

static struct upgraded *make(struct flight *f)
{
    struct upgraded *u = xcalloc(1, sizeof *u);
    u->client = f->client;
    u->id = xstrndup(f->id.p, f->id.n);
    u->body = f->body;
    u->body_n = f->body_n;
    u->headers = f->headers;
    u->responses.cap = CAP_BODY;
    list_init(&u->asked);
    f->body = f->headers = NULL;
    f->upgraded = u;
    f->client = &upgraded_sink;
    return u;
}

static bool write_headers(const struct upgraded *u, const struct rpc_peek *peek, char **out)
{
    struct buf lines = BUF_INIT(2 * CAP_HEAD);
    bool ok =
        (!u->headers || buf_add_str(&lines, u->headers)) && upgrade_write_headers(&lines, peek);
    *out = ok ? buf_take(&lines) : NULL;
    buf_release(&lines);
    return ok;
}

static bool write_body(struct flight *f, const struct rpc_peek *peek, struct buf *out)
{
    static unsigned number;
    struct upgraded *u = f->upgraded;
    struct upgrade_client client = upgrade_client_of(f->session);
    struct buf responses = BUF_INIT(CAP_BODY + 2);
    char id[32];
    int n = snprintf(id, sizeof id, "\"poold-u%u\"", ++number); /* each round is a request anew */
    bool ok = !u->responses.len || (buf_add_str(&responses, "{") &&
                                    buf_add(&responses, u->responses.data, u->responses.len) &&
                                    buf_add_str(&responses, "}"));
    const struct upgrade_retry retry = {.responses = {responses.data, responses.len},
                                        .state = {u->state, u->state ? strlen(u->state) : 0}};
    ok = ok && upgrade_write_request(out, peek, (struct span){id, (size_t)n}, &client, &retry);
    buf_release(&responses);
    return ok;
}

static bool upgrade(struct flight *f)
{
    struct upgraded *u = f->upgraded ? f->upgraded : make(f);
    struct buf body = BUF_INIT(2 * CAP_BODY);
    struct rpc_peek peek;
    rpc_peek(u->body, u->body_n, &peek);
    free(f->headers);
    f->headers = NULL;
    bool ok = write_headers(u, &peek, &f->headers) && write_body(f, &peek, &body);
    if (ok)
        flight_replace_body(f, (struct span){body.data, body.len});
    buf_release(&body);
    if (!ok)
        flight_fail(f, ERR_METHOD,
                    "the request is too large, or its method is no name: it cannot be put into the "
                    "revision that its server speaks");
    return ok;
}

void upgrade_undo(struct flight *f)
{
    struct upgraded *u = f->upgraded;
    flight_replace_body(f, (struct span){u->body, u->body_n});
    free(f->headers);
    f->headers = u->headers;
    u->headers = NULL;
    if (f->client == &upgraded_sink)
        f->client = u->client;
    upgrade_free(f);
}

/* --- what the revision has not, and the front does itself --- */

static void cancel(struct session *s, struct span request)
{
    list_each(node, after, &s->flights)
    {
        struct flight *f = container_of(node, struct flight, session_node);
        const struct upgraded *u = f->upgraded;
        if (!u || strlen(u->id) != request.n || memcmp(u->id, request.p, request.n) != 0)
            continue;
        upstream_close(f->up); /* the end of the response is what cancels it */
        f->up = NULL;
        f->is_cancelled = true;
        front_look_soon(s->front);
        return;
    }
}

static void take_one_way(struct flight *f)
{
    struct rpc_peek peek;
    rpc_peek(f->body, f->body_n, &peek);
    if (peek.kind == RPC_RESPONSE)
        find_question(f->session, &peek, (struct span){f->body, f->body_n});
    else if (rpc_text_is(peek.method, "notifications/cancelled"))
        cancel(f->session, rpc_member(peek.params, "requestId"));
    flight_end(f); /* the revision knows no other notification of clients */
}

/* What was set is kept by restore.c already: the level goes with each request, the subscriptions
 * with the listen request. */
static bool is_setting(const struct flight *f, bool *is_subscription)
{
    struct rpc_peek peek;
    rpc_peek(f->body, f->body_n, &peek);
    *is_subscription = rpc_text_is(peek.method, "resources/subscribe") ||
                       rpc_text_is(peek.method, "resources/unsubscribe");
    return *is_subscription || rpc_text_is(peek.method, "logging/setLevel");
}

static void answer_empty(struct flight *f)
{
    struct buf answer = BUF_INIT(f->id.n + 100);
    if (rpc_write_empty(&answer, f->id))
        flight_answer(f, (struct span){answer.data, answer.len});
    buf_release(&answer);
}

bool upgrade_hand_over(struct flight *f)
{
    bool is_subscription;
    if (f->kind == FLIGHT_ONEWAY) {
        take_one_way(f);
        return false;
    }
    if (f->upgraded || !is_setting(f, &is_subscription))
        return upgrade(f);
    if (is_subscription) {
        f->session->link.transport->push(&f->session->link, false);
        link_push_changed(&f->session->link);
    }
    if (f->kind != FLIGHT_OWN || f->is_looked_at) {
        answer_empty(f);
    } else { /* its answer may not come from inside its making */
        f->is_looked_at = true;
        front_look_soon(f->session->front);
    }
    return false;
}
