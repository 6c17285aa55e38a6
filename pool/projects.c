/* pool/projects.c - the pool's projects: found, made, trusted, forgotten. */
#include "base/clock.h"
#include "base/log.h"
#include "pool/project.h"
#include "pool/start.h"

#include <stdio.h>
#include <string.h>

#define LOG_MODULE "pool"

struct project *pool_project_by_key(struct pool *p, const char *key)
{
    for (size_t i = 0; i < p->project_count; i++)
        if (strcmp(p->projects[i]->key, key) == 0)
            return p->projects[i];
    return NULL;
}

static struct project *project_by_root(const struct pool *p, const char *root)
{
    for (size_t i = 0; i < p->project_count; i++)
        if (strcmp(p->projects[i]->root, root) == 0)
            return p->projects[i];
    return NULL;
}

void pool_projects_each(struct pool *p, project_fn *each, void *arg)
{
    for (size_t i = 0; i < p->project_count; i++)
        each(arg, p->projects[i]);
}

struct project *pool_project_adopt(struct pool *p, const struct project_row *row)
{
    struct project *project = xcalloc(1, sizeof *project);
    *project = (struct project){xstrdup(row->key), xstrdup(row->root), row->is_trusted,
                                row->first_unix_ms, row->last_unix_ms};
    if (p->project_count == p->project_room) {
        p->project_room = p->project_room ? p->project_room * 2 : 16;
        p->projects = xrealloc(p->projects, p->project_room * sizeof(*p->projects));
    }
    p->projects[p->project_count++] = project;
    return project;
}

struct project *pool_project_at_root(struct pool *p, const char *root)
{
    struct project *project = project_by_root(p, root);
    if (project)
        return project;
    char key[PROJECT_KEY_SIZE];
    project_key(root, key);
    int64_t now = clock_unix_ms();
    const struct project_row row = {key, root, false, now, now};
    struct err err = {0};
    if (!registry_project_put(p->registry, &row, &err))
        log_warn("the registry did not take a project", "root=%s error=%s", log_quote(root),
                 log_quote(err_text(&err)));
    log_info("project is new", "project=%s root=%s", key, log_quote(root));
    return pool_project_adopt(p, &row);
}

static bool is_known(void *arg, const char *root)
{
    return project_by_root(arg, root) != NULL;
}

struct project *pool_project_at(struct pool *p, const char *path, char how[64], struct err *err)
{
    char *root = NULL, how_found[64];
    if (!project_find_root(path, p->config->settings.markers, is_known, p, &root, how_found, err))
        return NULL;
    struct project *project = pool_project_at_root(p, root);
    free(root);
    memcpy(how, how_found, sizeof how_found);
    return project;
}

struct project *pool_project_make(struct pool *p, const char *path, char how[64], struct err *err)
{
    struct err ignored = {0};
    struct project *found = pool_project_at(p, path, how, &ignored);
    if (found)
        return found;
    char *root = NULL;
    if (!project_canonical(path, &root, err))
        return NULL;
    found = pool_project_at_root(p, root);
    free(root);
    snprintf(how, 64, "made");
    return found;
}

void pool_find_outdated(struct pool *p, const struct project *only)
{
    list_each(node, after, &p->slots)
    {
        struct slot *s = container_of(node, struct slot, in_pool);
        char now[20];
        if (only && s->d.project != only)
            continue;
        start_definition(s, now);
        if (!s->is_alive) {
            snprintf(s->d.definition, sizeof s->d.definition, "%s", now);
            continue;
        }
        s->is_outdated = strcmp(now, s->d.definition) != 0;
        if (s->d.state == DAEMON_READY)
            slot_rest(s);
    }
}

bool pool_trust(struct pool *p, struct project *project, bool is_trusted, struct err *err)
{
    if (!registry_project_trust(p->registry, project->root, is_trusted, err))
        return false;
    log_info(is_trusted ? "project is trusted" : "project is no longer trusted", "project=%s",
             project->key);
    project->is_trusted = is_trusted;
    pool_find_outdated(p, project);
    return true;
}

bool pool_forget(struct pool *p, struct project *project, struct err *err)
{
    if (!registry_project_forget(p->registry, project->key, err))
        return false;
    log_info("project is forgotten", "project=%s", project->key);
    list_each(node, after, &p->slots)
    {
        struct slot *s = container_of(node, struct slot, in_pool);
        if (s->d.project != project)
            continue;
        s->is_unneeded = true;
        daemon_stop(&s->d, REASON_FORGOTTEN, true);
    }
    for (size_t i = 0; i < p->project_count; i++)
        if (p->projects[i] == project)
            p->projects[i] = p->projects[--p->project_count];
    p->gone = xrealloc(p->gone, (p->gone_count + 1) * sizeof(*p->gone));
    p->gone[p->gone_count++] = project;
    pool_wake(p, NULL);
    return true;
}
