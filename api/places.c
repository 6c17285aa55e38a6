/* api/places.c - see places.h. */
#include "api/places.h"

#include "api/events.h"
#include "api/request.h"
#include "base/str.h"

static struct project *by_key(struct request *r, const char *key)
{
    struct project *project = pool_project_by_key(r->api->pool, key);
    if (!project) {
        struct err err = {0};
        err_set(&err, ERR_NO_PROJECT, 0, "no project with the key \"%.80s\" is known", key);
        request_refuse(r, &err, NULL);
    }
    return project;
}

struct project *place_project(struct request *r, bool does_make)
{
    const char *path = request_text(r, "path"), *key = request_text(r, "project");
    struct err err = {0};
    char how[64];
    struct project *project = NULL;
    if (key && !path)
        return by_key(r, key);
    if (!path || key)
        err_set(&err, ERR_BAD_REQUEST, 0, "give \"path\" or \"project\" (a key), and not both");
    else if (path[0] != '/')
        err_set(&err, ERR_BAD_REQUEST, 0, "\"path\": expected an absolute path, found \"%.200s\"",
                path);
    else
        project = does_make ? pool_project_make(r->api->pool, path, how, &err)
                            : pool_project_at(r->api->pool, path, how, &err);
    if (!project)
        request_refuse(r, &err, NULL);
    return project;
}

struct project *place_project_in_path(struct request *r)
{
    return by_key(r, request_text(r, "key"));
}

bool place_trust(struct api *a, struct project *project, bool is_trusted, const char *brought,
                 struct err *err)
{
    bool was_trusted = project->is_trusted;
    if (!pool_trust(a->pool, project, is_trusted, brought, err))
        return false;
    if (is_trusted != was_trusted)
        events_trust(a->events, project);
    return true;
}

struct find_walk {
    const char *key, *server;
    int instance; /* -1: the best one */
    struct daemon *found;
};

static bool is_better(const struct daemon *a, const struct daemon *b)
{
    if (!b || daemon_is_up(a) != daemon_is_up(b))
        return !b || daemon_is_up(a);
    return a->instance < b->instance;
}

static void find(void *arg, struct daemon *d)
{
    struct find_walk *walk = arg;
    if (!str_equal(d->project->key, walk->key) || !str_equal(d->server, walk->server))
        return;
    if (walk->instance < 0 ? is_better(d, walk->found) : d->instance == walk->instance)
        walk->found = d;
}

struct daemon *place_instance_find(struct pool *pool, const char *key, const char *server,
                                   int instance)
{
    struct find_walk walk = {.key = key, .server = server, .instance = instance};
    pool_daemons_each(pool, find, &walk);
    return walk.found;
}

struct daemon *place_daemon_find(struct pool *pool, const char *key, const char *server)
{
    return place_instance_find(pool, key, server, -1);
}

struct instances_walk {
    const struct daemon *of;
    daemon_fn *each;
    void *arg;
};

static void pass_instance(void *arg, struct daemon *d)
{
    struct instances_walk *walk = arg;
    if (d->project == walk->of->project && str_equal(d->server, walk->of->server))
        walk->each(walk->arg, d);
}

void place_instances_each(const struct daemon *d, daemon_fn *each, void *arg)
{
    pool_daemons_each(d->pool, pass_instance, &(struct instances_walk){d, each, arg});
}

struct daemon *place_daemon_in_path(struct request *r, bool does_make)
{
    const char *server = request_text(r, "server");
    struct project *project = place_project_in_path(r);
    struct err err = {0};
    if (!project)
        return NULL;
    struct daemon *d = place_daemon_find(r->api->pool, project->key, server);
    if (d)
        return d;
    if (does_make)
        d = pool_slot(r->api->pool, project, server, &err);
    else if (config_find(pool_config(r->api->pool), server, &err))
        err_set(&err, ERR_NOT_FOUND, 0, "the server \"%.100s\" has never been started for %.200s",
                server, project->root);
    if (!d)
        request_refuse(r, &err, NULL);
    return d;
}
