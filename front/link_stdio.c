/* front/link_stdio.c - see link_stdio.h. */
#include "front/link_stdio.h"

#define LOG_MODULE "front"
#include "base/caps.h"
#include "base/log.h"
#include "base/str.h"
#include "front/late.h"
#include "front/session_id.h"
#include "front/shared.h"
#include "mcp/handshake.h"
#include "mcp/rewrite.h"
#include "mcp/utf8.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define CANCELLED -32800 /* what some servers answer to a call that was cancelled */

static const char initialize_id[] = "\"poold-initialize\"";
static const char initialized[] = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}";

bool link_is_shared(const struct link *l)
{
    return l->transport == &link_stdio && !l->session->daemon->is_private;
}

static void turn_soon(struct front *f)
{
    if (ev_is_active(&f->turn))
        return;
    ev_timer_set(&f->turn, 0., 0.);
    ev_timer_start(f->loop, &f->turn);
}

/* --- calls under way over shared daemons, by the serial of their alias --- */

static struct list *bucket_of(struct front *f, uint64_t serial)
{
    return &f->calls[serial % CALL_BUCKETS];
}

static struct flight *find_call(struct front *f, uint64_t serial, const struct daemon *d)
{
    list_each(node, after, bucket_of(f, serial))
    {
        struct flight *call = container_of(node, struct flight, call_node);
        if (call->serial == serial && call->session->daemon == d)
            return call;
    }
    return NULL;
}

/* --- opening --- */

/* The client is answered from the handshake that the pool has made. */
static bool join(struct link *l)
{
    struct session *s = l->session;
    const char *handshake = s->daemon->handshake;
    struct span raw = {handshake, handshake ? strlen(handshake) : 0};
    struct span params = {s->initialize, s->initialize ? strlen(s->initialize) : 0};
    struct buf message = BUF_INIT(2 * CAP_HANDSHAKE);
    bool ok = raw.n && handshake_share(&message, raw, params);
    if (ok)
        ok = link_take_result(l, (struct span){message.data, message.len});
    else
        link_failed(l, true, "its handshake is not known yet");
    if (ok)
        known_take_handshake(s, raw);
    buf_release(&message);
    return ok;
}

static void open_now(struct link *l)
{
    struct session *s = l->session;
    s->holds++;
    if (l->state == LINK_OPENING && daemon_is_up(s->daemon) && join(l)) {
        l->is_initialized_sent = true; /* by the pool */
        shared_join(l);
        link_greet(l);
        if (l->state == LINK_OPENING)
            link_opened(l);
    }
    s->holds--;
    session_release(s);
}

static bool send_line(struct link *l, const char *json, size_t n)
{
    struct err err = {0};
    if (daemon_send_line(l->session->daemon, json, n, &err))
        return true;
    log_debug("a message of the handshake was not taken", "error=%s", log_quote(err_text(&err)));
    return false;
}

static void stdio_open(struct link *l)
{
    l->is_initialized_sent = false;
    if (link_is_shared(l)) {
        list_remove(&l->turn_node);
        list_add_tail(&l->session->front->turning, &l->turn_node);
        turn_soon(l->session->front);
        return;
    }
    struct buf body = BUF_INIT(CAP_BODY), line = BUF_INIT(CAP_BODY);
    link_stdio_resume(l);
    if (!link_initialize_body(l, &body) ||
        !rpc_rewrite(&line, (struct span){body.data, body.len}, NULL, 0) ||
        !send_line(l, line.data, line.len))
        l->state = LINK_NONE; /* the next second, or room, tries again */
    buf_release(&body);
    buf_release(&line);
}

void link_stdio_resume(struct link *l)
{
    if (link_is_shared(l)) /* joins with its first message or stream */
        return;
    list_remove(&l->member_node);
    list_add_tail(&l->session->front->privates, &l->member_node);
}

static void end_cancelled(struct flight *f)
{
    struct buf body = BUF_INIT(CAP_HEAD + f->id.n);
    list_remove(&f->call_node);
    if (rpc_write_error(&body, f->id, CANCELLED, "Request cancelled", (struct span){0}))
        flight_answer(f, (struct span){body.data, body.len});
    else
        flight_end(f);
    buf_release(&body);
}

void link_stdio_turn(struct front *f)
{
    while (!list_is_empty(&f->cancelled))
        end_cancelled(container_of(f->cancelled.next, struct flight, call_node));
    while (!list_is_empty(&f->turning)) {
        struct list *node = f->turning.next;
        list_remove(node);
        open_now(container_of(node, struct link, turn_node));
    }
}

/* --- to the daemon --- */

/* Creation and random part of the session's id, by which a later poold finds it. */
static struct span tag_of(const struct session *s)
{
    struct span tag = session_id_tag(s->id);
    return tag.n ? tag : (struct span){"-", 1};
}

/* Hand a line over. False: the flight is queued again, or over. */
static bool hand_over(struct link *l, struct flight *f, struct buf *line)
{
    struct err err = {0};
    if (daemon_send_line(l->session->daemon, line->data, line->len, &err)) {
        f->phase = FLIGHT_SENT;
        return true;
    }
    list_remove(&f->call_node);
    f->phase = FLIGHT_QUEUED;
    if (err.code == ERR_TOO_BIG) {
        flight_fail(f, ERR_TOO_BIG, "%s", err_text(&err));
    } else if (err.code == ERR_CONFLICT) {
        f->tries--; /* it waits for room, and none of this counts */
    } else {
        link_suspect(l);
    }
    return false;
}

static void send_call(struct link *l, struct flight *f)
{
    struct front *front = l->session->front;
    struct buf line = BUF_INIT(CAP_BODY + CAP_HEAD);
    char id[RPC_ALIAS_MAX], token[RPC_ALIAS_MAX];
    f->serial = ++front->serial;
    struct rpc_edit edits[] = {
        {f->id, {id, rpc_alias_write(id, sizeof id, f->serial, tag_of(l->session), f->id)}},
        {f->token,
         {token, rpc_alias_write(token, sizeof token, f->serial, (struct span){0}, f->token)}},
    };
    if (!rpc_rewrite(&line, (struct span){f->body, f->body_n}, edits, 2)) {
        flight_fail(f, ERR_TOO_BIG, "the request is too large");
    } else {
        list_remove(&f->call_node);
        list_add_tail(bucket_of(front, f->serial), &f->call_node);
        hand_over(l, f, &line);
    }
    buf_release(&line);
}

static void say_cancelled(struct link *l, const struct flight *call, const struct flight *f,
                          struct span id)
{
    struct session *s = l->session;
    struct buf line = BUF_INIT(CAP_BODY + CAP_HEAD);
    char alias[RPC_ALIAS_MAX];
    struct rpc_edit edit = {
        id, {alias, rpc_alias_write(alias, sizeof alias, call->serial, tag_of(s), call->id)}};
    bool is_shared = link_is_shared(l);
    if (rpc_rewrite(&line, (struct span){f->body, f->body_n}, &edit, is_shared)) {
        if (is_shared)
            shared_say(s->front, s->daemon, line.data, line.len);
        else
            send_line(l, line.data, line.len);
    }
    buf_release(&line);
}

/* The client's cancelled: the daemon hears it under the id that it knows, and the call is over for
 * the client, because a server need not answer it any more. */
static void cancel(struct link *l, const struct flight *f)
{
    struct session *s = l->session;
    struct rpc_peek peek;
    rpc_peek(f->body, f->body_n, &peek);
    struct span id = rpc_member(peek.params, "requestId");
    list_each(node, after, &s->flights)
    {
        struct flight *call = container_of(node, struct flight, session_node);
        if (call->kind != FLIGHT_CALL || call->has_answer || !rpc_same_value(call->id, id))
            continue;
        if (call->phase != FLIGHT_QUEUED)
            say_cancelled(l, call, f, id);
        call->phase = FLIGHT_SENT; /* it is not handed over any more */
        list_remove(&call->call_node);
        list_add_tail(&s->front->cancelled, &call->call_node);
        turn_soon(s->front);
        return;
    }
}

static void pass_line(struct link *l, struct flight *f)
{
    struct buf line = BUF_INIT(CAP_BODY);
    if (!rpc_rewrite(&line, (struct span){f->body, f->body_n}, NULL, 0))
        flight_fail(f, ERR_TOO_BIG, "the message is too large");
    else if (hand_over(l, f, &line) && f->kind == FLIGHT_ONEWAY)
        flight_end(f);
    buf_release(&line);
}

static void send_one_way(struct link *l, struct flight *f)
{
    if (rpc_text_is(f->method, "notifications/cancelled")) {
        cancel(l, f);
        flight_end(f);
        return;
    }
    if (!link_is_shared(l)) {
        pass_line(l, f);
        return;
    }
    static const char *const swallowed[] = {
        "notifications/initialized",        /* said by the pool */
        "notifications/roots/list_changed", /* the project's root is what it is */
        "notifications/progress",           /* of a request that no client was given */
    };
    bool is_swallowed = !f->method.n; /* an answer to such a request */
    for (size_t i = 0; i < sizeof swallowed / sizeof *swallowed; i++)
        is_swallowed |= rpc_text_is(f->method, swallowed[i]);
    if (is_swallowed)
        flight_end(f);
    else
        pass_line(l, f);
}

/* What would have to be guessed over a shared connection. True: it was refused. */
static bool refuses(struct flight *f)
{
    bool is_task = f->method.n > 6 && memcmp(f->method.p, "tasks/", 6) == 0;
    if (!is_task && !rpc_text_is(f->method, "server/discover"))
        return false;
    flight_fail(
        f, ERR_METHOD,
        "%.*s is not served: clients share the one connection to this stdio server. With "
        "\"share\": \"session\" for %s in poold's configuration each has a server of its own.",
        (int)f->method.n, f->method.p, f->session->daemon->server);
    return true;
}

static void stdio_send(struct link *l, struct flight *f)
{
    bool is_shared = link_is_shared(l);
    if (!utf8_is_valid(f->body, f->body_n)) { /* a strict server would end, with the calls of all */
        flight_fail(f, ERR_BAD_REQUEST, "the message is not UTF-8");
        return;
    }
    if (is_shared)
        shared_join(l);
    if (f->kind == FLIGHT_ONEWAY)
        send_one_way(l, f);
    else if (!is_shared)
        pass_line(l, f);
    else if (rpc_text_is(f->method, "tools/call") || (!refuses(f) && !shared_takes(l, f)))
        send_call(l, f);
}

void link_stdio_room(struct front *f, struct daemon *d)
{
    shared_room(f, d);
    list_each(node, after, &f->flights)
    {
        struct flight *flight = container_of(node, struct flight, node);
        if (flight->session->daemon == d)
            flight_go(flight);
    }
}

/* --- from a shared daemon --- */

static struct flight *flight_of(struct front *f, const struct daemon *d, struct span raw)
{
    struct rpc_alias alias;
    return rpc_alias_read(raw, &alias) ? find_call(f, alias.serial, d) : NULL;
}

/* Its answer, under the client's own id: in three pieces, so that it is copied once only. */
static void give_answer(struct flight *f, struct span json, const struct rpc_peek *peek)
{
    const char *behind = peek->id.p + peek->id.n;
    struct span pieces[] = {{json.p, (size_t)(peek->id.p - json.p)},
                            f->id,
                            {behind, (size_t)(json.p + json.n - behind)}};
    list_remove(&f->call_node);
    if (!rpc_text_is(f->method, "tools/call"))
        shared_answered(f, peek->is_error);
    flight_answer_pieces(f, pieces, 3);
}

static void give_rewritten(struct flight *f, struct span json, struct span at, struct span by)
{
    struct buf message = BUF_INIT(CAP_MESSAGE);
    struct rpc_edit edit = {at, by};
    if (rpc_rewrite(&message, json, &edit, 1))
        flight_message(f, (struct span){message.data, message.len}, false);
    buf_release(&message);
}

static void refuse_request(struct front *f, struct daemon *d, const struct rpc_peek *peek)
{
    char text[512];
    struct buf body = BUF_INIT(CAP_HEAD + peek->id.n);
    snprintf(
        text, sizeof text,
        "%.*s cannot be asked of a client: several share this server, and whose call it belongs "
        "to is not said. With \"share\": \"session\" for %.60s in poold's configuration each "
        "client has a server of its own.",
        (int)(peek->method.n < 80 ? peek->method.n : 80), peek->method.p, d->server);
    log_info("a request of a shared server is refused", "project=%s server=%s method=%.*s",
             d->project->key, d->server, (int)(peek->method.n < 80 ? peek->method.n : 80),
             peek->method.p);
    if (rpc_write_error(&body, peek->id, err_row(ERR_METHOD)->rpc, text, (struct span){0}))
        shared_say(f, d, body.data, body.len);
    buf_release(&body);
}

/* To a call of an earlier poold; else to one that was cancelled, answered before, or never made. */
static void give_late(struct front *f, struct daemon *d, struct span json, struct span raw)
{
    struct rpc_alias alias;
    struct buf id = BUF_INIT(RPC_ALIAS_MAX), message = BUF_INIT(CAP_MESSAGE);
    if (rpc_alias_read(raw, &alias) && alias.tag.n &&
        alias.serial < (uint64_t)f->started_unix_ms << 20 && rpc_alias_id(&alias, &id)) {
        struct rpc_edit edit = {raw, {id.data, id.len}};
        if (rpc_rewrite(&message, json, &edit, 1))
            late_answer(f, d, alias.tag, edit.by, (struct span){message.data, message.len});
    }
    buf_release(&id);
    buf_release(&message);
}

static void shared_line(struct front *f, struct daemon *d, struct span json,
                        const struct rpc_peek *peek)
{
    struct flight *call = NULL;
    if (peek->kind == RPC_RESPONSE) {
        if ((call = flight_of(f, d, peek->id)))
            give_answer(call, json, peek);
        else
            give_late(f, d, json, peek->id);
        return;
    }
    if (peek->kind == RPC_REQUEST) {
        refuse_request(f, d, peek);
        return;
    }
    struct span about = peek->progress_of;
    if (rpc_text_is(peek->method, "notifications/progress")) {
        if ((call = flight_of(f, d, about)) && call->token.n)
            give_rewritten(call, json, about, call->token);
    } else if (rpc_text_is(peek->method, "notifications/cancelled")) {
        about = rpc_member(peek->params, "requestId");
        if ((call = flight_of(f, d, about)))
            give_rewritten(call, json, about, call->id);
    } else {
        shared_notification(f, d, peek, json);
    }
}

/* --- from a private one --- */

static struct link *private_link(struct front *f, const struct daemon *d)
{
    list_each(node, after, &f->privates)
    {
        struct link *l = container_of(node, struct link, member_node);
        if (l->session->daemon == d)
            return l;
    }
    return NULL;
}

static void take_handshake(struct link *l, struct span json)
{
    struct session *s = l->session;
    s->holds++;
    if (link_take_result(l, json)) {
        if (send_line(l, initialized, sizeof initialized - 1)) {
            l->is_initialized_sent = true;
            link_greet(l);
            if (l->state == LINK_OPENING)
                link_opened(l);
        } else {
            link_failed(l, true, "it did not take notifications/initialized");
        }
    }
    s->holds--;
    session_release(s);
}

/* A request of the daemon's: on the client's own stream, or, before it has one, on that of its
 * oldest call. */
static void give_request(struct link *l, struct span json, const struct rpc_peek *peek)
{
    struct session *s = l->session;
    if (s->stream) {
        session_stream_message(s, json);
        return;
    }
    list_each(node, after, &s->flights)
    {
        struct flight *f = container_of(node, struct flight, session_node);
        if (f->kind == FLIGHT_CALL && f->phase != FLIGHT_QUEUED && !f->has_answer &&
            f->client != &flight_client_none) {
            flight_message(f, json, false);
            return;
        }
    }
    struct buf body = BUF_INIT(CAP_HEAD + peek->id.n);
    if (rpc_write_error(&body, peek->id, err_row(ERR_METHOD)->rpc,
                        "the client cannot be asked: it has no stream open and waits for no call",
                        (struct span){0}))
        send_line(l, body.data, body.len);
    buf_release(&body);
}

static void private_line(struct link *l, struct span json, const struct rpc_peek *peek)
{
    static const char changed[] = "/list_changed";
    size_t n = sizeof changed - 1;
    if (peek->kind == RPC_RESPONSE && span_is(peek->id, initialize_id)) {
        if (l->state == LINK_OPENING)
            take_handshake(l, json);
        return;
    }
    if (peek->kind == RPC_REQUEST) {
        give_request(l, json, peek);
        return;
    }
    struct session *s = l->session;
    bool is_change =
        peek->method.n > n && memcmp(peek->method.p + peek->method.n - n, changed, n) == 0;
    s->holds++;
    link_message(l, json);
    if (is_change)
        known_list_changed(s);
    s->holds--;
    session_release(s);
}

void link_stdio_line(struct front *f, struct daemon *d, const char *json, size_t n)
{
    struct rpc_peek peek;
    struct span line = {json, n};
    rpc_peek(json, n, &peek);
    if (!d->is_private) {
        shared_line(f, d, line, &peek);
        return;
    }
    struct link *l = private_link(f, d);
    bool is_late = peek.kind == RPC_RESPONSE && !span_is(peek.id, initialize_id) &&
                   (!l || !late_is_awaited(l->session, peek.id));
    if (is_late)
        late_answer(f, d, (struct span){0}, peek.id, line);
    else if (l)
        private_line(l, line, &peek);
}

/* --- the rest --- */

static void stdio_push(struct link *l, bool is_wanted)
{
    if (is_wanted && link_is_shared(l))
        shared_join(l); /* it was taken back, and listens without asking anything */
}

static void stdio_close(struct link *l)
{
    if (link_is_shared(l))
        shared_leave(l);
}

const struct link_transport link_stdio = {stdio_open, stdio_send, stdio_push, stdio_close};
