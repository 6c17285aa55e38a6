/* pool/servers.c - which server a name means for a project: the user's own configuration first,
 * then what the project brings itself and was trusted for (config/brought.h). */
#include "base/clock.h"
#include "pool/slot.h"

#include <string.h>
#include <sys/stat.h>

#define LOOK_MS 1000 /* between two looks at a project's files */

/* Changes whenever one of the project's files does. */
static uint64_t stamp_of(const char *root)
{
    uint64_t stamp = 14695981039346656037u;
    for (const char *const *file = brought_files(); *file; file++) {
        struct stat st = {0};
        char *path = str_path(root, *file);
        bool is_there = stat(path, &st) == 0;
        free(path);
        const uint64_t seen[] = {is_there, (uint64_t)st.st_ino, (uint64_t)st.st_size,
                                 (uint64_t)st.st_mtime, (uint64_t)st.st_ctime};
        for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
            stamp = (stamp ^ seen[i]) * 1099511628211u;
    }
    return stamp;
}

static const struct brought *brought_now(struct pool *p, struct project_entry *entry)
{
    int64_t now_ms = clock_ms();
    if (entry->brought && now_ms - entry->brought_ms < LOOK_MS)
        return entry->brought;
    uint64_t stamp = stamp_of(entry->project.root);
    if (!entry->brought || entry->brought_stamp != stamp) {
        if (entry->brought) { /* an edit: what runs of it goes, but not from inside of this */
            p->has_edited = entry->is_edited = true;
            pool_wake(p, NULL);
        }
        brought_free(entry->brought);
        entry->brought = brought_read(entry->project.root, &p->config->settings);
    }
    entry->brought_stamp = stamp;
    entry->brought_ms = now_ms;
    return entry->brought;
}

void servers_follow_edits(struct pool *p)
{
    if (!p->has_edited)
        return;
    p->has_edited = false;
    list_each(node, after, &p->projects)
    {
        struct project_entry *entry = container_of(node, struct project_entry, in_pool);
        if (!entry->is_edited)
            continue;
        entry->is_edited = false;
        pool_find_outdated(p, &entry->project);
    }
}

void servers_forget(struct project_entry *entry)
{
    brought_free(entry->brought);
    entry->brought = NULL;
}

bool servers_are(struct pool *p, struct project *project, const char *content)
{
    struct project_entry *entry = entry_of(project);
    servers_forget(entry);
    return strcmp(brought_now(p, entry)->content, content) == 0;
}

static bool is_trusted_for(const struct project *project, const struct brought *b)
{
    return project->is_trusted && b->content[0] &&
           strcmp(project->brought_trusted, b->content) == 0;
}

const struct config_server *pool_server(struct pool *p, struct project *project, const char *name,
                                        struct err *err)
{
    struct err own = {0};
    const struct config_server *server = config_find(p->config, name, &own);
    const struct brought *b = !server && name && project ? brought_now(p, entry_of(project)) : NULL;
    const struct brought_server *found = b ? brought_find(b, name) : NULL;
    if (server)
        return server;
    if (found && is_trusted_for(project, b))
        return found->server;
    if (found)
        err_set(err, ERR_DENIED, 0,
                "%s is a server that %s of %s brings, but %s: `poolctl trust %s` shows what it "
                "would run, and asks",
                name, found->file, project->root,
                project->is_trusted && project->brought_trusted[0]
                    ? "what the project brings was changed since it was trusted"
                    : "the project is not trusted for it",
                project->root);
    else if (err)
        *err = own;
    return NULL;
}
