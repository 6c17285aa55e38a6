/* api/on_stop.c - what waits for an end: stop, evict, stop all, forget. */
#include "api/events.h"
#include "api/handlers.h"
#include "api/json_views.h"
#include "api/places.h"
#include "api/request.h"
#include "base/str.h"

struct stop_wait {
    char *key, *server; /* of the one to be shown in the answer; NULL: all */
    char *forgotten;    /* key of a project, if that is what waits */
    struct strv ids;    /* the lives that must end */
    size_t stopped;     /* how many were asked to */
};

static void stop_wait_free(void *state)
{
    struct stop_wait *w = state;
    strv_finish(&w->ids);
    free(w->forgotten);
    free(w->key);
    free(w->server);
    free(w);
}

static bool is_down(const struct daemon *d)
{
    return d->state == DAEMON_DOWN || d->state == DAEMON_FAILED;
}

/* A new life under another id is no reason to wait on: somebody wanted it. */
static bool are_ended(struct pool *pool, const struct strv *ids)
{
    for (size_t i = 0; i < ids->count; i++) {
        const struct daemon *d = pool_daemon_by_id(pool, ids->items[i]);
        if (d && !is_down(d))
            return false;
    }
    return true;
}

static void step(struct request *r, bool is_late)
{
    (void)is_late;
    struct stop_wait *w = r->state;
    struct pool *pool = r->api->pool;
    if (!are_ended(pool, &w->ids))
        return;
    if (w->forgotten) {
        request_answer(r, 200, json_pack("{s:s}", "forgotten", w->forgotten));
        return;
    }
    if (!w->key) {
        request_answer(r, 200, json_pack("{s:I}", "stopped", (json_int_t)w->stopped));
        return;
    }
    const struct daemon *d = place_daemon_find(pool, w->key, w->server);
    struct project *project = pool_project_by_key(pool, w->key);
    struct err err = {0};
    if (!d && project) /* private ones go with their end */
        d = pool_slot(pool, project, w->server, &err);
    if (d) {
        request_answer(r, 200, view_daemon(r->api, d));
    } else {
        err_set(&err, ERR_CONFLICT, 0, "the project was forgotten while its daemon stopped");
        request_refuse(r, &err, NULL);
    }
}

static void stop(struct daemon *d, enum reason why, bool now, struct stop_wait *w)
{
    if (is_down(d)) {
        daemon_stop(d, why, now); /* a failure is forgiven, nothing else happens */
        return;
    }
    daemon_stop(d, why, now);
    w->stopped++;
    if (d->id[0] && !is_down(d))
        strv_add(&w->ids, d->id);
}

struct stop_walk {
    struct stop_wait *w;
    bool now;
};

static void stop_each(void *arg, struct daemon *d)
{
    struct stop_walk *walk = arg;
    stop(d, REASON_ASKED, walk->now, walk->w);
}

static void wait_for_end(struct request *r, struct stop_wait *w)
{
    request_keep(r, w, stop_wait_free);
    step(r, false);
    if (!r->is_answered)
        request_wait(r, -1, step); /* the pool ends every stop: TERM, grace, KILL */
}

static struct stop_wait *wait_of(const struct daemon *d)
{
    struct stop_wait *w = xcalloc(1, sizeof *w);
    w->key = xstrdup(d->project->key);
    w->server = xstrdup(d->server);
    return w;
}

void on_daemon_stop(struct request *r)
{
    struct daemon *d = place_daemon_in_path(r, false);
    if (!d)
        return;
    struct stop_wait *w = wait_of(d);
    place_instances_each(d, stop_each, &(struct stop_walk){w, request_bool(r, "now", false)});
    wait_for_end(r, w);
}

/* Why somebody needs it now, or NULL. */
static const char *is_needed_why(const struct daemon *d)
{
    if (d->is_pinned)
        return "it is pinned (poolctl unpin)";
    if (d->state == DAEMON_STARTING)
        return "it is starting";
    if (d->state == DAEMON_BUSY || d->in_flight)
        return "calls are running";
    return NULL;
}

struct evict_walk {
    struct stop_wait *w;
    const struct daemon *needed; /* the first that somebody needs */
};

static void evict_each(void *arg, struct daemon *d)
{
    struct evict_walk *walk = arg;
    if (!is_needed_why(d))
        stop(d, REASON_EVICTED, false, walk->w);
    else if (!walk->needed)
        walk->needed = d;
}

void on_daemon_evict(struct request *r)
{
    struct daemon *d = place_daemon_in_path(r, false);
    if (!d)
        return;
    struct evict_walk walk = {.w = wait_of(d)};
    place_instances_each(d, evict_each, &walk);
    if (walk.w->stopped || !walk.needed) {
        wait_for_end(r, walk.w);
        return;
    }
    struct err err = {0};
    stop_wait_free(walk.w);
    err_set(&err, ERR_CONFLICT, 0, "the daemon is not evicted: %s", is_needed_why(walk.needed));
    request_refuse(r, &err, json_pack("{s:o}", "daemon", view_daemon(r->api, walk.needed)));
}

void on_stop_all(struct request *r)
{
    struct stop_wait *w = xcalloc(1, sizeof *w);
    pool_daemons_each(r->api->pool, stop_each,
                      &(struct stop_walk){w, request_bool(r, "now", false)});
    wait_for_end(r, w);
}

/* --- forget --- */

struct forget_walk {
    const struct project *project;
    struct stop_wait *w;
};

static void note_life(void *arg, struct daemon *d)
{
    struct forget_walk *walk = arg;
    if (d->project == walk->project && !is_down(d) && d->id[0])
        strv_add(&walk->w->ids, d->id);
}

void on_project_forget(struct request *r)
{
    struct project *project = place_project_in_path(r);
    struct err err = {0};
    if (!project)
        return;
    struct stop_wait *w = xcalloc(1, sizeof *w);
    char *root = xstrdup(project->root);
    w->forgotten = xstrdup(project->key);
    pool_daemons_each(r->api->pool, note_life, &(struct forget_walk){project, w});
    if (pool_forget(r->api->pool, project, &err)) {
        events_forget(r->api->events, root, w->forgotten);
        wait_for_end(r, w);
    } else {
        request_refuse(r, &err, NULL);
        stop_wait_free(w);
    }
    free(root);
}
