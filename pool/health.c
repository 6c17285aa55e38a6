/* pool/health.c - health in layers: the keeper says whether the process is there, the port's owner
 * whether it accepts, a ping in a kept session whether MCP answers, the warm-up call whether its
 * tools work. Regular looks cost nothing while the daemon answers clients. */
#include "base/clock.h"
#include "base/log.h"
#include "pool/daemon.h"

#include <stdio.h>
#include <string.h>

#define LOG_MODULE "pool"
#define PING_MS 10000      /* for an answer, or healthSeconds if those are fewer ... */
#define PING_LEAST_MS 2000 /* ... but this in any case */
#define PINGS_MOST 3       /* lost in a row: it is mute */
#define SHAKE_MS 30000     /* one handshake of a start */
#define ERAS_MS 3000       /* for an answer to a method that it may not know */
#define WARM_MS 300000
#define CALL_SACRED_MS 600000 /* a daemon with a call younger than this is never given up */
#define BUSY_LOOK_MS 5000     /* a stopped process is seen this soon while a call waits */

static void on_pinged(void *arg, enum probe_outcome outcome, const char *text);

/* --- what is shown --- */

/* The cause shown is that of the lowest layer that has one. */
static void set_cause(struct slot *s, char **slot_cause, const char *cause)
{
    str_replace(slot_cause, cause);
    const char *shown = s->reach_cause ? s->reach_cause : s->tool_cause;
    if (!str_equal(s->d.cause, shown))
        str_replace(&s->d.cause, shown);
}

void health_set(struct slot *s, enum layer *layer, enum layer value, const char *cause)
{
    char **slot_cause = layer == &s->d.useful ? &s->tool_cause : &s->reach_cause;
    if (*layer == value && str_equal(*slot_cause, cause))
        return;
    enum layer old = *layer;
    *layer = value;
    set_cause(s, slot_cause, cause);
    if (value == LAYER_FAILED || old == LAYER_FAILED)
        log_line(value == LAYER_FAILED ? LOG_WARN : LOG_INFO, LOG_MODULE, "daemon health",
                 "project=%s server=%s process=%s accepts=%s mcp=%s useful=%s cause=%s",
                 s->d.project->key, s->d.server, layer_word(s->d.process), layer_word(s->d.accepts),
                 layer_word(s->d.mcp), layer_word(s->d.useful), log_quote(s->d.cause));
    pool_wake(s->d.pool, s);
}

/* Everything below the tools is fine. */
void health_heard(struct slot *s)
{
    s->heard_ms = clock_ms();
    s->pings_lost = 0;
    s->d.accepts = LAYER_OK;
    health_set(s, &s->d.mcp, LAYER_OK, NULL);
}

static void look_in(struct slot *s, int64_t in_ms)
{
    struct ev_loop *loop = s->d.pool->loop;
    ev_timer_stop(loop, &s->look);
    ev_now_update(loop);
    ev_timer_set(&s->look, (double)(in_ms > 0 ? in_ms : 0) / 1000.0, 0);
    ev_timer_start(loop, &s->look);
}

static int64_t ping_ms(const struct slot *s)
{
    int64_t often_ms = slot_settings(s)->health_s * 1000;
    return often_ms > PING_MS ? PING_MS : often_ms < PING_LEAST_MS ? PING_LEAST_MS : often_ms;
}

/* --- the handshake --- */

static void set_eras(struct slot *s, unsigned eras)
{
    s->d.eras = s->eras = eras;
    snprintf(s->eras_of, sizeof s->eras_of, "%s", s->d.definition);
    slot_save(s);
    log_debug("daemon speaks", "project=%s server=%s legacy=%d modern=%d", s->d.project->key,
              s->d.server, !!(eras & ERA_LEGACY), !!(eras & ERA_MODERN));
    pool_wake(s->d.pool, s);
}

static void on_discovered(void *arg, enum probe_outcome outcome, const char *text)
{
    struct slot *s = arg;
    (void)text;
    s->is_asking_eras = false;
    if (daemon_is_up(&s->d) || s->d.state == DAEMON_DRAINING)
        set_eras(s, outcome == PROBE_OK ? ERA_LEGACY | ERA_MODERN : ERA_LEGACY);
}

/* Which eras this life speaks is found out once, right after its first handshake. */
static void ask_eras(struct slot *s)
{
    if (s->d.eras || s->is_asking_eras || !s->probe || !daemon_is_up(&s->d) ||
        !(probe_is_open(s->probe) || probe_is_guarded(s->probe)))
        return;
    if (s->d.transport != TRANSPORT_HTTP || probe_is_guarded(s->probe)) {
        set_eras(s, ERA_LEGACY);
    } else if (probe_is_modern_only(s->probe)) {
        set_eras(s, ERA_MODERN);
    } else {
        s->is_asking_eras = true;
        probe_discover(s->probe, ERAS_MS, on_discovered, s);
    }
}

static void on_shaken(void *arg, enum probe_outcome outcome, const char *text)
{
    struct slot *s = arg;
    s->is_shaking = false;
    if (s->d.state != DAEMON_STARTING) {
        on_pinged(s, outcome, text);
        return;
    }
    if (outcome == PROBE_OK) {
        health_heard(s);
        slot_event(s, &(struct slot_event){.kind = SLOT_ANSWERED});
        ask_eras(s);
        return;
    }
    if (outcome == PROBE_REFUSED)
        slot_event(s, &(struct slot_event){.kind = SLOT_REFUSED, .detail = text});
    else
        str_replace(&s->last_seen, text);
    if (s->d.state == DAEMON_STARTING) {
        struct ev_loop *loop = s->d.pool->loop;
        s->again_ms = s->again_ms < 400 ? s->again_ms * 2 : 400;
        ev_timer_stop(loop, &s->again);
        ev_timer_set(&s->again, (double)s->again_ms / 1000.0, 0);
        ev_timer_start(loop, &s->again);
    }
}

void health_handshake(struct slot *s)
{
    if (s->is_shaking || !s->probe || ev_is_active(&s->again))
        return;
    s->is_shaking = true;
    probe_handshake(s->probe, SHAKE_MS, on_shaken, s);
}

static void on_again(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct slot *s = timer->data;
    if (s->d.state == DAEMON_STARTING)
        health_handshake(s);
}

/* --- looks --- */

/* Stopped by a signal: say so; somebody did that on purpose, so it is not restarted. */
static bool is_stopped(struct slot *s)
{
    struct runtime *r = &s->d.pool->runtime;
    if (!r->is_stopped(r->self, s->d.id))
        return false;
    char *cause =
        xasprintf("stopped by a signal (SIGSTOP); `kill -CONT %d` or `poolctl restart %s`",
                  s->d.pid, s->d.project->root);
    health_set(s, &s->d.mcp, LAYER_FAILED, cause);
    free(cause);
    look_in(s, 2000);
    return true;
}

static void give_up(struct slot *s, const char *cause)
{
    char *detail = xasprintf("it answered nothing any more (%s)", cause);
    slot_event(s, &(struct slot_event){.kind = SLOT_MUTE, .detail = detail});
    free(detail);
}

static void say_unreachable(const struct slot *s, const char *text, char *cause, size_t room)
{
    struct runtime *r = &s->d.pool->runtime;
    if (s->d.transport == TRANSPORT_STDIO)
        snprintf(cause, room, "its pipes cannot be reached: %s", text);
    else if (r->port(r->self, s->d.id) == PORT_STRANGER)
        snprintf(cause, room, "port %d is another program's now", s->d.port);
    else
        snprintf(cause, room, "port %d cannot be reached: %s", s->d.port, text);
}

static void on_lost(struct slot *s, enum probe_outcome outcome, const char *text)
{
    bool is_busy = s->d.in_flight > 0 || s->d.is_warming;
    char cause[400];
    s->pings_lost++;
    size_t unread = s->d.transport == TRANSPORT_STDIO ? reach_unread(s) : 0;
    if (outcome == PROBE_UNREACHABLE) {
        say_unreachable(s, text, cause, sizeof cause);
        s->d.accepts = LAYER_FAILED;
        health_set(s, &s->d.mcp, LAYER_UNKNOWN, cause);
    } else if (is_busy) {
        snprintf(cause, sizeof cause, "busy with %s, and answers no ping meanwhile",
                 s->d.in_flight > 0 ? "a call" : "its warm-up");
        health_set(s, &s->d.mcp, LAYER_UNKNOWN, cause);
    } else if (unread) {
        snprintf(cause, sizeof cause, "it does not read its standard input (%zu bytes wait)",
                 unread);
        s->d.accepts = LAYER_FAILED;
        health_set(s, &s->d.mcp, LAYER_UNKNOWN, cause);
    } else {
        snprintf(cause, sizeof cause, "no answer to %d ping%s of %d s", s->pings_lost,
                 s->pings_lost == 1 ? "" : "s", (int)(ping_ms(s) / 1000));
        health_set(s, &s->d.mcp, LAYER_FAILED, cause);
    }
    /* The warm-up has a limit of its own. */
    bool is_sacred =
        s->d.is_warming || (s->d.in_flight > 0 && clock_ms() - s->handed_ms < CALL_SACRED_MS);
    if (s->pings_lost >= PINGS_MOST && !is_sacred)
        give_up(s, cause);
    else
        look_in(s, outcome == PROBE_UNREACHABLE ? 1000 : is_busy ? BUSY_LOOK_MS : 0);
}

static void on_pinged(void *arg, enum probe_outcome outcome, const char *text)
{
    struct slot *s = arg;
    s->is_pinging = false;
    if (!daemon_is_up(&s->d))
        return;
    if (outcome == PROBE_UNREACHABLE && s->is_our_want) { /* says nothing about the daemon */
        health_set(s, &s->d.mcp, LAYER_UNKNOWN, "poold itself has no connection to spare");
        look_in(s, BUSY_LOOK_MS);
        return;
    }
    if (outcome == PROBE_UNREACHABLE || outcome == PROBE_SILENT) {
        if (!is_stopped(s))
            on_lost(s, outcome, text);
        return;
    }
    health_heard(s);
    ask_eras(s);
    look_in(s, slot_settings(s)->health_s * 1000);
    if (s->is_warm_asked)
        health_warm(s, true);
    else if (s->d.in_flight == 0 && !s->is_warm_late)
        health_warm(s, false);
    s->is_warm_late = false; /* the one of an adopted daemon runs at the next quiet look */
}

void health_glance(struct slot *s)
{
    struct runtime *r = &s->d.pool->runtime;
    if (daemon_is_up(&s->d) && s->probe && r->is_stopped(r->self, s->d.id))
        is_stopped(s);
}

void health_look(struct slot *s)
{
    if (!daemon_is_up(&s->d) || !s->probe || is_stopped(s) || s->is_pinging || s->is_shaking)
        return;
    if (probe_is_open(s->probe)) {
        s->is_pinging = true;
        probe_ping(s->probe, ping_ms(s), on_pinged, s);
    } else {
        s->is_shaking = true;
        probe_handshake(s->probe, ping_ms(s), on_shaken, s);
    }
}

static void on_look(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct slot *s = timer->data;
    if (!daemon_is_up(&s->d) || is_stopped(s))
        return;
    int64_t left = s->heard_ms + slot_settings(s)->health_s * 1000 - clock_ms();
    if (left <= 0 || s->pings_lost || s->d.mcp == LAYER_FAILED)
        health_look(s);
    if (left > 0 && !s->is_pinging && !s->is_shaking)
        look_in(s, s->d.in_flight && left > BUSY_LOOK_MS ? BUSY_LOOK_MS : left);
}

/* --- the warm-up --- */

static void on_warmed(void *arg, enum probe_outcome outcome, const char *text)
{
    struct slot *s = arg;
    struct daemon *d = &s->d;
    d->is_warming = false;
    s->warmed_ms = clock_ms();
    switch (outcome) {
    case PROBE_OK:
        health_heard(s);
        if (d->step_ms[STEP_WARM] < 0 && !s->is_adopted)
            d->step_ms[STEP_WARM] = clock_ms() - s->asked_ms;
        health_set(s, &d->useful, LAYER_OK, NULL);
        break;
    case PROBE_TOOL_FAILED:
    case PROBE_REFUSED:
        health_heard(s);
        health_set(s, &d->useful, LAYER_FAILED, text);
        break;
    case PROBE_UNREACHABLE:
    case PROBE_SILENT: {
        char *cause = xasprintf("the warm-up call was not answered: %s", text);
        health_set(s, &d->useful, LAYER_UNKNOWN, cause);
        free(cause);
        break;
    }
    }
    if (d->state == DAEMON_READY)
        slot_deadline_idle(s);
    pool_wake(d->pool, s);
}

void health_warm(struct slot *s, bool asked)
{
    const struct config_server *server = slot_server(s);
    struct daemon *d = &s->d;
    if (!server || !server->warmup_tool || d->is_warming)
        return;
    if (d->is_private && d->transport == TRANSPORT_STDIO)
        return; /* it is its client's: initialized, or not yet */
    if (s->is_warm_done && !(asked && d->useful != LAYER_OK))
        return;
    if (!daemon_is_up(d) || !s->probe || !probe_is_open(s->probe)) {
        s->is_warm_asked = s->is_warm_asked || asked;
        return;
    }
    if (!asked && d->in_flight > 0)
        return; /* comes when it first rests */
    s->is_warm_asked = false;
    s->is_warm_done = true;
    d->is_warming = true;
    pool_wake(d->pool, s);
    probe_call(s->probe, server->warmup_tool, server->warmup_arguments, WARM_MS, on_warmed, s);
}

/* --- a life --- */

void health_init(struct slot *s)
{
    ev_timer_init(&s->look, on_look, 0, 0);
    s->look.data = s;
    ev_timer_init(&s->again, on_again, 0, 0);
    s->again.data = s;
}

void health_begin(struct slot *s)
{
    if (s->probe)
        return;
    s->again_ms = 25;
    s->probe = reach_probe(s);
}

void health_ready(struct slot *s)
{
    s->heard_ms = clock_ms();
    s->is_warm_late = s->is_adopted;
    look_in(s, slot_settings(s)->health_s * 1000);
    if (s->is_warm_asked)
        health_warm(s, true);
}

void health_end(struct slot *s)
{
    struct ev_loop *loop = s->d.pool->loop;
    probe_free(s->probe);
    s->probe = NULL;
    ev_timer_stop(loop, &s->look);
    ev_timer_stop(loop, &s->again);
    s->is_pinging = s->is_shaking = s->d.is_warming = s->is_warm_asked = false;
    s->is_asking_eras = false;
    s->pings_lost = 0;
    s->d.accepts = s->d.mcp = s->d.useful = LAYER_UNKNOWN;
    str_replace(&s->reach_cause, NULL);
    str_replace(&s->tool_cause, NULL);
    str_replace(&s->d.cause, NULL);
}
