/* api/on_status.c - poold itself: history, settings, reload, health, version, shutdown. */
#include "api/handlers.h"
#include "api/json_views.h"
#include "api/places.h"
#include "api/request.h"
#include "base/clock.h"
#include "base/str.h"

#include <string.h>
#include <unistd.h>

/* --- history --- */

#define HISTORY_DEFAULT 100

struct history_walk {
    struct pool *pool;
    json_t *into;
};

static void history_add(void *arg, const struct history_row *row)
{
    struct history_walk *walk = arg;
    const struct project *project = pool_project_by_key(walk->pool, row->project_key);
    json_array_append_new(walk->into, view_history(row, project ? project->root : NULL));
}

void on_history(struct request *r)
{
    struct err err = {0};
    const struct project *project = NULL;
    if (request_text(r, "project") || request_text(r, "path")) {
        project = place_project(r, false);
        if (!project)
            return;
    }
    struct history_walk walk = {.pool = r->api->pool, .into = json_array()};
    if (registry_history(r->api->registry, project ? project->key : NULL,
                         request_int(r, "limit", HISTORY_DEFAULT), history_add, &walk, &err)) {
        request_answer(r, 200, walk.into);
        return;
    }
    json_decref(walk.into);
    request_refuse(r, &err, NULL);
}

/* --- settings --- */

static json_t *setting_value(const struct settings *s, const struct setting *row)
{
    if (row->type == SETTING_INT)
        return json_integer(setting_number(s, row));
    char *text = setting_text(s, row);
    json_t *value = json_string(text);
    free(text);
    return value;
}

static json_t *setting_view(const struct settings *now, const struct settings *standard,
                            const struct setting *row)
{
    bool has_range = row->type == SETTING_INT || row->type == SETTING_RANGE;
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:s, s:b, s:b}", "value", setting_value(now, row),
                     "default", setting_value(standard, row), "unit", view_text(row->unit), "min",
                     has_range ? json_integer(row->min) : json_null(), "max",
                     has_range ? json_integer(row->max) : json_null(), "help", row->sentence,
                     "perServer", row->scope == SCOPE_BOTH, "reloadable", row->is_reloadable);
}

static json_t *settings_view(const struct settings *now)
{
    struct settings standard;
    size_t count;
    const struct setting *rows = setting_rows(&count);
    json_t *view = json_object();
    settings_defaults(&standard);
    for (size_t i = 0; i < count; i++)
        json_object_set_new(view, rows[i].name, setting_view(now, &standard, &rows[i]));
    settings_finish(&standard);
    return view;
}

void on_settings(struct request *r)
{
    const struct config *c = pool_config(r->api->pool);
    char *text = config_print(c, false);
    json_t *printed = json_loads(text, 0, NULL);
    json_t *servers = json_object_get(printed, "mcpServers");
    request_answer(r, 200,
                   json_pack("{s:o, s:b, s:o, s:o, s:o, s:o}", "file", view_text(c->file),
                             "fileExists", c->file_exists, "loadedAt", view_time(c->loaded_unix_ms),
                             "settings", settings_view(&c->settings), "mcpServers",
                             servers ? json_incref(servers) : json_object(), "warnings",
                             view_warnings(c)));
    json_decref(printed);
    free(text);
}

void on_reload(struct request *r)
{
    struct api_host *host = &r->api->host;
    struct err err = {0};
    if (!host->reload(host->arg, &err)) {
        request_refuse(r, &err, NULL);
        return;
    }
    const struct config *c = pool_config(r->api->pool);
    request_answer(
        r, 200, json_pack("{s:o, s:o}", "file", view_text(c->file), "warnings", view_warnings(c)));
}

/* --- health --- */

struct count_walk {
    int64_t states[DAEMON_STATE_COUNT];
    int64_t orphans, sessions;
};

static void count_daemon(void *arg, struct daemon *d)
{
    struct count_walk *walk = arg;
    walk->states[d->state]++;
    /* Its keeper is gone; what it left is being ended. */
    if (d->state == DAEMON_STOPPING && d->reason == REASON_KEEPER_LOST)
        walk->orphans++;
}

static void count_session(void *arg, const struct api_session *s)
{
    (void)s;
    ((struct count_walk *)arg)->sessions++;
}

static void ignore_row(void *arg, const struct history_row *row)
{
    (void)arg, (void)row;
}

void on_health(struct request *r)
{
    struct api *a = r->api;
    struct count_walk walk = {0};
    struct err err = {0};
    pool_daemons_each(a->pool, count_daemon, &walk);
    a->host.sessions_each(a->host.arg, count_session, &walk);
    json_t *daemons = json_object();
    for (int i = 0; i < DAEMON_STATE_COUNT; i++)
        json_object_set_new(daemons, daemon_state_word((enum daemon_state)i),
                            json_integer(walk.states[i]));
    bool is_readable = registry_history(a->registry, NULL, 1, ignore_row, NULL, &err);
    const char *problem = registry_problem(a->registry);
    if (!problem && !is_readable)
        problem = err_text(&err);
    request_answer(r, 200,
                   json_pack("{s:s, s:i, s:I, s:b, s:o, s:I, s:s, s:o, s:I}", "status",
                             problem ? "degraded" : "ok", "pid", (int)getpid(), "uptimeMs",
                             (json_int_t)(clock_unix_ms() - a->host.started_unix_ms), "synced",
                             pool_is_synced(a->pool), "daemons", daemons, "sessions",
                             (json_int_t)walk.sessions, "registry", problem ? "failed" : "ok",
                             "registryProblem",
                             view_text(problem), "orphans",
                             (json_int_t)walk.orphans));
}

/* --- version, shutdown --- */

void on_version(struct request *r)
{
    const struct api_host *host = &r->api->host;
    request_answer(
        r, 200,
        json_pack("{s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:o}", "version", POOLD_VERSION, "api", "v1",
                  "pid", (int)getpid(), "startedAt", view_time(host->started_unix_ms), "configFile",
                  view_text(host->config_file), "stateDir", view_text(host->state_dir), "runDir",
                  view_text(host->run_dir), "listen", view_text(host->listen)));
}

void on_shutdown(struct request *r)
{
    bool does_keep = request_bool(r, "keepDaemons", false);
    r->is_shutdown = true;
    r->does_keep_daemons = does_keep;
    request_answer(r, 202, json_pack("{s:b}", "keepDaemons", does_keep));
}
