/* front/link_call.c - calls over Streamable HTTP (link_http.h): a POST each, its answer as JSON or
 * as an event stream, which is resumed if the daemon closes it in the middle. */
#include "base/caps.h"
#include "base/str.h"
#include "front/link_http.h"
#include "front/trail.h"

#include <stdio.h>
#include <string.h>

static void on_call_head(void *self, const struct http_head *head)
{
    struct flight *f = self;
    f->status = head->status;
    f->is_sse_answer = http_value_has(http_header(head, "Content-Type"), "text/event-stream");
    f->split = (struct sse_splitter){0};
    bool is_empty = head->has_length && head->length == 0;
    if (f->status == 200 && !f->is_sse_answer && !is_empty && f->kind != FLIGHT_ONEWAY) {
        f->phase = FLIGHT_STREAMING;
        f->client->json_begin(f, head->has_length ? head->length : -1);
    }
}

static void on_call_body(void *self, const char *bytes, size_t n)
{
    struct flight *f = self;
    if (f->kind == FLIGHT_ONEWAY && f->status < 300)
        return;
    if (f->status == 200 && f->is_sse_answer)
        flight_sse(f, bytes, n);
    else if (f->status == 200)
        f->client->json_data(f, bytes, n);
    else if (!buf_add(&f->held, bytes, n)) /* an HTTP error's body, judged when it is whole */
        flight_fail(f, ERR_DAEMON_LOST, "the daemon's error answer is too large");
}

static void on_call_pause(void *self)
{
    struct flight *f = self;
    if (f->is_sse_answer && f->resume == RESUME_PRIMED && f->form == FORM_NONE)
        f->client->beat(f); /* the answer's head came alone: a client that knows how may resume */
    f->client->flush(f);
    if (f->up && f->client->is_full(f))
        upstream_pause(f->up);
}

/* --- a lost session --- */

/* Is the error that the daemon answered with one of this call's own? */
static bool is_own_error(const struct flight *f, struct rpc_peek *peek)
{
    rpc_peek(f->held.data, f->held.len, peek);
    return peek->kind == RPC_RESPONSE && f->id.n && peek->id.n == f->id.n &&
           memcmp(peek->id.p, f->id.p, f->id.n) == 0;
}

static bool speaks_of_session(struct flight *f)
{
    const char *text = buf_text(&f->held);
    return strcasestr(text, "session") != NULL;
}

/* The daemon has forgotten our session: 404 (MCP, transports, session management), of servers that
 * do not conform 410, or 400. An error with the call's own id is the call's answer, unless it says
 * what this is about. */
static bool is_session_lost(struct flight *f)
{
    struct rpc_peek peek;
    bool may_be = f->status == 404 || f->status == 410 || f->status == 400;
    if (!f->had_session || f->is_resent || !may_be)
        return false;
    if (f->kind == FLIGHT_ONEWAY)
        return f->status != 400 || speaks_of_session(f);
    return !is_own_error(f, &peek) || speaks_of_session(f);
}

/* Make the link anew, unless another call that met this has done so, and hand the call over again:
 * it was not taken. */
static void send_again(struct flight *f)
{
    struct link *l = &f->session->link;
    if (l->serial == f->link_serial)
        link_reset(l);
    f->is_resent = true;
    f->phase = FLIGHT_QUEUED;
    buf_release(&f->held);
    flight_go(f);
}

static void end_of_http_error(struct flight *f)
{
    struct rpc_peek peek;
    if (is_session_lost(f)) {
        rpc_peek(f->body, f->body_n, &peek);
        if (peek.kind != RPC_RESPONSE) {
            send_again(f);
            return;
        }
        /* An answer to a request of the session that is gone: nobody waits for it there. */
        if (f->session->link.serial == f->link_serial)
            link_reset(&f->session->link);
    }
    if (f->kind == FLIGHT_ONEWAY)
        flight_end(f);
    else if (is_own_error(f, &peek)) /* reported in a 200: every client survives that */
        flight_answer(f, (struct span){f->held.data, f->held.len});
    else
        flight_fail(f, ERR_DAEMON_LOST, "the daemon answered with HTTP status %d: %.*s", f->status,
                    (int)(f->held.len < 300 ? f->held.len : 300), f->held.len ? f->held.data : "");
}

/* --- a stream that the daemon closed in the middle --- */

#define RESUMES_MAX 5 /* in vain, one after the other */

static const struct upstream_user resumed_user;

/* Go on with its event stream in a while, if the daemon said how. An event of which a part has
 * gone to the client cannot be told again. */
static bool resume_later(struct flight *f)
{
    if (!f->is_sse_answer || f->has_answer || f->parts || !f->trail || !f->trail->last_id ||
        f->trail->tries >= RESUMES_MAX)
        return false;
    buf_release(&f->held);
    f->split = (struct sse_splitter){0};
    trail_wait(f->trail, f->session->front->loop);
    return true;
}

static void on_time_to_resume(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop;
    (void)events;
    struct flight *f = w->data;
    struct link *l = &f->session->link;
    struct err err = {0};
    if (link_is_open(l) && l->serial == f->link_serial)
        f->up = upstream_open(l->session->front, l->session->daemon, &resumed_user, f, &err);
    if (f->up)
        link_http_bare(l, f->up, "GET", "text/event-stream", f->trail->last_id);
    else if (!resume_later(f))
        flight_end(f);
}

void flight_note_number(struct flight *f, const struct sse_event *event)
{
    if (!f->trail) {
        f->trail = xcalloc(1, sizeof *f->trail);
        ev_init(&f->trail->timer, on_time_to_resume);
        f->trail->timer.data = f;
    }
    trail_note(f->trail, event);
}

static void on_resumed_head(void *self, const struct http_head *head)
{
    struct flight *f = self;
    if (head->status == 200 &&
        http_value_has(http_header(head, "Content-Type"), "text/event-stream"))
        return;
    upstream_close(f->up);
    f->up = NULL;
    if (!resume_later(f))
        flight_end(f);
}

/* With the answer all is told; some servers leave the stream open. */
static void on_resumed_pause(void *self)
{
    struct flight *f = self;
    if (!f->has_answer) {
        on_call_pause(f);
        return;
    }
    upstream_close(f->up);
    f->up = NULL;
    flight_end(f);
}

static void on_resumed_end(void *self, enum upstream_end how)
{
    struct flight *f = self;
    f->up = NULL;
    if (how != UPSTREAM_DONE)
        link_suspect(&f->session->link);
    if (!resume_later(f))
        flight_end(f);
}

/* --- the exchange --- */

static void on_call_end(void *self, enum upstream_end how)
{
    struct flight *f = self;
    struct link *l = &f->session->link;
    f->up = NULL;
    if (how == UPSTREAM_UNSENT || how == UPSTREAM_STALE) {
        f->phase = FLIGHT_QUEUED;
        if (how == UPSTREAM_STALE && f->tries < 2)
            flight_go(f);
        else
            link_suspect(l); /* the pool's news or the next second moves it on */
        return;
    }
    if (how == UPSTREAM_DONE && f->status >= 300) {
        end_of_http_error(f);
        return;
    }
    if (how == UPSTREAM_DONE && f->status != 200 && f->kind != FLIGHT_ONEWAY) {
        flight_fail(f, ERR_DAEMON_LOST, "the daemon answered with HTTP status %d", f->status);
        return;
    }
    if (how == UPSTREAM_DONE && !f->is_sse_answer && f->kind != FLIGHT_ONEWAY) {
        if (f->phase != FLIGHT_STREAMING) {
            flight_fail(f, ERR_DAEMON_LOST, "the daemon's answer was empty");
            return;
        }
        f->client->json_end(f);
        f->has_answer = true;
    }
    if (how == UPSTREAM_BROKEN)
        link_suspect(&f->session->link);
    if (resume_later(f))
        return;
    if (f->form == FORM_JSON && !f->has_answer && f->conn) {
        conn_close(f->conn); /* half a JSON body cannot be mended: the length says it is cut */
        f->conn = NULL;
        f->client = &flight_client_none;
    }
    flight_end(f);
}

static const struct upstream_user call_user = {on_call_head, on_call_body, on_call_pause,
                                               on_call_end};
static const struct upstream_user resumed_user = {on_resumed_head, on_call_body, on_resumed_pause,
                                                  on_resumed_end};

void link_http_send(struct link *l, struct flight *f)
{
    struct err err = {0};
    f->up = upstream_open(l->session->front, l->session->daemon, &call_user, f, &err);
    if (!f->up) { /* stays queued: the pool looks, and wakes it */
        link_suspect(l);
        return;
    }
    f->phase = FLIGHT_SENT;
    f->status = 0;
    f->link_serial = l->serial;
    f->had_session = l->upstream_session != NULL;
    link_http_post(l, f->up, f->headers, f->body, f->body_n);
}
