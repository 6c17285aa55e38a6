/* cli/target.c - see target.h. */
#include "cli/target.h"

#include "cli/call.h"
#include "cli/field.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool make_absolute(const char *arg, char **out, struct err *err)
{
    if (arg[0] == '/') {
        *out = xstrdup(arg);
        return true;
    }
    char *here = getcwd(NULL, 0);
    if (!here)
        return err_set(err, ERR_NO_PROJECT, errno, "unable to tell the present directory");
    *out = strcmp(arg, ".") == 0 ? xstrdup(here) : str_path(here, arg);
    free(here);
    return true;
}

bool target_from(const char *arg, struct target *out, struct err *err)
{
    struct target t = {0};
    struct stat st;
    bool is_there = stat(arg, &st) == 0;
    if (!*arg)
        return err_set(err, ERR_USAGE, 0, "DIR is empty");
    if (!is_there && !strchr(arg, '/') && arg[0] != '.')
        t.name = xstrdup(arg);
    else if (!make_absolute(arg, &t.path, err))
        return false;
    *out = t;
    return true;
}

void target_finish(struct target *t)
{
    free(t->path);
    free(t->name);
    free(t->key);
    free(t->root);
    free(t->server);
    *t = (struct target){0};
}

char *target_query(const struct target *t)
{
    char *value = call_escape(t->path ? t->path : t->name);
    char *query = xasprintf("%s=%s", t->path ? "path" : "project", value);
    free(value);
    return query;
}

void target_to_body(const struct target *t, json_t *body)
{
    json_object_set_new(body, t->path ? "path" : "project",
                        json_string(t->path ? t->path : t->name));
}

/* A project whose directory has gone is still known by its root. */
static bool find_gone(struct cli *cli, struct target *t, struct err *err)
{
    struct stat st;
    json_t *projects, *p;
    size_t i;
    if (!t->path || stat(t->path, &st) == 0 || !call_get(cli, "/projects", &projects, err))
        return false;
    json_array_foreach(projects, i, p)
    {
        if (strcmp(field_text(p, "project"), t->path) == 0) {
            free(t->path);
            t->path = NULL;
            t->name = xstrdup(field_text(p, "projectKey"));
            break;
        }
    }
    json_decref(projects);
    return t->name || err_set(err, ERR_NO_PROJECT, 0,
                              "%s is neither a directory nor a known project", t->path);
}

bool target_resolve(struct cli *cli, struct target *t, const char *server, struct err *err)
{
    struct stat st;
    if (t->path && stat(t->path, &st) != 0 && !find_gone(cli, t, err))
        return false;
    char *query = target_query(t), *name = server ? call_escape(server) : NULL;
    char *target = xasprintf("/endpoint?%s%s%s", query, name ? "&server=" : "", name ? name : "");
    json_t *endpoint = NULL;
    bool ok = call_get(cli, target, &endpoint, err);
    free(query);
    free(name);
    free(target);
    if (ok) {
        t->key = xstrdup(field_text(endpoint, "projectKey"));
        t->root = xstrdup(field_text(endpoint, "project"));
        t->server = xstrdup(field_text(endpoint, "server"));
    }
    json_decref(endpoint);
    return ok;
}

bool target_of(struct cli *cli, struct target *out, struct err *err)
{
    struct target t = {0};
    if (!target_from(cli_arg(cli, 0, "."), &t, err))
        return false;
    if (!target_resolve(cli, &t, cli_text(cli, "server"), err)) {
        target_finish(&t);
        return false;
    }
    *out = t;
    return true;
}

bool target_daemons(struct cli *cli, const struct target *t, json_t **out, struct err *err)
{
    json_t *all, *d, *mine = json_array();
    const char *server = cli_text(cli, "server");
    size_t i;
    if (!call_synced(cli, NULL, err) || !call_get(cli, "/daemons", &all, err)) {
        json_decref(mine);
        return false;
    }
    json_array_foreach(all, i, d)
    {
        if (strcmp(field_text(d, "projectKey"), t->key) == 0 &&
            (!server || strcmp(field_text(d, "server"), server) == 0))
            json_array_append(mine, d);
    }
    json_decref(all);
    *out = mine;
    return true;
}

char *target_slot(const char *key, const char *server, const char *tail)
{
    char *k = call_escape(key), *s = call_escape(server);
    for (char *slash; (slash = strchr(s, '/'));) { /* a server's name may hold one */
        char *more = xasprintf("%.*s%%2F%s", (int)(slash - s), s, slash + 1);
        free(s);
        s = more;
    }
    char *target = xasprintf("/daemons/%s/%s%s", k, s, tail);
    free(k);
    free(s);
    return target;
}
