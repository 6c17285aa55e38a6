/* cli/doctor_project.c - doctor's check whether a request from a directory finds its project. */
#include "cli/call.h"
#include "cli/doctor.h"
#include "cli/offline.h"
#include "cli/output.h"
#include "cli/target.h"

#include <string.h>
#include <unistd.h>

static void add_found(struct doctor *d, const char *root, const char *how)
{
    char *shown = say_path(root);
    doctor_add(d, "project", DOCTOR_OK, xasprintf("%s%s%s", shown, *how ? ", by " : "", how), NULL);
    free(shown);
}

static void add_missing(struct doctor *d, const char *why)
{
    char *at = say_quoted(d->at);
    doctor_add(d, "project", d->is_asked ? DOCTOR_PROBLEM : DOCTOR_NOT_APPLICABLE, xstrdup(why),
               d->is_asked ? xasprintf("poolctl ensure %s   (makes it a project; / and home are "
                                       "none)",
                                       at)
                           : NULL);
    free(at);
}

static void ask(struct doctor *d)
{
    struct target t = {0};
    struct err err = {0};
    json_t *why = NULL;
    if (!target_from(d->at, &t, &err)) {
        add_missing(d, err_text(&err));
        return;
    }
    char *query = target_query(&t), *target = xasprintf("/endpoint?%s", query);
    if (call_get(d->cli, target, &why, &err))
        add_found(d, field_text(why, "project"), field_text(why, "how"));
    else if (err.code == ERR_NO_PROJECT)
        add_missing(d, *field_text(d->cli->problem, "detail")
                           ? field_text(d->cli->problem, "detail")
                           : err_text(&err));
    else
        doctor_add(d, "project", DOCTOR_NOT_APPLICABLE, xstrdup(err_text(&err)), NULL);
    json_decref(why);
    free(query);
    free(target);
    target_finish(&t);
}

/* Has the directory one of the markers (".git,.hg")? */
static bool has_marker(const char *dir, const char *markers, char **which)
{
    for (const char *at = markers; *at;) {
        size_t n = strcspn(at, ",");
        char *name = xstrndup(at, n), *file = str_path(dir, name);
        bool is = n && access(file, F_OK) == 0;
        free(file);
        if (is) {
            *which = name;
            return true;
        }
        free(name);
        at += n + (at[n] == ',');
    }
    return false;
}

/* The nearest ancestor with a marker, below the home directory and /. New string, or NULL. */
static char *nearest_marked(const char *path, const char *markers, char **which)
{
    char *home = getenv("HOME") ? realpath(getenv("HOME"), NULL) : NULL, *dir = xstrdup(path);
    while (strcmp(dir, "/") != 0 && !str_equal(dir, home)) {
        if (has_marker(dir, markers, which)) {
            free(home);
            return dir;
        }
        char *slash = strrchr(dir, '/');
        slash[slash == dir] = '\0';
    }
    free(home);
    free(dir);
    return NULL;
}

/* poold is down: what it knows, else the markers. */
static void look(struct doctor *d)
{
    struct err ignored = {0};
    char *key = NULL, *path = realpath(d->at, NULL), *which = NULL;
    const char *markers = d->config ? d->config->settings.markers : ".git";
    if (offline_key(d->cli, d->at, &key, &ignored)) {
        doctor_add(d, "project", DOCTOR_OK, xasprintf("%s is known", key), NULL);
    } else {
        char *root = path ? nearest_marked(path, markers, &which) : NULL;
        char *shown = say_clean(path ? path : d->at);
        char *why = xasprintf("no project from %s: neither it nor a directory above it is known or "
                              "has a marker (%s); / and home are none",
                              shown, markers);
        if (root)
            add_found(d, root, which);
        else
            add_missing(d, why);
        free(why);
        free(shown);
        free(root);
    }
    free(which);
    free(path);
    free(key);
}

void doctor_project(struct doctor *d)
{
    if (d->answers)
        ask(d);
    else
        look(d);
}
