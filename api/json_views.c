/* api/json_views.c - see json_views.h. */
#include "api/json_views.h"

#include "base/clock.h"
#include "base/str.h"

#include <string.h>

#define EXITS_SHOWN 5
#define EXITS_SEARCHED 50 /* newest rows of the project's history looked through for them */

/* --- words --- */

json_t *view_time(int64_t unix_ms)
{
    char text[CLOCK_TEXT_SIZE];
    return unix_ms > 0 ? json_string(clock_text(unix_ms, text)) : json_null();
}

json_t *view_number(int64_t value)
{
    return value < 0 ? json_null() : json_integer(value);
}

/* Length of the UTF-8 character at s, 0 if it is none. */
static size_t utf8_length(const unsigned char *s)
{
    size_t n = *s < 0x80                 ? 1
               : *s >= 0xc2 && *s < 0xe0 ? 2
               : *s >= 0xe0 && *s < 0xf0 ? 3
               : *s >= 0xf0 && *s < 0xf5 ? 4
                                         : 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    /* overlong forms and surrogates */
    if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) || (*s == 0xf0 && s[1] < 0x90) ||
        (*s == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

json_t *view_text(const char *text)
{
    if (!text || !*text)
        return json_null();
    json_t *value = json_string(text);
    if (value)
        return value;
    char *copy = xstrdup(text);
    for (char *c = copy; *c;) {
        size_t n = utf8_length((const unsigned char *)c);
        if (n == 0)
            *c = '?';
        c += n ? n : 1;
    }
    value = json_string(copy);
    free(copy);
    return value;
}

json_t *view_warnings(const struct config *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->warnings.count; i++)
        json_array_append_new(list, view_text(c->warnings.items[i]));
    return list;
}

static void put(json_t *object, const char *name, json_t *value)
{
    json_object_set_new(object, name, value);
}

const char *view_transport(enum transport t)
{
    return t == TRANSPORT_SSE ? "sse" : t == TRANSPORT_STDIO ? "stdio" : "http";
}

/* --- daemons --- */

json_t *view_health(const struct daemon *d)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "process", layer_word(d->process), "accepts",
                     layer_word(d->accepts), "mcp", layer_word(d->mcp), "useful",
                     layer_word(d->useful), "cause", view_text(d->cause));
}

static json_t *steps_of(const struct daemon *d)
{
    static const char *const names[STEP_COUNT] = {"queuedMs", "spawnedMs", "portOpenMs",
                                                  "handshakeMs", "warmMs"};
    json_t *steps = json_object();
    for (int i = 0; i < STEP_COUNT; i++)
        put(steps, names[i], view_number(d->step_ms[i]));
    return steps;
}

/* The last step reached of the start under way. */
static json_t *step_of(const struct daemon *d)
{
    int last = -1;
    for (int i = 0; i < STEP_COUNT; i++)
        if (d->step_ms[i] >= 0)
            last = i;
    return d->state == DAEMON_STARTING && last >= 0
               ? json_string(start_step_word((enum start_step)last))
               : json_null();
}

static json_t *direct_url_of(const struct daemon *d)
{
    if (!d->port || d->transport == TRANSPORT_STDIO)
        return json_null();
    return json_sprintf("http://127.0.0.1:%d/%s", d->port,
                        d->transport == TRANSPORT_SSE ? "sse" : "mcp");
}

static json_t *positive(int64_t value)
{
    return value > 0 ? json_integer(value) : json_null();
}

static void put_use(json_t *view, const struct daemon *d)
{
    const char *why = NULL;
    int64_t evict_ms = daemon_evict_in_ms(d, &why);
    bool is_idle = d->state == DAEMON_READY && d->in_flight == 0;
    int64_t now_ms = clock_ms();
    put(view, "sessions", json_integer(d->sessions));
    put(view, "inFlight", json_integer(d->in_flight));
    put(view, "memoryBytes", view_number(d->memory_bytes));
    put(view, "cpuMs", view_number(d->cpu_ms));
    put(view, "idleMs",
        is_idle ? json_integer(now_ms - (d->last_use_ms > d->state_since_ms ? d->last_use_ms
                                                                            : d->state_since_ms))
                : json_null());
    put(view, "evictInMs", view_number(evict_ms));
    put(view, "evictWhy", evict_ms < 0 ? view_text(why) : json_null());
}

static void put_past(json_t *view, const struct daemon *d)
{
    int64_t retry_ms = d->retry_at_ms - clock_ms();
    put(view, "startedAt", view_time(d->started_unix_ms));
    put(view, "readyAt", view_time(d->ready_unix_ms));
    put(view, "reason", view_text(reason_word(d->reason)));
    put(view, "detail", view_text(d->detail));
    put(view, "tail", view_text(d->tail));
    put(view, "retryInMs",
        d->state == DAEMON_FAILED ? json_integer(retry_ms > 0 ? retry_ms : 0) : json_null());
    put(view, "step", step_of(d));
    put(view, "steps", steps_of(d));
    put(view, "starts", json_integer(d->starts));
    put(view, "usualStartMs", positive(d->usual_start_ms));
}

json_t *view_daemon(const struct api *api, const struct daemon *d)
{
    json_t *view = json_object();
    char *url = api->host.front_url(api->host.arg, d->project, d->server);
    put(view, "project", view_text(d->project->root));
    put(view, "projectKey", json_string(d->project->key));
    put(view, "server", view_text(d->server));
    put(view, "instance", json_integer(d->instance));
    put(view, "private", json_boolean(d->is_private));
    put(view, "spare", json_boolean(daemon_is_spare(d)));
    put(view, "state", json_string(daemon_state_word(d->state)));
    put(view, "health", view_health(d));
    put(view, "daemonId", view_text(d->id));
    put(view, "generation", json_integer(d->generation));
    put(view, "pid", positive(d->pid));
    put(view, "keeperPid", positive(d->keeper_pid));
    put(view, "port", positive(d->port));
    put(view, "url", view_text(url));
    put(view, "directUrl", direct_url_of(d));
    put_use(view, d);
    put_past(view, d);
    put(view, "pinned", json_boolean(d->is_pinned));
    put(view, "trusted", json_boolean(d->project->is_trusted));
    put(view, "transport", json_string(view_transport(d->transport)));
    put(view, "logFile", view_text(daemon_log_path(d)));
    free(url);
    return view;
}

struct clients_walk {
    const struct daemon *d;
    json_t *into;
};

static void client_add(void *arg, const struct api_session *s)
{
    struct clients_walk *walk = arg;
    if (!str_equal(s->project_key, walk->d->project->key) || !str_equal(s->server, walk->d->server))
        return;
    json_array_append_new(walk->into,
                          json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:b}", "client",
                                    view_text(s->client), "transport", view_text(s->transport),
                                    "pid", positive(s->pid), "cwd", view_text(s->cwd), "program",
                                    view_text(s->program), "route", view_text(s->route), "inFlight",
                                    s->in_flight, "oldestCallMs", view_number(s->oldest_call_ms),
                                    "lastUseAt", view_time(s->last_use_unix_ms), "hasStream",
                                    s->has_stream));
}

static void exit_add(void *arg, const struct history_row *row)
{
    struct clients_walk *walk = arg;
    bool is_end = str_equal(row->event, "end") || str_equal(row->event, "fail");
    if (is_end && str_equal(row->server, walk->d->server) &&
        json_array_size(walk->into) < EXITS_SHOWN)
        json_array_append_new(walk->into, view_history(row, walk->d->project->root));
}

json_t *view_daemon_full(const struct api *api, const struct daemon *d)
{
    json_t *view = view_daemon(api, d), *clients = json_array(), *exits = json_array();
    api->host.sessions_each(api->host.arg, client_add, &(struct clients_walk){d, clients});
    put(view, "clients", clients);
    struct err err = {0};
    /* Without the registry the list stays empty; /health says that it fails. */
    if (!registry_history(api->registry, d->project->key, EXITS_SEARCHED, exit_add,
                          &(struct clients_walk){d, exits}, &err))
        json_array_clear(exits);
    put(view, "lastExits", exits);
    return view;
}

/* --- projects, history, problems --- */

struct project_walk {
    const struct api *api;
    const struct project *project;
    json_t *into;
};

static void daemon_add(void *arg, struct daemon *d)
{
    struct project_walk *walk = arg;
    if (d->project == walk->project)
        json_array_append_new(walk->into, view_daemon(walk->api, d));
}

json_t *view_project(const struct api *api, const struct project *project)
{
    json_t *daemons = json_array();
    pool_daemons_each(api->pool, daemon_add, &(struct project_walk){api, project, daemons});
    return json_pack("{s:o, s:s, s:b, s:o, s:o, s:o}", "project", view_text(project->root),
                     "projectKey", project->key, "trusted", project->is_trusted, "firstUsedAt",
                     view_time(project->first_unix_ms), "lastUsedAt",
                     view_time(project->last_unix_ms), "daemons", daemons);
}

json_t *view_history(const struct history_row *row, const char *root)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "at",
                     view_time(row->at_unix_ms), "project", view_text(root), "projectKey",
                     view_text(row->project_key), "server", view_text(row->server), "daemonId",
                     view_text(row->daemon_id), "event", view_text(row->event), "reason",
                     view_text(row->reason), "detail", view_text(row->detail), "tookMs",
                     view_number(row->took_ms));
}

json_t *view_problem(int status, const struct err *err, json_t *more)
{
    const struct err_row *row = err_row(err->code);
    json_t *problem = json_object();
    put(problem, "type", json_sprintf("urn:poold:error:%s", row->name));
    put(problem, "title", json_string(row->meaning));
    put(problem, "status", json_integer(status));
    put(problem, "detail", view_text(err_text(err)));
    put(problem, "code", json_string(row->name));
    if (more)
        json_object_update_missing(problem, more);
    json_decref(more);
    return problem;
}
