/* front/modern_call.c - a request of a modern client on its way: as it is to a daemon of its era,
 * translated to and from one that knows only sessions. See modern.h.
 *
 * It stands between the flight and the client's adapter, as lean.c does (which stands above it). */
#include "front/modern.h"

#include "base/caps.h"
#include "base/str.h"
#include "front/listen.h"
#include "front/own.h"
#include "front/restore.h"
#include "mcp/handshake.h"
#include "mcp/modern.h"

#include <stdio.h>
#include <string.h>

#define DISCOVER_MS 4000 /* Claude Code waits 5 s for its probe, the Python SDK 10 s */

struct modern_call { /* flight->modern */
    const struct flight_client *client;
    enum modern_method method;
    bool is_translated; /* it is a legacy request now, under another id */
    char *id;           /* the client's own, raw */
    char *token;        /* its progress token, raw, NULL: none */
    char *level;        /* least grave log message that it wants, raw, NULL: none */
    char *body;         /* as the client sent it, while it is translated */
    size_t body_n;
    char *headers;
};

void modern_free(struct flight *f)
{
    struct modern_call *call = f->modern;
    if (!call)
        return;
    free(call->id);
    free(call->token);
    free(call->level);
    free(call->body);
    free(call->headers);
    free(call);
    f->modern = NULL;
}

/* --- the answer --- */

struct span modern_id(const struct flight *f)
{
    return (struct span){f->modern->id, strlen(f->modern->id)};
}

static void give(struct flight *f, struct span answer, int code)
{
    bool is_daemons = !f->modern->is_translated && f->status >= 400;
    f->http_status = is_daemons ? f->status : modern_http_status(code);
    f->modern->client->message(f, answer, true);
}

static void give_answer(struct flight *f, struct span json)
{
    struct modern_call *call = f->modern;
    struct buf out = BUF_INIT(CAP_MESSAGE);
    int code = 0;
    if (modern_write_answer(&out, json, modern_id(f), call->method == MODERN_CACHED, &code) ||
        rpc_write_error(&out, modern_id(f), code = err_row(ERR_DAEMON_LOST)->rpc,
                        "the daemon's answer is not understood, or too large", (struct span){0}))
        give(f, (struct span){out.data, out.len}, code);
    buf_release(&out);
}

static void give_progress(struct flight *f, struct span json)
{
    struct modern_call *call = f->modern;
    struct buf out = BUF_INIT(CAP_MESSAGE);
    if (call->token &&
        modern_write_progress(&out, json, (struct span){call->token, strlen(call->token)}))
        call->client->message(f, (struct span){out.data, out.len}, false);
    buf_release(&out);
}

/* Something that a legacy daemon says while it works on the call. */
static void give_notice(struct flight *f, struct span json)
{
    struct modern_call *call = f->modern;
    struct rpc_peek peek;
    rpc_peek(json.p, json.n, &peek);
    if (rpc_text_is(peek.method, "notifications/progress")) {
        give_progress(f, json);
    } else if (rpc_text_is(peek.method, "notifications/message")) {
        /* Only if the request has asked for it (server, logging). */
        if (call->level && modern_level_reaches(rpc_member(peek.params, "level"),
                                                (struct span){call->level, strlen(call->level)}))
            call->client->message(f, json, false);
    } else { /* nothing else may stand on this stream */
        modern_message(f->session, json);
    }
}

static void message(struct flight *f, struct span json, bool is_answer)
{
    if (is_answer)
        give_answer(f, json);
    else if (f->modern->is_translated)
        give_notice(f, json);
    else
        f->modern->client->message(f, json, false);
}

/* --- what comes from the daemon --- */

/* Its answer is changed, so that it must be whole. */
static bool is_held(const struct flight *f)
{
    return f->modern->is_translated || f->modern->method == MODERN_DISCOVER;
}

static void json_begin(struct flight *f, int64_t length)
{
    if (is_held(f))
        flight_hold_begin(f, length);
    else
        f->modern->client->json_begin(f, length);
}

static void json_data(struct flight *f, const char *bytes, size_t n)
{
    if (is_held(f))
        flight_hold_data(f, bytes, n);
    else
        f->modern->client->json_data(f, bytes, n);
}

/* The daemon's own answer to server/discover: the front adds what it knows. */
static void give_discover(struct flight *f, struct span json)
{
    struct buf out = BUF_INIT(2 * CAP_HANDSHAKE);
    struct span result = rpc_member(json, "result");
    char *note = link_note(f->session);
    if (result.n && handshake_discover(&out, result, modern_id(f), note))
        json = (struct span){out.data, out.len};
    give_answer(f, json);
    buf_release(&out);
    free(note);
}

static void take(struct flight *f, struct span json, bool is_answer)
{
    if (is_answer && !f->modern->is_translated && f->modern->method == MODERN_DISCOVER)
        give_discover(f, json);
    else
        message(f, json, is_answer);
}

static void json_end(struct flight *f)
{
    if (!is_held(f)) {
        f->modern->client->json_end(f);
        return;
    }
    struct buf whole = f->held; /* the adapter may hold something of its own */
    f->held = (struct buf)BUF_INIT(CAP_MESSAGE);
    take(f, (struct span){whole.data, whole.len}, true);
    buf_release(&whole);
}

static void events(struct flight *f, const char *bytes, size_t n)
{
    if (!is_held(f)) {
        f->modern->client->events(f, bytes, n);
        return;
    }
    struct buf data = BUF_INIT(CAP_MESSAGE);
    if (sse_event_data(bytes, n, &data) && data.len)
        take(f, (struct span){data.data, data.len}, rpc_is_response(data.data, data.len) == 1);
    buf_release(&data);
}

static void end(struct flight *f)
{
    f->modern->client->end(f);
}
static void flush(struct flight *f)
{
    f->modern->client->flush(f);
}
static bool is_full(struct flight *f)
{
    return f->modern->client->is_full(f);
}
static void beat(struct flight *f)
{
    f->modern->client->beat(f);
}
static void part(struct flight *f, const char *bytes, size_t n, bool is_last)
{
    f->modern->client->part(f, bytes, n, is_last);
}

static const struct flight_client modern_sink = {json_begin, json_data, json_end, events, message,
                                                 end,        flush,     is_full,  beat,   NULL};
/* Of a call whose large events go on in parts: it goes through as it is. */
static const struct flight_client modern_sink_parts = {
    json_begin, json_data, json_end, events, message, end, flush, is_full, beat, part};

static void choose_sink(struct flight *f)
{
    if (f->client == &modern_sink || f->client == &modern_sink_parts)
        f->client = f->modern->client->part && !is_held(f) ? &modern_sink_parts : &modern_sink;
}

/* --- the request --- */

static char *copy_of(struct span raw)
{
    return raw.n ? xstrndup(raw.p, raw.n) : NULL;
}

struct flight *modern_flight(struct session *s, const struct flight_client *client,
                             struct conn *conn, struct span body, const struct rpc_peek *peek,
                             char *headers_take)
{
    enum modern_method method = modern_method_of(peek->method);
    if (method == MODERN_LISTEN) /* the front's own: nothing of it is translated */
        return flight_new(s, FLIGHT_LISTEN, client, conn, body, peek, headers_take);
    struct flight *f = flight_new(s, FLIGHT_CALL, &modern_sink, conn, body, peek, headers_take);
    struct modern_call *call = xcalloc(1, sizeof *call);
    f->modern = call;
    call->client = client;
    call->method = method;
    call->id = xstrndup(peek->id.p, peek->id.n);
    call->token = copy_of(peek->progress_token);
    call->level = copy_of(rpc_member(peek->meta, "io.modelcontextprotocol/logLevel"));
    if (method == MODERN_DISCOVER)
        f->list = KNOWN_HANDSHAKE;
    return f;
}

void modern_go(struct flight *f)
{
    if (f->kind == FLIGHT_LISTEN)
        listen_begin(f);
    else
        flight_go(f);
}

/* The header lines without those that mirror the body: a legacy daemon does not know them. */
static char *without_mirrors(const char *lines)
{
    struct buf out = BUF_INIT(CAP_HEAD);
    for (const char *line = lines; line && *line;) {
        const char *end = strstr(line, "\r\n");
        size_t n = end ? (size_t)(end + 2 - line) : strlen(line);
        if (strncasecmp(line, "Mcp-", 4) != 0 && !buf_add(&out, line, n))
            break;
        line += n;
    }
    return out.len ? buf_take(&out) : NULL;
}

static bool translate(struct flight *f)
{
    static unsigned number;
    struct modern_call *call = f->modern;
    struct buf body = BUF_INIT(CAP_BODY + 100);
    struct rpc_peek peek;
    char id[32];
    int id_n = snprintf(id, sizeof id, "\"poold-m%u\"", ++number);
    rpc_peek(f->body, f->body_n, &peek);
    bool ok = modern_write_legacy(&body, &peek, (struct span){id, (size_t)id_n});
    if (ok) {
        call->body = f->body;
        call->body_n = f->body_n;
        call->headers = f->headers;
        f->body = NULL;
        f->headers = without_mirrors(call->headers);
        flight_replace_body(f, (struct span){body.data, body.len});
        call->is_translated = true;
        choose_sink(f);
    } else {
        flight_fail(f, ERR_TOO_BIG, "the request is too large");
    }
    buf_release(&body);
    return ok;
}

/* The next life of its daemon speaks its era. */
static void untranslate(struct flight *f)
{
    struct modern_call *call = f->modern;
    flight_replace_body(f, (struct span){call->body, call->body_n});
    free(call->body);
    free(f->headers);
    f->headers = call->headers;
    call->body = call->headers = NULL;
    call->is_translated = false;
}

/* The level of the daemon's log messages is that of a session: it must be as fine as this request
 * wants it. True: the daemon is being told, and the request goes on afterwards. */
static bool wants_finer_log(struct flight *f)
{
    struct session *s = f->session;
    struct modern_call *call = f->modern;
    if (!call->level || !known_has_capability(s, "logging"))
        return false;
    struct span level = {call->level, strlen(call->level)};
    if (s->level && modern_level_reaches(level, (struct span){s->level, strlen(s->level)}))
        return false;
    restore_level(s, level);
    return s->link.restoring > 0;
}

bool modern_hand_over(struct flight *f)
{
    struct modern_call *call = f->modern;
    bool is_legacy = f->session->link.transport != &link_modern;
    if (is_legacy &&
        call->method == MODERN_DISCOVER) { /* known.c answers it out of the handshake */
        flight_fail(f, ERR_METHOD, "this server cannot be described: its handshake is not known");
        return false;
    }
    if (is_legacy && !call->is_translated && !translate(f))
        return false;
    if (!is_legacy && call->is_translated)
        untranslate(f);
    choose_sink(f);
    return !is_legacy || !wants_finer_log(f);
}

bool modern_gives_up(struct flight *f, int64_t now_ms)
{
    if (f->modern->method != MODERN_DISCOVER || f->phase != FLIGHT_QUEUED ||
        now_ms - f->born_ms < DISCOVER_MS)
        return false;
    flight_fail(f, ERR_METHOD,
                "The %s daemon of %s is started for the first time, so that it is not known yet "
                "what it speaks: initialize is answered as soon as it is up.",
                f->session->daemon->server, f->session->daemon->project->root);
    return true;
}

void modern_gone(struct flight *f)
{
    struct session *s = f->session;
    if (f->phase == FLIGHT_QUEUED || f->has_answer)
        return; /* it ends when it is looked at next */
    if (f->modern->is_translated) {
        struct buf params = BUF_INIT(f->id.n + 100);
        if (buf_add_str(&params, "{\"requestId\":") && buf_add(&params, f->id.p, f->id.n) &&
            buf_add_str(&params, ",\"reason\":\"its client has gone\"}"))
            own_notify(s, "notifications/cancelled", (struct span){params.data, params.len});
        buf_release(&params);
        return; /* the daemon works on until it answers: that counts as busy */
    }
    upstream_close(f->up);
    f->up = NULL;
    f->is_cancelled = true;
    front_look_soon(s->front);
}
