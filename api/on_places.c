/* api/on_places.c - what poold would do for a place: endpoint, why. Starts nothing. */
#include "api/handlers.h"
#include "api/json_views.h"
#include "api/places.h"
#include "api/request.h"
#include "base/str.h"
#include "pool/project.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* --- endpoint --- */

struct known_walk {
    const char *root;
    bool is_found;
};

static void compare(void *arg, struct project *project)
{
    struct known_walk *walk = arg;
    walk->is_found = walk->is_found || strcmp(project->root, walk->root) == 0;
}

static bool is_known(void *arg, const char *root)
{
    struct known_walk walk = {.root = root};
    pool_projects_each(arg, compare, &walk);
    return walk.is_found;
}

/* Root and key of the project that "path" or "project" names, without making it known. */
static bool find(struct request *r, char **root, char key[PROJECT_KEY_SIZE], char how[64],
                 struct err *err)
{
    struct pool *pool = r->api->pool;
    const char *path = request_text(r, "path"), *named = request_text(r, "project");
    if (!path == !named)
        return err_set(err, ERR_BAD_REQUEST, 0,
                       "give \"path\" or \"project\" (a key), and not both");
    if (named) {
        const struct project *project = pool_project_by_key(pool, named);
        if (!project)
            return err_set(err, ERR_NO_PROJECT, 0, "no project with the key \"%.80s\" is known",
                           named);
        *root = xstrdup(project->root);
        snprintf(how, 64, "key");
    } else {
        if (path[0] != '/')
            return err_set(err, ERR_BAD_REQUEST, 0, "\"path\": expected an absolute path");
        if (!project_find_root(path, pool_config(pool)->settings.markers, is_known, pool, root, how,
                               err))
            return false;
    }
    project_key(*root, key);
    return true;
}

void on_endpoint(struct request *r)
{
    struct api *a = r->api;
    struct err err = {0};
    char *root = NULL, key[PROJECT_KEY_SIZE] = "", how[64] = "";
    const struct config_server *server =
        config_find(pool_config(a->pool), request_text(r, "server"), &err);
    if (!server || !find(r, &root, key, how, &err)) {
        request_refuse(r, &err, NULL);
        free(root);
        return;
    }
    const struct daemon *d = place_daemon_find(a->pool, key, server->name);
    const struct project project = {.key = key, .root = root};
    json_t *direct = json_null(), *view = d ? view_daemon(a, d) : NULL;
    if (view)
        direct = json_incref(json_object_get(view, "directUrl"));
    char *url = a->host.front_url(a->host.arg, &project, server->name);
    request_answer(r, 200,
                   json_pack("{s:o, s:s, s:s, s:o, s:o, s:s, s:o}", "project", view_text(root),
                             "projectKey", key, "server", server->name, "url", view_text(url),
                             "directUrl", direct, "state",
                             daemon_state_word(d ? d->state : DAEMON_DOWN), "how", view_text(how)));
    json_decref(view);
    free(url);
    free(root);
}

/* --- why --- */

static void say(json_t *steps, const char *rule, const char *result)
{
    json_array_append_new(steps,
                          json_pack("{s:s, s:o}", "rule", rule, "result", view_text(result)));
}

/* The directory that decides: "path", or that of the process "pid". New, or NULL with err. */
static char *place_of(struct request *r, json_t *steps, struct err *err)
{
    const struct api_host *host = &r->api->host;
    const char *path = request_text(r, "path");
    int pid = (int)request_int(r, "pid", 0);
    char *cwd = NULL, *why = NULL;
    if (!path == !pid) {
        err_set(err, ERR_BAD_REQUEST, 0, "give \"path\" or \"pid\", and not both");
        return NULL;
    }
    if (path && path[0] != '/') {
        err_set(err, ERR_BAD_REQUEST, 0, "\"path\": expected an absolute path");
        return NULL;
    }
    if (path) {
        say(steps, "path", path);
        return xstrdup(path);
    }
    if (!host->cwd_of || !host->cwd_of(host->arg, pid, &cwd, &why)) {
        err_set(err, ERR_NO_PROJECT, 0, "the directory of process %d is not known: %s", pid,
                why ? why : "this system does not tell");
        say(steps, "cwd", err_text(err));
        free(why);
        return NULL;
    }
    char *text = xasprintf("process %d is in %s", pid, cwd);
    say(steps, "cwd", text);
    free(text);
    return cwd;
}

/* A variable whose value is nobody's business on a screen that is shared. */
static bool is_secret(const char *entry)
{
    static const char *const words[] = {"TOKEN",  "SECRET",  "PASSW",      "CREDENTIAL", "API_KEY",
                                        "APIKEY", "PRIVATE", "ACCESS_KEY", "AUTH"};
    char name[128];
    size_t n = 0;
    for (; entry[n] && entry[n] != '=' && n + 1 < sizeof name; n++)
        name[n] = (char)toupper((unsigned char)entry[n]);
    name[n] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(name, words[i]))
            return true;
    return (str_ends(name, "_KEY") && strcmp(name, "POOLD_PROJECT_KEY") != 0) || str_ends(name, "_PAT");
}

static json_t *environment_view(const struct strv *env, bool does_show)
{
    json_t *view = json_object();
    for (size_t i = 0; i < env->count; i++) {
        const char *equals = strchr(env->items[i], '=');
        if (!equals)
            continue;
        char *name = xstrndup(env->items[i], (size_t)(equals - env->items[i]));
        bool is_hidden = !does_show && is_secret(env->items[i]);
        json_t *value = is_hidden ? json_string("***") : view_text(equals + 1);
        json_object_set_new(view, name, json_is_null(value) ? json_string("") : value);
        free(name);
    }
    return view;
}

static json_t *texts_view(const struct strv *texts)
{
    json_t *list = json_array();
    for (size_t i = 0; i < texts->count; i++)
        json_array_append_new(list,
                              texts->items[i][0] ? view_text(texts->items[i]) : json_string(""));
    return list;
}

/* What a start would use; what is wrong with it is an answer here, not an error. */
static void put_start(json_t *view, struct daemon *d, bool does_show)
{
    struct strv argv = {0}, env = {0};
    char *cwd = NULL;
    struct err err = {0};
    bool ok = daemon_describe(d, &argv, &env, &cwd, &err);
    json_object_set_new(view, "argv", ok ? texts_view(&argv) : json_null());
    json_object_set_new(view, "cwd", ok ? view_text(cwd) : json_null());
    json_object_set_new(view, "environment", ok ? environment_view(&env, does_show) : json_null());
    json_object_set_new(view, "startProblem", ok ? json_null() : view_text(err_text(&err)));
    strv_finish(&argv);
    strv_finish(&env);
    free(cwd);
}

static json_t *why_view(struct request *r, struct daemon *d, const char *how, json_t *steps)
{
    struct api *a = r->api;
    char *url = a->host.front_url(a->host.arg, d->project, d->server);
    const char *marker = str_starts(how, "marker:") ? how + strlen("marker:") : NULL;
    json_t *view =
        json_pack("{s:s, s:o, s:s, s:s, s:o, s:b, s:s, s:s, s:o, s:O}", "rule",
                  request_text(r, "path") ? "path" : "cwd", "project", view_text(d->project->root),
                  "projectKey", d->project->key, "how", how, "marker", view_text(marker), "trusted",
                  d->project->is_trusted, "server", d->server, "state", daemon_state_word(d->state),
                  "url", view_text(url), "steps", steps);
    put_start(view, d, request_bool(r, "showSecrets", false));
    free(url);
    return view;
}

void on_why(struct request *r)
{
    struct pool *pool = r->api->pool;
    struct err err = {0};
    char how[64] = "";
    json_t *steps = json_array();
    char *place = place_of(r, steps, &err);
    struct project *project = place ? pool_project_at(pool, place, how, &err) : NULL;
    struct daemon *d = project ? pool_slot(pool, project, request_text(r, "server"), &err) : NULL;
    if (project) {
        char *text = xasprintf("%s (%s)", project->root, how);
        say(steps, "project", text);
        free(text);
    } else if (place) {
        say(steps, "project", err_text(&err));
    }
    if (d)
        request_answer(r, 200, why_view(r, d, how, steps));
    else
        request_refuse(r, &err, json_pack("{s:O}", "steps", steps));
    json_decref(steps);
    free(place);
}
