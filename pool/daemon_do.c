/* pool/daemon_do.c - the actions of the table in daemon_table.c from start to rest; those of stop
 * and failure are in daemon_end.c. */
#include "base/clock.h"
#include "base/log.h"
#include "pool/daemon.h"
#include "pool/start.h"

#include <stdio.h>
#include <string.h>

#define LOG_MODULE "pool"

void slot_do_nop(struct slot *s, const struct slot_event *event)
{
    (void)s;
    (void)event;
}

static void reach(struct slot *s, enum start_step step)
{
    if (s->d.step_ms[step] < 0)
        s->d.step_ms[step] = clock_ms() - s->asked_ms;
    pool_wake(s->d.pool, s);
}

/* --- start --- */

void slot_enqueue(struct slot *s, enum reason why)
{
    struct daemon *d = &s->d;
    s->start_reason = why;
    s->asked_ms = clock_ms();
    for (int i = 0; i < STEP_COUNT; i++)
        d->step_ms[i] = -1;
    d->step_ms[STEP_QUEUED] = 0;
    d->is_wanted = s->is_forced = s->is_failing = s->is_crashing = s->is_port_taken = false;
    s->is_outdated = false;
    s->end_reason = REASON_NONE;
    str_replace(&s->end_detail, NULL);
    str_replace(&d->tail, NULL);
    str_replace(&d->cause, NULL);
    d->process = d->accepts = d->mcp = d->useful = LAYER_UNKNOWN;
    d->retry_at_ms = 0;
    if (list_is_empty(&s->in_queue))
        list_add_tail(&d->pool->queue, &s->in_queue);
    slot_set_state(s, DAEMON_STARTING, why, NULL);
}

void slot_do_start(struct slot *s, const struct slot_event *event)
{
    if (s->d.pool->is_stopping_all || slot_is_leaving(s))
        return;
    s->is_second_port = false;
    s->avoid_port = 0;
    slot_enqueue(s, event->reason);
}

void slot_do_join(struct slot *s, const struct slot_event *event)
{
    (void)event;
    if (s->d.state == DAEMON_READY || s->d.state == DAEMON_BUSY)
        daemon_touch(&s->d);
}

/* A new name too, so that nothing of an earlier life is ever taken for this one's. */
static void new_life(struct slot *s)
{
    struct daemon *d = &s->d;
    slot_name_life(s);
    d->generation++;
    d->starts++;
    d->pid = d->keeper_pid = 0;
    d->started_unix_ms = clock_unix_ms();
    d->ready_unix_ms = d->ended_unix_ms = 0;
    d->eras = 0;
    str_replace(&s->probe_session, NULL);
    s->is_adopted = s->is_adoption_told = false;
    s->is_warm_done = false;
    s->rubbish = s->lines_given = 0;
    str_replace(&d->handshake, NULL);
    s->refused_since_ms = 0;
    str_replace(&s->last_seen, NULL);
}

void slot_launch(struct slot *s)
{
    struct daemon *d = &s->d;
    struct pool *p = d->pool;
    struct start_spec spec = {0};
    struct err err = {0};
    list_remove(&s->in_queue);
    start_save_project(s);
    slot_learn_usual(s);
    new_life(s);
    if (!start_prepare(s, &spec, &err)) {
        d->started_unix_ms = 0;
        slot_fail(s, REASON_EXEC_FAILED, err_text(&err));
        start_spec_finish(&spec);
        return;
    }
    str_replace(&d->detail, NULL);
    slot_save(s); /* "wanted" is committed before the start: a crash in between is seen */
    slot_note(s, "start", s->start_reason, "", -1);
    const struct settings *set = slot_settings(s);
    const struct run_spec run = {
        .daemon_id = d->id,
        .generation = d->generation,
        .project = d->project->root,
        .project_key = d->project->key,
        .server = d->server,
        .instance = d->instance,
        .definition = d->definition,
        .transport = d->transport,
        .port = d->port,
        .cwd = spec.cwd,
        .argv = &spec.argv,
        .env = &spec.env,
        .log_path = s->log_path,
        .log_max_bytes = set->log_max_mib * 1024 * 1024,
        .orphan_ms = set->orphan_s * 1000,
        .grace_ms = set->stop_grace_s * 1000,
    };
    s->is_alive = true;
    bool ok = p->runtime.start(p->runtime.self, &run, &err);
    start_spec_finish(&spec);
    if (!ok) {
        s->is_alive = false;
        slot_fail(s, REASON_EXEC_FAILED, err_text(&err));
        return;
    }
    slot_deadline(s, set->start_timeout_s * 1000);
    pool_wake(p, s);
}

void slot_do_spawned(struct slot *s, const struct slot_event *event)
{
    struct daemon *d = &s->d;
    d->pid = event->run->pid;
    d->keeper_pid = event->run->keeper_pid;
    if (event->run->started_unix_ms)
        d->started_unix_ms = event->run->started_unix_ms;
    d->process = LAYER_OK;
    if (d->state == DAEMON_STARTING)
        reach(s, STEP_SPAWNED);
    slot_save(s);
    if (d->state == DAEMON_STARTING && d->transport == TRANSPORT_STDIO)
        slot_do_port_open(s, event); /* its pipes are there from the start */
}

void slot_do_port_open(struct slot *s, const struct slot_event *event)
{
    (void)event;
    s->d.accepts = LAYER_OK;
    if (s->d.state != DAEMON_STARTING)
        return;
    reach(s, STEP_PORT_OPEN);
    health_begin(s);
    health_handshake(s);
}

void slot_do_ready(struct slot *s, const struct slot_event *event)
{
    (void)event;
    struct daemon *d = &s->d;
    int64_t took_ms = clock_ms() - s->asked_ms;
    reach(s, STEP_HANDSHAKE);
    d->ready_unix_ms = clock_unix_ms();
    s->up_ms = clock_ms();
    s->failures_before = d->failures;
    d->failures = 0;
    d->retry_at_ms = 0;
    if (!s->is_adopted) {
        d->usual_start_ms = d->usual_start_ms ? (d->usual_start_ms * 3 + took_ms) / 4 : took_ms;
        slot_note(s, "ready", s->start_reason, "", took_ms);
    }
    slot_set_state(s, d->in_flight ? DAEMON_BUSY : DAEMON_READY, REASON_NONE, NULL);
    memory_begin(d->pool, s->is_adopted);
    health_ready(s);
    if (s->is_taken)
        private_top_up(s);
    if (!d->in_flight)
        slot_rest(s);
}

/* --- adoption --- */

/* A stdio daemon can be shaken hands with once. Did an earlier poold do that, and is the answer
 * neither in the registry nor still to come? */
static bool is_talk_lost(const struct slot *s, const struct run_event *run, bool is_same)
{
    if (run->transport != TRANSPORT_STDIO || run->lines_given == 0)
        return false;
    if (s->d.is_private)
        return !is_same;
    return !s->d.handshake && (!is_same || run->lines_taken > 0);
}

void slot_do_adopt(struct slot *s, const struct slot_event *event)
{
    struct daemon *d = &s->d;
    const struct run_event *run = event->run;
    if (s->is_alive)
        return;
    bool is_same = strcmp(d->id, run->daemon_id) == 0, was_asked = d->state == DAEMON_STARTING;
    slot_set_id(s, run->daemon_id);
    d->generation = run->generation;
    d->transport = run->transport;
    snprintf(d->definition, sizeof d->definition, "%s", run->definition ? run->definition : "");
    d->eras = is_same && strcmp(s->eras_of, d->definition) == 0 ? s->eras : 0;
    d->port = run->port;
    d->pid = run->pid;
    d->keeper_pid = run->keeper_pid;
    d->started_unix_ms = run->started_unix_ms;
    d->ended_unix_ms = 0;
    d->process = LAYER_OK;
    list_remove(&s->in_queue);
    s->is_alive = s->is_adopted = true;
    s->is_expected = false;
    s->end_reason = REASON_NONE;
    s->is_failing = s->is_crashing = s->is_port_taken = d->is_wanted = false;
    s->asked_ms = clock_ms();
    s->is_warm_done = false;
    start_adopt_lease(s);
    slot_learn_usual(s);
    slot_note(s, "adopt", REASON_ADOPTED, "", slot_lived_ms(s));
    if (run->is_stopping) { /* the earlier poold asked for that, or its main process is gone */
        s->end_reason = reason_from(run->reason);
        s->is_crashing = s->end_reason == REASON_NONE;
        slot_set_state(s, DAEMON_STOPPING, s->is_crashing ? REASON_CRASHED : s->end_reason, NULL);
        if (was_asked)
            slot_do_want_later(s, &(struct slot_event){.reason = s->start_reason});
        return;
    }
    s->lines_given = run->lines_given;
    if (!is_same || !s->was_ready)
        d->ready_unix_ms = 0;
    if (!is_same) {
        str_replace(&d->handshake, NULL);
        str_replace(&s->probe_session, NULL);
    }
    /* The project's one is shared or not as its own handshake says, whatever is configured now. */
    d->is_private = d->instance > 0 || (d->is_private && !d->handshake);
    if (is_talk_lost(s, run, is_same)) {
        slot_set_state(s, DAEMON_STARTING, REASON_ADOPTED, NULL);
        slot_event(s, &(struct slot_event){
                          .kind = SLOT_KILL,
                          .reason = REASON_HANDSHAKE_LOST,
                          .detail = "what it said in its handshake is not known any more"});
        if (!d->is_private) /* nobody knows whose it was */
            slot_event(s, &(struct slot_event){.kind = SLOT_WANT, .reason = REASON_REVIVED});
        return;
    }
    char now[20];
    start_definition(s, now);
    s->is_outdated = !slot_server(s) || strcmp(now, d->definition) != 0;
    if (is_same && s->was_ready) { /* its sessions are as they were: no need to wait */
        s->up_ms = clock_ms();
        slot_set_state(s, d->in_flight ? DAEMON_BUSY : DAEMON_READY, REASON_ADOPTED, NULL);
        memory_begin(d->pool, true);
        health_begin(s);
        health_ready(s);
        health_look(s);
        if (!d->in_flight)
            slot_rest(s);
        return;
    }
    slot_set_state(s, DAEMON_STARTING, REASON_ADOPTED, NULL);
    slot_deadline(s, slot_settings(s)->start_timeout_s * 1000);
    health_begin(s);
    health_handshake(s);
}

/* --- work and rest --- */

void slot_do_busy(struct slot *s, const struct slot_event *event)
{
    (void)event;
    slot_set_state(s, DAEMON_BUSY, REASON_NONE, NULL);
}

void slot_do_rest(struct slot *s, const struct slot_event *event)
{
    (void)event;
    slot_set_state(s, DAEMON_READY, REASON_NONE, NULL);
    slot_rest(s);
}

void slot_rest(struct slot *s)
{
    struct pool *p = s->d.pool;
    if (s->is_outdated) {
        s->is_outdated = false;
        bool is_gone = !slot_server(s);
        daemon_stop(&s->d, REASON_DEFINITION, false);
        if (!is_gone)
            daemon_want(&s->d, REASON_DEFINITION, false);
        return;
    }
    if (!s->is_warm_late)
        health_warm(s, false);
    if (!list_is_empty(&p->queue))
        pool_wake(p, NULL);
}

void slot_do_idle(struct slot *s, const struct slot_event *event)
{
    (void)event;
    if (daemon_evict_in_ms(&s->d, NULL) == 0)
        slot_event(s, &(struct slot_event){.kind = SLOT_STOP, .reason = REASON_IDLE});
    else
        slot_deadline_idle(s);
}
