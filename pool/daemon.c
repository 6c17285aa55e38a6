/* pool/daemon.c - one slot: the only writer of its state, its row and history, and the public
 * functions on a daemon. What happens at which event is in daemon_table.c and daemon_do.c. */
#include "pool/daemon.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "pool/evict.h"
#include "pool/records.h"
#include "pool/start.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define LOG_MODULE "pool"
#define SUSPECT_MS 25

static const char *const state_words[DAEMON_STATE_COUNT] = {
#define X(name, word) [DAEMON_##name] = word,
    DAEMON_STATES(X)
#undef X
};
static const char *const step_words[STEP_COUNT] = {"queued", "spawned", "port-open", "handshake",
                                                   "warm"};
static const char *const layer_words[] = {"unknown", "ok", "failed"};
static const char *const transport_words[] = {"http", "sse", "stdio"};

const char *daemon_state_word(enum daemon_state s)
{
    return state_words[s];
}

const char *layer_word(enum layer l)
{
    return layer_words[l];
}

const char *start_step_word(enum start_step s)
{
    return step_words[s];
}

void slot_event(struct slot *s, const struct slot_event *event)
{
    log_debug("event", "project=%s server=%s state=%s event=%s", s->d.project->key, s->d.server,
              daemon_state_word(s->d.state), slot_event_word(event->kind));
    slot_action_for(s->d.state, event->kind)(s, event);
}

/* --- what survives: the row and the history --- */

bool slot_put(struct slot *s, struct err *err)
{
    const struct daemon *d = &s->d;
    if (!d->id[0] || s->is_unneeded)
        return true;
    const struct daemon_row row = {
        .id = d->id,
        .project_key = d->project->key,
        .server = d->server,
        .instance = d->instance,
        .is_taken = s->is_taken,
        .generation = d->generation,
        .state = daemon_state_word(d->state == DAEMON_BUSY ? DAEMON_READY : d->state),
        .transport = transport_words[d->transport],
        .definition = d->definition,
        .port = d->port,
        .pid = d->pid,
        .keeper_pid = d->keeper_pid,
        .started_unix_ms = d->started_unix_ms,
        .ready_unix_ms = d->ready_unix_ms,
        .ended_unix_ms = d->ended_unix_ms,
        .reason = reason_word(d->reason),
        .detail = d->detail ? d->detail : "",
        .handshake = d->handshake,
        .is_pinned = d->is_pinned,
        .eras = strcmp(s->eras_of, d->definition) == 0 ? s->eras : 0,
        .probe_session = s->probe_session,
    };
    return registry_daemon_put(d->pool->registry, &row, err);
}

void slot_save(struct slot *s)
{
    struct err err = {0};
    if (!slot_put(s, &err))
        records_lost(s->d.pool, "daemon", &err);
}

void slot_note(struct slot *s, const char *what, enum reason reason, const char *detail,
               int64_t took_ms)
{
    struct pool *p = s->d.pool;
    struct err err = {0};
    if (s->is_unneeded)
        return;
    const struct history_row row = {
        .at_unix_ms = clock_unix_ms(),
        .project_key = s->d.project->key,
        .server = s->d.server,
        .daemon_id = s->d.id,
        .event = what,
        .reason = reason_word(reason),
        .detail = detail ? detail : "",
        .took_ms = took_ms,
    };
    if (!registry_history_add(p->registry, &row, p->config->settings.history_max, &err))
        records_lost(p, "history", &err);
}

void slot_name_life(struct slot *s)
{
    uint8_t random[15];
    digest_random(random, sizeof random);
    char id[32];
    digest_base32(random, sizeof random, id);
    slot_set_id(s, id);
}

struct took { /* how long the last starts took */
    const char *server;
    int64_t ms[9];
    size_t count;
};

static void take_took(void *arg, const struct history_row *row)
{
    struct took *t = arg;
    if (t->count < sizeof t->ms / sizeof *t->ms && strcmp(row->event, "ready") == 0 &&
        strcmp(row->server, t->server) == 0 && row->took_ms >= 0)
        t->ms[t->count++] = row->took_ms;
}

static int by_value(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

void slot_learn_usual(struct slot *s)
{
    struct took t = {.server = s->d.server};
    struct err err = {0};
    if (s->d.usual_start_ms ||
        !registry_history(s->d.pool->registry, s->d.project->key, 100, take_took, &t, &err))
        return;
    qsort(t.ms, t.count, sizeof *t.ms, by_value);
    s->d.usual_start_ms = t.count ? t.ms[t.count / 2] : 0;
}

/* --- the setter --- */

void slot_deadline(struct slot *s, int64_t in_ms)
{
    struct ev_loop *loop = s->d.pool->loop;
    ev_timer_stop(loop, &s->deadline);
    if (in_ms < 0)
        return;
    ev_now_update(loop);
    ev_timer_set(&s->deadline, (double)in_ms / 1000.0, 0);
    ev_timer_start(loop, &s->deadline);
}

void slot_deadline_idle(struct slot *s)
{
    const char *why;
    int64_t in_ms = daemon_evict_in_ms(&s->d, &why);
    if (in_ms < 0 && s->d.state == DAEMON_READY && strcmp(why, "held by a subscription") == 0)
        in_ms = evict_look_in_ms(slot_settings(s)->idle_s * 1000);
    slot_deadline(s, in_ms);
}

/* How long a state may last; STARTING gets its deadline when it is launched. */
static void arm(struct slot *s)
{
    const struct settings *set = slot_settings(s);
    switch (s->d.state) {
    case DAEMON_READY:
        slot_deadline_idle(s);
        break;
    case DAEMON_DRAINING:
        slot_deadline(s, set->drain_s * 1000);
        break;
    case DAEMON_STOPPING:
        slot_deadline(s, set->stop_grace_s * 1000 + 20000);
        break;
    default:
        slot_deadline(s, -1);
    }
}

void slot_set_state(struct slot *s, enum daemon_state state, enum reason reason, const char *detail)
{
    struct daemon *d = &s->d;
    int64_t now = clock_ms(), lasted_ms = now - d->state_since_ms;
    bool is_flip = (d->state == DAEMON_READY && state == DAEMON_BUSY) ||
                   (d->state == DAEMON_BUSY && state == DAEMON_READY);
    enum daemon_state old = d->state;
    d->state = state;
    d->state_since_ms = now;
    if (is_flip) { /* once per call: nothing is written, the idle timer looks for itself */
        if (state == DAEMON_READY && !ev_is_active(&s->deadline))
            slot_deadline_idle(s);
        return;
    }
    if (reason != REASON_NONE)
        d->reason = reason;
    str_replace(&d->detail, detail);
    arm(s);
    slot_save(s);
    bool is_bad = state == DAEMON_FAILED;
    log_line(is_bad ? LOG_WARN : LOG_INFO, LOG_MODULE, "daemon state",
             "project=%s server=%s daemon=%s state=%s was=%s was_ms=%lld reason=%s%s%s",
             d->project->key, d->server, d->id[0] ? d->id : "-", daemon_state_word(state),
             daemon_state_word(old), (long long)lasted_ms, reason_word(d->reason),
             detail ? " detail=" : "", detail ? log_quote(detail) : "");
    for (size_t i = 0; i < d->pool->listener_count; i++)
        if (d->pool->listeners[i].on_state)
            d->pool->listeners[i].on_state(d->pool->listeners[i].arg, d, old, lasted_ms);
    pool_wake(d->pool, s);
}

/* --- life of the struct --- */

static void on_deadline(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    slot_event(timer->data, &(struct slot_event){.kind = SLOT_DEADLINE});
}

/* A server's name is the user's: only what is safe in a file name stays. */
static char *log_path_of(const struct slot *s)
{
    char *name = s->d.instance
                     ? xasprintf("%s.%s.%d.log", s->d.project->key, s->d.server, s->d.instance)
                     : xasprintf("%s.%s.log", s->d.project->key, s->d.server);
    for (char *p = name; *p; p++)
        if (*p == '/' || (unsigned char)*p < 0x20)
            *p = '_';
    char *path = xasprintf("%s/logs/%s", s->d.pool->places.state_dir, name);
    free(name);
    return path;
}

void slot_init(struct slot *s, struct pool *p, struct project *project, const char *server,
               int instance)
{
    struct daemon *d = &s->d;
    d->pool = p;
    d->project = project;
    d->server = xstrdup(server);
    d->instance = instance;
    d->memory_bytes = d->cpu_ms = -1;
    d->state_since_ms = clock_ms();
    for (int i = 0; i < STEP_COUNT; i++)
        d->step_ms[i] = -1;
    s->log_path = log_path_of(s);
    list_init(&s->in_pool);
    list_init(&s->in_project);
    list_init(&s->in_queue);
    list_init(&s->in_changed);
    list_init(&s->in_id);
    ev_timer_init(&s->deadline, on_deadline, 0, 0);
    s->deadline.data = s;
    health_init(s);
}

void slot_finish(struct slot *s)
{
    health_end(s);
    slot_deadline(s, -1);
    list_remove(&s->in_pool);
    list_remove(&s->in_project);
    list_remove(&s->in_queue);
    list_remove(&s->in_changed);
    list_remove(&s->in_id);
    free(s->d.server);
    free(s->d.detail);
    free(s->d.tail);
    free(s->d.cause);
    free(s->d.handshake);
    free(s->log_path);
    free(s->probe_session);
    free(s->last_seen);
    free(s->end_detail);
    free(s->reach_cause);
    free(s->tool_cause);
    free(s);
}

/* --- eviction's view --- */

bool slot_is_held(const struct slot *s)
{
    const struct pool *p = s->d.pool;
    for (size_t i = 0; i < p->listener_count; i++)
        if (p->listeners[i].is_held && p->listeners[i].is_held(p->listeners[i].arg, &s->d))
            return true;
    return false;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

struct evict_view slot_view(const struct slot *s)
{
    const struct config_server *server = slot_server(s);
    return (struct evict_view){
        .state = s->d.state,
        .in_flight = s->d.in_flight,
        .is_pinned = s->d.is_pinned,
        .is_held = slot_is_held(s),
        .may_evict = !server || server->evict,
        .is_warming = s->d.is_warming,
        .is_spare = slot_is_spare(s),
        .used_ms = later(later(s->d.last_use_ms, slot_is_spare(s) ? private_used_ms(s) : 0),
                         later(s->up_ms, s->warmed_ms)),
    };
}

int64_t daemon_evict_in_ms(const struct daemon *d, const char **why)
{
    const struct slot *s = slot_of_const(d);
    struct evict_view view = slot_view(s);
    return evict_in_ms(&view, slot_settings(s)->idle_s * 1000, clock_ms(), why);
}

/* --- public --- */

void daemon_want(struct daemon *d, enum reason why, bool force)
{
    slot_event(slot_of(d), &(struct slot_event){.kind = SLOT_WANT, .reason = why, .force = force});
}

unsigned daemon_eras_remembered(const struct daemon *d)
{
    const struct slot *s = container_of(d, const struct slot, d);
    return strcmp(s->eras_of, daemon_definition_now(d)) == 0 ? s->eras : 0;
}

bool slot_is_leaving(const struct slot *s)
{
    return s->is_unneeded || s->is_released;
}

bool daemon_is_forgotten(const struct daemon *d)
{
    return container_of(d, const struct slot, d)->is_unneeded;
}

bool daemon_is_up(const struct daemon *d)
{
    return d->state == DAEMON_READY || d->state == DAEMON_BUSY;
}

void daemon_use_begin(struct daemon *d)
{
    struct slot *s = slot_of(d);
    s->handed_ms = clock_ms();
    if (d->in_flight++ == 0)
        slot_action_for(d->state, SLOT_WORK)(s, &(struct slot_event){.kind = SLOT_WORK});
}

void daemon_use_end(struct daemon *d)
{
    struct slot *s = slot_of(d);
    assert(d->in_flight > 0);
    d->in_flight--;
    d->last_use_ms = s->heard_ms = clock_ms();
    /* While it drains, calls that came later wait for the next life: the old ones count. */
    bool is_rest = d->state == DAEMON_DRAINING ? --s->draining == 0 : d->in_flight == 0;
    if (is_rest)
        slot_action_for(d->state, SLOT_REST)(s, &(struct slot_event){.kind = SLOT_REST});
}

void daemon_touch(struct daemon *d)
{
    d->last_use_ms = clock_ms();
}

void daemon_sessions_add(struct daemon *d, int by)
{
    d->sessions += by;
    assert(d->sessions >= 0);
}

bool daemon_dial(struct daemon *d, int *fd, struct err *err)
{
    struct runtime *r = &d->pool->runtime;
    if (!daemon_is_up(d))
        return err_set(err, ERR_DAEMON_LOST, 0, "the daemon is %s", daemon_state_word(d->state));
    return r->dial(r->self, d->id, fd, err);
}

void daemon_suspect(struct daemon *d)
{
    if (!daemon_is_up(d))
        return;
    d->suspect_until_ms = clock_ms() + SUSPECT_MS;
    health_look(slot_of(d));
}

void daemon_stop(struct daemon *d, enum reason why, bool now)
{
    slot_event(slot_of(d),
               &(struct slot_event){.kind = now ? SLOT_KILL : SLOT_STOP, .reason = why});
}

void daemon_restart(struct daemon *d, enum reason why)
{
    daemon_stop(d, why, false);
    daemon_want(d, REASON_RESTART, true);
}

bool daemon_pin(struct daemon *d, bool is_pinned, struct err *err)
{
    struct slot *s = slot_of(d);
    (void)err; /* a registry that does not take the row is logged; the pin holds until poold ends */
    if (!d->id[0]) { /* never started: the row needs a name, of a life that was none */
        slot_name_life(s);
        d->ended_unix_ms = clock_unix_ms();
        start_save_project(s);
    }
    d->is_pinned = is_pinned;
    slot_save(s);
    if (d->state == DAEMON_READY)
        slot_deadline_idle(s);
    pool_wake(d->pool, s);
    return true;
}

void daemon_warm(struct daemon *d)
{
    health_warm(slot_of(d), true);
}

const char *daemon_log_path(const struct daemon *d)
{
    return slot_of_const(d)->log_path;
}
