/* cli/offline.c - see offline.h. */
#include "cli/offline.h"

#include "base/clock.h"
#include "cli/field.h"
#include "platform/proc.h"
#include "registry/registry.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool offline_take_over(struct err *err)
{
    if (err->code != ERR_NOT_RUNNING)
        return false;
    fputs("poold is not running; last known state:\n", stderr);
    err_clear(err);
    return true;
}

/* *out NULL and true: there is no registry yet. */
static bool open_registry(struct cli *cli, struct registry **out, struct err *err)
{
    const struct dirs *dirs;
    if (!cli_dirs(cli, &dirs, err))
        return false;
    char *file = str_path(dirs->state_dir, "registry.db");
    *out = NULL;
    bool ok =
        (access(file, F_OK) != 0 && errno == ENOENT) || registry_open_readonly(file, out, err);
    free(file);
    return ok;
}

/* Projects by key, as {"key":{"root","trusted"}}. */
static void add_project(void *arg, const struct project_row *row)
{
    json_t *p = json_object();
    json_object_set_new(p, "root", json_string(row->root));
    json_object_set_new(p, "trusted", json_boolean(row->is_trusted));
    json_object_set_new(arg, row->key, p);
}

static bool is_alive(int64_t pid)
{
    return pid > 0 && proc_start_time((pid_t)pid) != 0;
}

static void set_time(json_t *object, const char *name, int64_t unix_ms)
{
    char text[CLOCK_TEXT_SIZE];
    json_object_set_new(object, name,
                        unix_ms ? json_string(clock_text(unix_ms, text)) : json_null());
}

static void set_pid(json_t *object, const char *name, int64_t pid, bool is_shown)
{
    json_object_set_new(object, name, is_shown ? json_integer(pid) : json_null());
}

struct collecting {
    json_t *projects, *out;
};

/* What only a running poold knows is null, so that the shape is the same. */
static void set_unknown(json_t *d)
{
    static const char *const names[] = {
        "url",      "sessions", "inFlight",  "memoryBytes", "cpuMs",  "idleMs",      "evictInMs",
        "evictWhy", "tail",     "retryInMs", "step",        "starts", "usualStartMs"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        json_object_set_new(d, names[i], json_null());
}

/* A daemon that lives can be reached without poold. */
static json_t *direct_url(const struct daemon_row *row, bool lives)
{
    if (!lives || !row->port || strcmp(row->transport, "stdio") == 0)
        return json_null();
    return json_sprintf("http://127.0.0.1:%lld/%s", (long long)row->port,
                        strcmp(row->transport, "sse") == 0 ? "sse" : "mcp");
}

static void add_daemon(void *arg, const struct daemon_row *row)
{
    struct collecting *c = arg;
    const json_t *project = json_object_get(c->projects, row->project_key);
    bool lives = !row->ended_unix_ms && (is_alive(row->keeper_pid) || is_alive(row->pid));
    const char *state = lives || strcmp(row->state, "failed") == 0 ? row->state : "down";
    json_t *d = json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s, s:s, s:n}}", "project",
                          field_text(project, "root"), "projectKey", row->project_key, "server",
                          row->server, "state", state, "health", "process", "unknown", "accepts",
                          "unknown", "mcp", "unknown", "useful", "unknown", "cause");
    json_object_set_new(d, "instance", json_integer(row->instance));
    json_object_set_new(d, "private", json_boolean(row->instance > 0));
    json_object_set_new(d, "spare", json_boolean(row->instance > 0 && !row->is_taken));
    json_object_set_new(d, "daemonId", json_string(row->id));
    json_object_set_new(d, "generation", json_integer(row->generation));
    set_pid(d, "pid", row->pid, lives && is_alive(row->pid));
    set_pid(d, "keeperPid", row->keeper_pid, lives && is_alive(row->keeper_pid));
    json_object_set_new(d, "port", row->port ? json_integer(row->port) : json_null());
    json_object_set_new(d, "directUrl", direct_url(row, lives));
    set_unknown(d);
    json_object_set_new(d, "transport", json_string(row->transport));
    set_time(d, "startedAt", row->started_unix_ms);
    set_time(d, "readyAt", row->ready_unix_ms);
    set_time(d, "endedAt", row->ended_unix_ms);
    json_object_set_new(d, "reason", json_string(row->reason));
    json_object_set_new(d, "detail", json_string(row->detail));
    json_object_set_new(d, "pinned", json_boolean(row->is_pinned));
    json_object_set_new(d, "trusted", json_boolean(field_flag(project, "trusted")));
    json_array_append_new(c->out, d);
}

static void add_history(void *arg, const struct history_row *row)
{
    struct collecting *c = arg;
    json_t *h = json_object();
    const char *root = field_text(json_object_get(c->projects, row->project_key), "root");
    set_time(h, "at", row->at_unix_ms);
    json_object_set_new(h, "project", *root ? json_string(root) : json_null());
    json_object_set_new(h, "projectKey", json_string(row->project_key));
    json_object_set_new(h, "server", json_string(row->server));
    json_object_set_new(h, "daemonId", json_string(row->daemon_id));
    json_object_set_new(h, "event", json_string(row->event));
    json_object_set_new(h, "reason", json_string(row->reason));
    json_object_set_new(h, "detail", json_string(row->detail));
    json_object_set_new(h, "tookMs", row->took_ms < 0 ? json_null() : json_integer(row->took_ms));
    json_array_append_new(c->out, h);
}

enum what { DAEMONS, HISTORY };

static bool collect(struct cli *cli, enum what what, const char *key, int64_t limit, json_t **out,
                    struct err *err)
{
    struct registry *r;
    if (!open_registry(cli, &r, err))
        return false;
    struct collecting c = {.projects = json_object(), .out = json_array()};
    bool ok = !r || registry_projects(r, add_project, c.projects, err);
    if (ok && r)
        ok = what == DAEMONS ? registry_daemons(r, add_daemon, &c, err)
                             : registry_history(r, key, limit, add_history, &c, err);
    registry_close(r);
    json_decref(c.projects);
    if (ok)
        *out = c.out;
    else
        json_decref(c.out);
    return ok;
}

bool offline_daemons(struct cli *cli, json_t **out, struct err *err)
{
    return collect(cli, DAEMONS, NULL, 0, out, err);
}

bool offline_history(struct cli *cli, const char *key, int64_t limit, json_t **out, struct err *err)
{
    return collect(cli, HISTORY, key, limit, out, err);
}

/* Is path in root, or root itself? */
static bool is_within(const char *path, const char *root)
{
    size_t n = strlen(root);
    return strncmp(path, root, n) == 0 && (path[n] == '/' || !path[n]);
}

static const char *nearest_key(json_t *projects, const char *arg, const char *path)
{
    const char *key, *best = NULL;
    size_t best_len = 0;
    json_t *p;
    json_object_foreach(projects, key, p)
    {
        const char *root = field_text(p, "root");
        if (strcmp(key, arg) == 0)
            return key;
        if (strlen(root) > best_len && is_within(path, root)) {
            best = key;
            best_len = strlen(root);
        }
    }
    return best;
}

bool offline_key(struct cli *cli, const char *arg, char **key, struct err *err)
{
    struct registry *r;
    if (!open_registry(cli, &r, err))
        return false;
    json_t *projects = json_object();
    bool ok = !r || registry_projects(r, add_project, projects, err);
    registry_close(r);
    char *path = realpath(arg, NULL);
    const char *found = nearest_key(projects, arg, path ? path : arg);
    if (ok && found)
        *key = xstrdup(found);
    else if (ok)
        ok = err_set(err, ERR_NO_PROJECT, 0,
                     "no project is known for %s, and poold is not running to look for one", arg);
    free(path);
    json_decref(projects);
    return ok;
}

bool offline_has_living(struct cli *cli)
{
    struct err ignored = {0};
    json_t *all = NULL, *d;
    size_t i;
    bool lives = false;
    if (!offline_daemons(cli, &all, &ignored))
        return false;
    json_array_foreach(all, i, d) lives =
        lives || field_number(d, "pid", 0) || field_number(d, "keeperPid", 0);
    json_decref(all);
    return lives;
}

struct remembered {
    const char *kind;
    json_t *newest;
};

static void take_known(void *arg, const struct known_row *row)
{
    struct remembered *r = arg;
    if (!r->newest && strcmp(row->kind, r->kind) == 0) /* newest first */
        r->newest = json_loads(row->result, 0, NULL);
}

bool offline_known(struct cli *cli, const char *key, const char *server, const char *kind,
                   json_t **out, struct err *err)
{
    struct registry *r;
    struct remembered remembered = {.kind = kind};
    if (!open_registry(cli, &r, err))
        return false;
    bool ok = !r || registry_known(r, key, server, take_known, &remembered, err);
    registry_close(r);
    if (ok)
        *out = remembered.newest;
    else
        json_decref(remembered.newest);
    return ok;
}
