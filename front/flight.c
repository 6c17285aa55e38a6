/* front/flight.c - see flight.h. */
#include "front/flight_parts.h"

#include "base/caps.h"
#include "base/clock.h"
#include "base/str.h"
#include "front/asked.h"
#include "front/lean.h"
#include "front/listen.h"
#include "front/modern.h"
#include "front/replay.h"
#include "front/restore.h"
#include "front/roots.h"
#include "front/upgrade.h"
#include "front/trail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TRIES_MAX 20 /* hand-overs that came to nothing before the client hears of it */

const char flight_lost_text[] =
    "poold was started anew while this call was under way; the call may have run: check whether it "
    "did before repeating it";

static struct span moved(struct span s, const char *from, const char *to)
{
    return s.p ? (struct span){to + (s.p - from), s.n} : s;
}

static void take_body(struct flight *f, struct span body)
{
    f->body = xmalloc(body.n + 1);
    memcpy(f->body, body.p, body.n);
    f->body_n = body.n;
}

static bool is_of_client(const struct flight *f)
{
    return f->kind == FLIGHT_CALL || f->kind == FLIGHT_INITIALIZE;
}

struct flight *flight_new(struct session *s, enum flight_kind kind,
                          const struct flight_client *client, struct conn *conn, struct span body,
                          const struct rpc_peek *peek, char *headers_take)
{
    struct flight *f = xcalloc(1, sizeof *f);
    f->session = s;
    f->kind = kind;
    f->client = client;
    f->conn = conn;
    take_body(f, body);
    f->id = moved(peek->id, body.p, f->body);
    f->token = moved(peek->progress_token, body.p, f->body);
    f->method = moved(peek->method, body.p, f->body);
    bool is_other = kind == FLIGHT_CALL && !peek->tool.p; /* tools/call is looked at no further */
    f->list = is_other ? known_kind_of(peek->method, peek->params) : KNOWN_KIND_COUNT;
    f->headers = headers_take;
    f->held.cap = CAP_MESSAGE;
    f->born_us = clock_us();
    f->born_ms = f->beat_ms = f->born_us / 1000;
    s->last_use_unix_ms = clock_unix_ms();
    if (f->list != KNOWN_KIND_COUNT) {
        f->is_first_list = !(s->listed & 1u << f->list);
        s->listed |= 1u << f->list;
    }
    if (is_other)
        restore_note(s, peek);
    if (kind == FLIGHT_ONEWAY && peek->kind == RPC_RESPONSE)
        asked_answered(s, peek->id);
    list_init(&f->call_node);
    list_add_tail(&s->front->flights, &f->node);
    list_add_tail(&s->flights, &f->session_node);
    s->calls += is_of_client(f);
    front_time_something(s->front);
    return f;
}

struct span flight_client_id(const struct flight *f)
{
    return f->modern ? modern_id(f) : f->id;
}

void flight_replace_body(struct flight *f, struct span body)
{
    struct rpc_peek peek;
    free(f->body);
    take_body(f, body);
    rpc_peek(f->body, f->body_n, &peek);
    f->id = peek.id;
    f->token = peek.progress_token;
    f->method = peek.method;
    f->list = known_kind_of(peek.method, peek.params);
}

void flight_set_using(struct flight *f, bool is_using)
{
    if (!is_of_client(f) || f->is_using == is_using)
        return;
    f->is_using = is_using;
    if (is_using)
        daemon_use_begin(f->session->daemon);
    else
        daemon_use_end(f->session->daemon);
}

static void flight_free(struct flight *f)
{
    flight_set_using(f, false);
    upstream_close(f->up);
    if (f->kind == FLIGHT_LISTEN)
        listen_finish(f);
    list_remove(&f->node);
    list_remove(&f->session_node);
    list_remove(&f->call_node);
    f->session->calls -= is_of_client(f);
    asked_forget(f->session, f);
    lean_free(f);
    modern_free(f);
    upgrade_free(f);
    replay_end(f->replay, false);
    free(f->parts);
    if (f->trail)
        trail_finish(f->trail, f->session->front->loop);
    free(f->trail);
    buf_release(&f->held);
    free(f->headers);
    free(f->body);
    free(f);
}

/* The end for the client and for us. */
void flight_finish(struct flight *f)
{
    struct session *s = f->session;
    f->phase = FLIGHT_ANSWERED;
    f->client->end(f);
    front_count_end(f);
    flight_free(f);
    session_release(s);
}

/* Nobody waits for it, and nothing was handed over. */
bool flight_is_abandoned(const struct flight *f)
{
    bool is_unheard =
        f->client == &flight_client_none || (f->replay && !f->conn && f->session->is_departed);
    return f->kind != FLIGHT_ONEWAY && f->phase == FLIGHT_QUEUED && is_unheard;
}

static void fail_with_start(struct flight *f)
{
    struct daemon *d = f->session->daemon;
    int64_t retry_ms = d->retry_at_ms ? d->retry_at_ms - clock_ms() : 0;
    char retry[80] = "";
    if (retry_ms > 0)
        snprintf(retry, sizeof retry, " Next try in %lld s, or at once: poolctl ensure --force.",
                 (long long)(retry_ms + 999) / 1000);
    flight_fail(f, ERR_START_FAILED, "The %s daemon of %s could not be started: %s.%s%s%s",
                d->server, d->project->root, d->detail ? d->detail : reason_word(d->reason), retry,
                d->tail && d->tail[0] ? "\nIts last output:\n" : "", d->tail ? d->tail : "");
}

void flight_go(struct flight *f)
{
    struct daemon *d = f->session->daemon;
    if (f->is_cancelled) {
        flight_finish(f);
        return;
    }
    if (f->kind == FLIGHT_LISTEN) {
        listen_go(f);
        return;
    }
    if (f->phase != FLIGHT_QUEUED || (!session_has_project(f->session) && roots_hold(f)))
        return;
    if (f->session->is_lean && f->kind == FLIGHT_CALL && !f->is_looked_at) {
        f->is_looked_at = true;
        if (lean_takes(f))
            return;
    }
    if (flight_is_abandoned(f)) {
        flight_finish(f);
        return;
    }
    if (known_answer(f) || (roots_are_open(f->session) && roots_hold(f)))
        return;
    bool starts = f->kind == FLIGHT_CALL || f->kind == FLIGHT_INITIALIZE;
    if (starts && f->session->needs_own && !f->session->has_own) {
        struct err err = {0};
        if (!session_take_own(f->session, &err)) {
            flight_fail(f, err.code, "%s", err_text(&err));
            return;
        }
        d = f->session->daemon;
    }
    /* While it is on its way down the call waits for the next life and holds nothing up. */
    flight_set_using(f, d->state != DAEMON_DRAINING && d->state != DAEMON_STOPPING);
    if (f->kind == FLIGHT_OWN && !link_is_open(&f->session->link)) {
        flight_fail(f, ERR_DAEMON_LOST, "the link is not open");
        return;
    }
    if (!daemon_is_up(d)) {
        if (f->kind == FLIGHT_ONEWAY) {
            flight_end(f);
            return;
        }
        daemon_want(d, REASON_CALL, false);
        if (d->state == DAEMON_FAILED)
            fail_with_start(f); /* at once, with the stored reason */
        return;
    }
    if (clock_ms() < d->suspect_until_ms) { /* its end may be on the way to us */
        front_look_soon(f->session->front);
        return;
    }
    if (f->session->modern && !d->eras)
        return; /* the pool asks which eras it speaks, and tells */
    if (f->kind == FLIGHT_INITIALIZE || !link_is_open(&f->session->link)) {
        link_open(&f->session->link);
        if (f->kind == FLIGHT_INITIALIZE || !link_is_open(&f->session->link))
            return;
    }
    if (f->session->link.restoring && f->kind != FLIGHT_OWN)
        return; /* the new daemon is being told what its client had set */
    if (f->modern && !modern_hand_over(f))
        return;
    if (++f->tries > TRIES_MAX) {
        flight_fail(f, ERR_DAEMON_LOST, "the daemon of %s did not take the call after %d tries",
                    d->project->root, TRIES_MAX);
        return;
    }
    if (f->kind == FLIGHT_CALL && f->list == KNOWN_KIND_COUNT)
        f->session->roots.has_called = true;
    if (f->upgraded && f->session->link.transport != &link_upgraded)
        upgrade_undo(f);
    daemon_touch(d);
    front_count_handover(f);
    link_send(&f->session->link, f);
}

void flight_answer(struct flight *f, struct span json)
{
    if (flight_message(f, json, true))
        flight_finish(f);
}

void flight_answer_pieces(struct flight *f, const struct span *pieces, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += pieces[i].n;
    f->beat_ms = clock_ms();
    f->client->json_begin(f, (int64_t)n);
    for (size_t i = 0; i < count; i++) /* no piece is larger than what a client can hold */
        f->client->json_data(f, pieces[i].p, pieces[i].n);
    f->client->json_end(f);
    f->has_answer = true;
    flight_finish(f);
}

static void give_error(struct flight *f, enum err_code code, const char *text)
{
    struct buf body = BUF_INIT(CAP_OUT + f->id.n), data = BUF_INIT(CAP_HEAD);
    if (buf_printf(&data, "{\"poold\":{\"code\":\"%s\",\"project\":", err_row(code)->name) &&
        json_write_string(&data, f->session->daemon->project->root,
                          strlen(f->session->daemon->project->root)) &&
        buf_add_str(&data, "}}") &&
        rpc_write_error(&body, f->id, err_row(code)->rpc, text, (struct span){data.data, data.len}))
        f->client->message(f, (struct span){body.data, body.len}, true);
    f->has_answer = f->is_failed = true;
    buf_release(&body);
    buf_release(&data);
}

void flight_fail(struct flight *f, enum err_code code, const char *fmt, ...)
{
    char text[8192];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (f->kind != FLIGHT_ONEWAY && !f->has_answer)
        give_error(f, code, text);
    if (f->kind == FLIGHT_INITIALIZE && f->session->is_published &&
        f->session->client_kind == CLIENT_HTTP)
        session_end(f->session); /* its id went out with a keep-alive; nobody will use it */
    flight_finish(f);
}

void flight_end(struct flight *f)
{
    if (f->upgraded && upgrade_goes_on(f))
        return;
    if (f->has_answer || f->kind == FLIGHT_ONEWAY) {
        flight_finish(f);
        return;
    }
    struct daemon *d = f->session->daemon;
    flight_fail(
        f, ERR_DAEMON_LOST,
        "The %s daemon of %s ended before it answered; the call may have run: check whether "
        "it did before repeating it. The next call starts a new daemon. "
        "(`poolctl history %s` shows why it ended.)",
        d->server, d->project->root, d->project->root);
}

bool flight_message(struct flight *f, struct span json, bool is_answer)
{
    if (f->has_answer)
        return false;
    f->beat_ms = clock_ms();
    f->has_answer = is_answer;
    f->client->message(f, json, is_answer);
    f->client->flush(f);
    return is_answer;
}

void flight_hold_begin(struct flight *f, int64_t length)
{
    (void)length;
    buf_release(&f->held);
}

void flight_hold_data(struct flight *f, const char *bytes, size_t n)
{
    if (!buf_add(&f->held, bytes, n))
        flight_fail(f, ERR_TOO_BIG, "the answer is larger than %d MiB", CAP_MESSAGE / 1024 / 1024);
}

void flight_client_gone(struct flight *f)
{
    f->conn = NULL;
    if (f->replay && !f->modern) { /* it may be resumed */
        f->away_ms = clock_ms();
    } else {
        f->client = &flight_client_none;
        replay_take_back(f->replay);
        f->replay = NULL;
        asked_refuse(f->session, f);
    }
    if (f->up)
        upstream_resume(f->up);
    if (f->kind == FLIGHT_LISTEN)
        listen_gone(f);
    else if (f->modern)
        modern_gone(f);
    /* One that was not handed over ends when it is looked at next: not from inside its own writing.
     */
}

void flight_drop_all(struct session *s)
{
    list_each(node, after, &s->flights)
    {
        struct flight *f = container_of(node, struct flight, session_node);
        if (f->kind == FLIGHT_LISTEN && !f->is_cancelled)
            listen_give_end(f);
        else if (is_of_client(f) && !f->has_answer && f->form != FORM_JSON && !s->asks_again)
            give_error(f, ERR_NOT_RUNNING,
                       "poold was ended while this call was under way; it may have run");
        f->client->end(f);
        flight_free(f);
    }
}

void flight_resume_all(struct session *s)
{
    list_each(node, after, &s->flights)
    {
        struct flight *f = container_of(node, struct flight, session_node);
        if (f->up && !f->client->is_full(f))
            upstream_resume(f->up);
    }
}

const char *flight_headers(struct session *s, bool with_session_id)
{
    static char text[1024];
    const struct daemon *d = s->daemon;
    struct link *l = &s->link;
    with_session_id &= s->id != NULL; /* an initialize that failed has none */
    if (!with_session_id && l->answer_head)
        return l->answer_head;
    bool is_placed = session_has_project(s);
    bool says_rule = with_session_id || !is_placed || s->modern || s->rule == ROUTE_ROOTS;
    snprintf(text, sizeof text, "%s%s%sX-Poold-Route: %s\r\n%s%s%s%s%s%s",
             is_placed ? "X-Poold-Project: " : "", d->project->key, is_placed ? "\r\n" : "",
             route_word(says_rule ? s->rule : ROUTE_SESSION), d->id[0] ? "X-Poold-Daemon: " : "",
             d->id, d->id[0] ? "\r\n" : "", with_session_id ? "Mcp-Session-Id: " : "",
             with_session_id ? s->id : "", with_session_id ? "\r\n" : "");
    if (!with_session_id && l->state == LINK_OPEN) /* the same for every call over this link */
        l->answer_head = xstrdup(text);
    return text;
}

/* --- nobody listens --- */

static void none_length(struct flight *f, int64_t length)
{
    (void)f;
    (void)length;
}
static void none_bytes(struct flight *f, const char *bytes, size_t n)
{
    (void)f;
    (void)bytes;
    (void)n;
}
static void none_message(struct flight *f, struct span json, bool is_answer)
{
    (void)f;
    (void)json;
    (void)is_answer;
}
static void none(struct flight *f)
{
    (void)f;
}
static bool never(struct flight *f)
{
    (void)f;
    return false;
}

const struct flight_client flight_client_none = {
    .json_begin = none_length,
    .json_data = none_bytes,
    .json_end = none,
    .events = none_bytes,
    .message = none_message,
    .end = none,
    .flush = none,
    .is_full = never,
    .beat = none,
};
