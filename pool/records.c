/* pool/records.c - see records.h. */
#include "pool/records.h"

#include "base/clock.h"
#include "base/log.h"
#include "pool/daemon.h"
#include "pool/start.h"

#include <stdio.h>
#include <string.h>

#define LOG_MODULE "pool"
#define FIRST_MS 200 /* after a failed write: a burst of them is one loss */
#define NEXT_MS 5000

/* --- reading --- */

struct project_row records_project(const struct project *project)
{
    return (struct project_row){.key = project->key,
                                .root = project->root,
                                .is_trusted = project->is_trusted,
                                .brought = project->brought_trusted,
                                .first_unix_ms = project->first_unix_ms,
                                .last_unix_ms = project->last_unix_ms};
}

static void load_project(void *arg, const struct project_row *row)
{
    struct pool *p = arg;
    struct project *known = pool_project_by_key(p, row->key);
    if (!known) {
        pool_project_adopt(p, row);
        return;
    }
    /* The registry came late: what only it knows. */
    known->first_unix_ms = row->first_unix_ms;
    if (!known->is_trusted && row->is_trusted && str_equal(known->root, row->root)) {
        known->is_trusted = true;
        snprintf(known->brought_trusted, sizeof known->brought_trusted, "%s", row->brought);
        pool_find_outdated(p, known);
    }
}

static void load_daemon(void *arg, const struct daemon_row *row)
{
    struct pool *p = arg;
    struct project *project = pool_project_by_key(p, row->project_key);
    if (!project)
        return;
    struct slot *s = pool_slot_make(p, project, row->server, (int)row->instance);
    struct daemon *d = &s->d;
    d->is_pinned = d->is_pinned || row->is_pinned;
    if (d->id[0]) /* the registry came late: it has lived since */
        return;
    slot_set_id(s, row->id);
    d->generation = d->starts = row->generation;
    d->port = (int)row->port;
    d->started_unix_ms = row->started_unix_ms;
    d->ready_unix_ms = row->ready_unix_ms;
    d->ended_unix_ms = row->ended_unix_ms;
    d->reason = reason_from(row->reason);
    s->eras = (unsigned)row->eras;
    snprintf(s->eras_of, sizeof s->eras_of, "%s", row->definition);
    str_replace(&d->detail, row->detail && row->detail[0] ? row->detail : NULL);
    str_replace(&d->handshake, row->handshake && row->handshake[0] ? row->handshake : NULL);
    str_replace(&s->probe_session, row->probe_session[0] ? row->probe_session : NULL);
    s->is_taken = row->is_taken;
    s->is_expected = row->ended_unix_ms == 0;
    s->was_ready = s->is_expected && row->ready_unix_ms != 0;
}

bool records_load(struct pool *p, struct err *err)
{
    if (registry_is_absent(p->registry))
        return true;
    p->is_loaded = registry_projects(p->registry, load_project, p, err) &&
                   registry_daemons(p->registry, load_daemon, p, err);
    return p->is_loaded;
}

void records_settle(struct pool *p)
{
    list_each(node, after, &p->slots)
    {
        struct slot *s = container_of(node, struct slot, in_pool);
        if (!s->is_expected)
            continue;
        s->is_expected = false;
        s->d.pid = s->d.keeper_pid = 0;
        s->d.ended_unix_ms = clock_unix_ms();
        s->d.reason = REASON_GONE_WHILE_AWAY;
        str_replace(&s->d.detail, "it ended while poold was away");
        slot_note(s, "end", REASON_GONE_WHILE_AWAY, s->d.detail, -1);
        slot_save(s);
        log_info("daemon is gone", "project=%s daemon=%s", s->d.project->key, s->d.id);
        pool_wake(p, s);
    }
}

/* --- writing again --- */

struct writing {
    struct pool *pool;
    struct err *err;
    bool ok;
};

static void write_project(void *arg, struct project *project)
{
    struct writing *w = arg;
    struct registry *r = w->pool->registry;
    const struct project_row row = records_project(project);
    w->ok = w->ok && registry_project_put(r, &row, w->err) &&
            (!project->is_trusted ||
             registry_project_trust(r, project->root, true, project->brought_trusted, w->err));
}

static bool write_all(struct pool *p, struct err *err)
{
    struct writing w = {p, err, true};
    if (!registry_begin(p->registry, err))
        return false;
    pool_projects_each(p, write_project, &w);
    list_each(node, after, &p->slots)
    {
        struct slot *s = container_of(node, struct slot, in_pool);
        w.ok = w.ok && slot_put(s, err);
        if (w.ok && s->is_alive)
            start_adopt_lease(s);
    }
    if (w.ok)
        return registry_commit(p->registry, err);
    registry_rollback(p->registry);
    return false;
}

static bool heal(struct pool *p, struct err *err)
{
    char *damaged = NULL;
    bool ok = registry_heal(p->registry, &damaged, err);
    if (damaged)
        log_error("the registry was damaged; it is put aside and written anew", "kept=%s",
                  log_quote(damaged));
    free(damaged);
    if (!ok || (!p->is_loaded && !records_load(p, err)) || !write_all(p, err))
        return false;
    if (p->is_synced)
        records_settle(p);
    return true;
}

static void arm(struct pool *p, int64_t in_ms)
{
    ev_now_update(p->loop);
    ev_timer_set(&p->heal, (double)in_ms / 1000.0, 0);
    ev_timer_start(p->loop, &p->heal);
}

static void on_heal(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct pool *p = timer->data;
    struct err err = {0};
    p->is_healing = true;
    bool ok = heal(p, &err);
    p->is_healing = false;
    if (ok) {
        str_replace(&p->loss, NULL);
        log_info("the registry is complete again", "%s", "");
        return;
    }
    if (!str_equal(p->loss, err_text(&err))) {
        str_replace(&p->loss, err_text(&err));
        log_error("the registry cannot be written; poold goes on without it", "error=%s",
                  log_quote(err_text(&err)));
    }
    arm(p, NEXT_MS);
}

void records_lost(struct pool *p, const char *what, const struct err *err)
{
    if (!p->loss) /* one line for all of them */
        log_warn("the registry did not take a row", "what=%s error=%s", what,
                 log_quote(err_text(err)));
    if (!p->is_healing && !ev_is_active(&p->heal))
        arm(p, FIRST_MS);
}

void records_check(struct pool *p)
{
    const char *problem = registry_problem(p->registry);
    if (problem && !ev_is_active(&p->heal))
        arm(p, 0);
}

void records_init(struct pool *p)
{
    ev_timer_init(&p->heal, on_heal, 0, 0);
    p->heal.data = p;
}

void records_end(struct pool *p)
{
    ev_timer_stop(p->loop, &p->heal);
    free(p->loss);
}
