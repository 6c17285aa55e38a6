/* front/flight_wait.c - requests that wait (flight.h): for the daemon's next step, for its answer,
 * for their client; what is said meanwhile, and when it is enough. */
#include "base/caps.h"
#include "base/clock.h"
#include "front/asked.h"
#include "front/flight_parts.h"
#include "front/modern.h"
#include "front/replay.h"
#include "front/upgrade.h"

#define BEAT_MS 10000  /* an answer is never silent for longer (the promise is 15 s) */
#define LINGER_MS 1000 /* so long may a daemon keep a stream open behind the answer */
#define PRIME_MS 400   /* longer waits become event streams where the client can resume those */
#define AWAY_MS 15000  /* a client that does not come back for so long answers nothing any more */
#define TELL_MS 2000   /* between two words to a client that asked for progress */

/* Nothing that its client waits for: it may be dropped with the daemon that it went to. */
static bool is_light(const struct flight *f)
{
    return f->kind == FLIGHT_OWN || f->kind == FLIGHT_ONEWAY;
}

bool flight_may_move(const struct session *s)
{
    list_each(node, after, &s->flights)
    {
        const struct flight *f = container_of(node, struct flight, session_node);
        if (!is_light(f) && f->phase != FLIGHT_QUEUED)
            return false;
    }
    return true;
}

void flight_leave_slot(struct session *s)
{
    s->holds++;
    list_each(node, after, &s->flights)
    {
        struct flight *f = container_of(node, struct flight, session_node);
        if (is_light(f))
            flight_fail(f, ERR_DAEMON_LOST, "the session belongs to another project now");
        else
            flight_set_using(f, false);
    }
    s->holds--;
}

void flight_daemon_changed(struct session *s)
{
    struct daemon *d = s->daemon;
    if (s->link.state != LINK_NONE && strcmp(s->link.daemon_id, d->id) != 0)
        link_reset(&s->link);
    if (d->state == DAEMON_DOWN || d->state == DAEMON_FAILED || d->state == DAEMON_STOPPING)
        link_reset(&s->link);
    s->holds++; /* the last flight of an ended session would take it along */
    flight_end_orphans(s);
    list_each(node, after, &s->flights) flight_go(container_of(node, struct flight, session_node));
    s->holds--;
    session_release(s);
}

void flight_end_orphans(struct session *s)
{
    if (s->link.state == LINK_OPEN)
        return;
    s->holds++;
    list_each(node, after, &s->flights)
    {
        struct flight *f = container_of(node, struct flight, session_node);
        if (f->phase != FLIGHT_QUEUED && !f->up)
            flight_end(f);
    }
    s->holds--;
    session_release(s);
}

/* A call that waits for a start: the client that gave a token sees how far it is, in fractions so
 * small that the daemon's own first value comes after them. */
static void tell_progress(struct flight *f)
{
    const struct daemon *d = f->session->daemon;
    struct buf message = BUF_INIT(CAP_HEAD + f->token.n), text = BUF_INIT(CAP_HEAD);
    int64_t waited_s = (clock_ms() - f->born_ms) / 1000;
    bool ok = buf_printf(&text, "the %s daemon is %s: %lld s", d->server,
                         daemon_state_word(d->state), (long long)waited_s);
    if (ok && d->usual_start_ms > 0)
        ok = buf_printf(&text, " of usually %lld s", (long long)(d->usual_start_ms + 999) / 1000);
    ok = ok &&
         buf_add_str(&message, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\","
                               "\"params\":{\"progressToken\":") &&
         buf_add(&message, f->token.p, f->token.n) &&
         buf_printf(&message, ",\"progress\":%.6f,\"message\":", ++f->told * 1e-6) &&
         json_write_string(&message, text.data, text.len) && buf_add_str(&message, "}}");
    if (ok) {
        f->client->message(f, (struct span){message.data, message.len}, false);
        f->client->flush(f);
    }
    buf_release(&message);
    buf_release(&text);
}

void flight_wait_late(struct flight *f, int64_t until_ms)
{
    f->phase = FLIGHT_SENT;
    f->late_until_ms = until_ms;
    flight_set_using(f, true);
}

/* A client that is not there answers no questions; for one that may come back they wait a while.
 * True: f has ended. */
static bool gives_up_asking(struct flight *f, int64_t now_ms)
{
    bool is_gone = f->client == &flight_client_none || f->session->is_departed;
    if (f->away_ms && now_ms - f->away_ms >= AWAY_MS) {
        f->away_ms = 0;
        is_gone = true;
        asked_refuse(f->session, f);
    }
    return is_gone && f->upgraded && upgrade_gives_up(f);
}

static void check_waiting(struct flight *f, int64_t now_ms)
{
    struct daemon *d = f->session->daemon;
    struct err err = {0};
    if (f->late_until_ms && now_ms >= f->late_until_ms) {
        flight_fail(f, ERR_DAEMON_LOST, "%s", flight_lost_text);
        return;
    }
    if (f->is_cancelled) {
        flight_finish(f);
        return;
    }
    if (f->modern && modern_gives_up(f, now_ms))
        return;
    if (f->has_answer && f->is_sse_answer && f->up && now_ms - f->beat_ms >= LINGER_MS) {
        upstream_close(f->up);
        f->up = NULL;
        flight_end(f);
        return;
    }
    if (gives_up_asking(f, now_ms))
        return;
    if (f->phase != FLIGHT_QUEUED && !f->up && f->session->link.state != LINK_OPEN) {
        flight_end(f); /* its session was ended, or the client began it anew */
        return;
    }
    const struct config_server *server =
        session_has_project(f->session) ? pool_server(d->pool, d->project, d->server, &err) : NULL;
    int64_t wait_ms = (server ? server->settings.start_wait_s : 50) * 1000;
    if (flight_is_abandoned(f)) {
        flight_finish(f);
        return;
    }
    if (f->phase == FLIGHT_QUEUED && now_ms - f->born_ms >= wait_ms) {
        if (f->session->link.state == LINK_OPENING)
            link_close(&f->session->link); /* it never answered the handshake: begin anew */
        bool has_no_place =
            d->state == DAEMON_STARTING && d->step_ms[STEP_SPAWNED] < 0 && d->detail;
        flight_fail(
            f, has_no_place ? ERR_POOL_FULL : ERR_START_TIMEOUT,
            "The %s daemon of %s is still %s after %lld s%s%s; the start goes on, call again. "
            "`poolctl status %s` shows the steps.",
            d->server, d->project->root, daemon_state_word(d->state), (long long)(wait_ms / 1000),
            d->detail ? ": " : "", d->detail ? d->detail : "", d->project->root);
        return;
    }
    bool is_told = f->phase == FLIGHT_QUEUED && f->token.n && f->kind == FLIGHT_CALL;
    if (f->kind != FLIGHT_ONEWAY && now_ms - f->beat_ms >= (is_told ? TELL_MS : BEAT_MS)) {
        f->beat_ms = now_ms;
        if (is_told)
            tell_progress(f);
        else
            f->client->beat(f);
    }
    if (f->phase == FLIGHT_QUEUED && f->session->link.state != LINK_OPENING && daemon_is_up(d))
        flight_go(f); /* a hand-over that came to nothing is tried again */
}

bool flight_prime_all(struct front *front, int64_t now_ms)
{
    bool is_any = false;
    list_each(node, after, &front->flights)
    {
        struct flight *f = container_of(node, struct flight, node);
        if (f->resume != RESUME_PRIMED || f->form != FORM_NONE || !f->conn)
            continue;
        if (now_ms - f->born_ms >= PRIME_MS)
            f->client->beat(f);
        is_any |= f->form == FORM_NONE;
    }
    return is_any;
}

bool flight_check_time(struct front *front, int64_t now_ms)
{
    list_each(node, after, &front->flights)
        check_waiting(container_of(node, struct flight, node), now_ms);
    return !list_is_empty(&front->flights);
}

void flight_wake_all(struct front *front)
{
    list_each(node, after, &front->flights) flight_go(container_of(node, struct flight, node));
}
