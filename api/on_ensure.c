/* api/on_ensure.c - what waits for a start: ensure, restart. With `Accept: application/x-ndjson`
 * the steps are told as they are reached. */
#include "api/handlers.h"
#include "api/json_views.h"
#include "api/places.h"
#include "api/request.h"
#include "api/wire.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

struct start_wait {
    char *key, *server; /* not the slot: a forgotten project takes it away */
    int instance;
    int64_t wait_ms;
    bool is_warm_wanted;
    bool has_warmup; /* the server has a warm-up call to wait for */
    bool is_warm_asked;
    bool was_ready; /* at the beginning: no steps to tell */
    int64_t told[STEP_COUNT];
};

static void start_wait_free(void *state)
{
    struct start_wait *w = state;
    free(w->key);
    free(w->server);
    free(w);
}

static void tell_steps(struct request *r, const struct daemon *d, struct start_wait *w)
{
    if (!request_is_ndjson(r) || w->was_ready)
        return;
    for (int i = 0; i < STEP_COUNT; i++) {
        int64_t ms = d->step_ms[i];
        if (ms >= 0 && ms != w->told[i])
            request_line(r, json_pack("{s:s, s:I}", "step", start_step_word((enum start_step)i),
                                      "ms", (json_int_t)ms));
        w->told[i] = ms;
    }
}

/* Has the warm-up been waited for, if that was wished? */
static bool is_warm_settled(struct daemon *d, struct start_wait *w)
{
    if (!w->is_warm_wanted || !w->has_warmup)
        return true;
    if (!w->is_warm_asked) {
        w->is_warm_asked = true;
        daemon_warm(d);
    }
    return !d->is_warming && d->useful != LAYER_UNKNOWN;
}

static void refuse_failed(struct request *r, const struct daemon *d)
{
    struct err err = {0};
    err_set(&err, ERR_START_FAILED, 0, "%s", d->detail ? d->detail : reason_word(d->reason));
    request_refuse(
        r, &err,
        json_pack("{s:o, s:o}", "tail", view_text(d->tail), "daemon", view_daemon(r->api, d)));
}

static void refuse_late(struct request *r, const struct daemon *d, const struct start_wait *w)
{
    struct err err = {0};
    int last = STEP_QUEUED;
    for (int i = 0; i < STEP_COUNT; i++)
        if (d->step_ms[i] >= 0)
            last = i;
    if (d->state == DAEMON_STARTING && last == STEP_QUEUED && d->detail)
        err_set(&err, ERR_POOL_FULL, 0, "not started after a wait of %.1f s: %s",
                (double)w->wait_ms / 1000.0, d->detail);
    else if (d->state == DAEMON_STARTING)
        err_set(&err, ERR_START_TIMEOUT, 0,
                "still starting after a wait of %.1f s (last step: %s); the start goes on",
                (double)w->wait_ms / 1000.0, start_step_word((enum start_step)last));
    else
        err_set(&err, ERR_START_TIMEOUT, 0, "after a wait of %.1f s the daemon is %s",
                (double)w->wait_ms / 1000.0, daemon_state_word(d->state));
    request_refuse(r, &err, json_pack("{s:o}", "daemon", view_daemon(r->api, d)));
}

static void step(struct request *r, bool is_late)
{
    struct start_wait *w = r->state;
    struct daemon *d = place_instance_find(r->api->pool, w->key, w->server, w->instance);
    struct err err = {0};
    if (!d) {
        err_set(&err, ERR_CONFLICT, 0, "the project was forgotten while its daemon started");
        request_refuse(r, &err, NULL);
        return;
    }
    tell_steps(r, d, w);
    if (d->state == DAEMON_FAILED) {
        refuse_failed(r, d);
    } else if (daemon_is_up(d)) {
        /* A warm-up that takes too long does not make a ready daemon a failure. */
        if (is_warm_settled(d, w) || is_late)
            request_answer(r, 200, view_daemon(r->api, d));
    } else if (d->state == DAEMON_DOWN && !d->is_wanted) {
        const char *why = reason_word(d->reason);
        err_set(&err, ERR_CONFLICT, 0, "the daemon was stopped while it started (%s)%s%s", why,
                d->detail ? ": " : "", d->detail ? d->detail : "");
        request_refuse(r, &err, json_pack("{s:o}", "daemon", view_daemon(r->api, d)));
    } else if (is_late) {
        refuse_late(r, d, w);
    }
}

static bool is_ndjson_wanted(const struct request *r)
{
    const char *accept = request_header(r, "Accept");
    return accept && strstr(accept, API_NDJSON);
}

/* daemon_want has been called: wait for what comes of it. */
static void wait_for_start(struct request *r, struct daemon *d, bool is_warm_wanted)
{
    const struct config_server *server = pool_server(r->api->pool, d->project, d->server, NULL);
    struct start_wait *w = xcalloc(1, sizeof *w);
    w->key = xstrdup(d->project->key);
    w->server = xstrdup(d->server);
    w->instance = d->instance;
    w->wait_ms = request_int(r, "waitMs", server ? server->settings.start_wait_s * 1000 : 50000);
    w->is_warm_wanted = is_warm_wanted;
    w->has_warmup =
        server && server->warmup_tool && !(d->is_private && d->transport == TRANSPORT_STDIO);
    w->was_ready = daemon_is_up(d);
    for (int i = 0; i < STEP_COUNT; i++)
        w->told[i] = -1;
    request_keep(r, w, start_wait_free);
    if (is_ndjson_wanted(r))
        request_ndjson(r);
    step(r, false);
    if (!r->is_answered)
        request_wait(r, w->wait_ms, step);
}

void on_ensure(struct request *r)
{
    struct pool *pool = r->api->pool;
    struct err err = {0};
    struct project *project = place_project(r, true);
    if (!project)
        return;
    bool ok = !request_bool(r, "trust", false) ||
              place_trust(r->api, project, true, request_text(r, "brought"), &err);
    struct daemon *d = ok ? pool_slot(pool, project, request_text(r, "server"), &err) : NULL;
    if (!d) {
        request_refuse(r, &err, NULL);
        return;
    }
    daemon_want(d, REASON_ENSURE, request_bool(r, "force", false));
    bool is_warm_wanted = request_bool(r, "warm", false);
    if (!request_bool(r, "noWait", false))
        wait_for_start(r, d, is_warm_wanted);
    else
        request_answer(r, 200, view_daemon(r->api, d));
}

/* first is started in any case. */
static void restart_each(void *first, struct daemon *d)
{
    if (d == first || daemon_is_up(d) || d->state == DAEMON_STARTING)
        daemon_restart(d, REASON_RESTART);
}

void on_daemon_restart(struct request *r)
{
    struct daemon *d = place_daemon_in_path(r, true);
    if (!d)
        return;
    place_instances_each(d, restart_each, d);
    wait_for_start(r, d, false);
}
