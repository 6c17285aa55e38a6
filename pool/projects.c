/* pool/projects.c - the pool's projects: found, made, trusted, forgotten. */
#include "base/clock.h"
#include "base/log.h"
#include "pool/project.h"
#include "pool/records.h"
#include "pool/start.h"

#include <stdio.h>
#include <string.h>

#define LOG_MODULE "pool"

/* FNV-1a */
static size_t bucket(const char *text)
{
    uint32_t hash = 2166136261u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash % PROJECT_BUCKETS;
}

void pool_projects_init(struct pool *p)
{
    list_init(&p->projects);
    list_init(&p->gone);
    for (size_t i = 0; i < PROJECT_BUCKETS; i++) {
        list_init(&p->by_key[i]);
        list_init(&p->by_root[i]);
    }
}

struct project *pool_project_by_key(struct pool *p, const char *key)
{
    list_each(node, after, &p->by_key[bucket(key)])
    {
        struct project_entry *entry = container_of(node, struct project_entry, in_key);
        if (strcmp(entry->project.key, key) == 0)
            return &entry->project;
    }
    return NULL;
}

static struct project *project_by_root(const struct pool *p, const char *root)
{
    list_each(node, after, &p->by_root[bucket(root)])
    {
        struct project_entry *entry = container_of(node, struct project_entry, in_root);
        if (strcmp(entry->project.root, root) == 0)
            return &entry->project;
    }
    return NULL;
}

void pool_projects_each(struct pool *p, project_fn *each, void *arg)
{
    list_each(node, after, &p->projects)
        each(arg, &container_of(node, struct project_entry, in_pool)->project);
}

struct project *pool_project_adopt(struct pool *p, const struct project_row *row)
{
    struct project_entry *entry = xcalloc(1, sizeof *entry);
    entry->project = (struct project){.key = xstrdup(row->key),
                                      .root = xstrdup(row->root),
                                      .is_trusted = row->is_trusted,
                                      .first_unix_ms = row->first_unix_ms,
                                      .last_unix_ms = row->last_unix_ms};
    snprintf(entry->project.brought_trusted, BROUGHT_CONTENT_SIZE, "%s",
             row->brought ? row->brought : "");
    list_init(&entry->slots);
    list_add_tail(&p->projects, &entry->in_pool);
    list_add_tail(&p->by_key[bucket(row->key)], &entry->in_key);
    list_add_tail(&p->by_root[bucket(row->root)], &entry->in_root);
    return &entry->project;
}

void pool_project_free(struct project_entry *entry)
{
    list_remove(&entry->in_pool);
    list_remove(&entry->in_key);
    list_remove(&entry->in_root);
    servers_forget(entry);
    free(entry->project.key);
    free(entry->project.root);
    free(entry);
}

struct project *pool_project_at_root(struct pool *p, const char *root)
{
    struct project *project = project_by_root(p, root);
    if (project)
        return project;
    char key[PROJECT_KEY_SIZE];
    project_key(root, key);
    int64_t now = clock_unix_ms();
    const struct project_row row = {
        .key = key, .root = root, .first_unix_ms = now, .last_unix_ms = now};
    struct err err = {0};
    if (!registry_project_put(p->registry, &row, &err))
        records_lost(p, "project", &err);
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

bool pool_trust(struct pool *p, struct project *project, bool is_trusted, const char *brought,
                struct err *err)
{
    if (!is_trusted || !brought)
        brought = "";
    if (brought[0] && !servers_are(p, project, brought))
        return err_set(err, ERR_CONFLICT, 0,
                       "the servers that %s brings were changed meanwhile: look at them again",
                       project->root);
    if (!registry_project_trust(p->registry, project->root, is_trusted, brought, err))
        return false;
    log_info(is_trusted ? "project is trusted" : "project is no longer trusted", "project=%s",
             project->key);
    project->is_trusted = is_trusted;
    snprintf(project->brought_trusted, sizeof project->brought_trusted, "%s", brought);
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
    struct project_entry *entry = entry_of(project);
    list_remove(&entry->in_pool);
    list_remove(&entry->in_key);
    list_remove(&entry->in_root);
    list_add_tail(&p->gone, &entry->in_pool);
    pool_wake(p, NULL);
    return true;
}
