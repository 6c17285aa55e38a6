/* pool/private.c - private daemons ("share": "session"): one per client session, and the spares
 * that wait, warm, for the next one.
 *
 * A private slot is somebody's (is_taken) or a spare. Whose it is, only the front knows; is_claimed
 * says that the front of this poold does. Instance 0 is what commands by project and server mean
 * (ensure): a spare like the others, but its slot stays. */
#include "base/clock.h"
#include "base/log.h"
#include "pool/daemon.h"
#include "pool/records.h"
#include "pool/start.h"

#include <string.h>

#define LOG_MODULE "pool"

bool slot_is_spare(const struct slot *s)
{
    return s->d.is_private && !s->is_taken && !s->is_released && !s->is_unneeded;
}

bool daemon_is_spare(const struct daemon *d)
{
    return slot_is_spare(slot_of_const(d));
}

static bool is_of(const struct slot *s, const struct slot *other)
{
    return s->d.project == other->d.project && strcmp(s->d.server, other->d.server) == 0;
}

/* A spare is as recently used as the sessions that it is there for. */
int64_t private_used_ms(const struct slot *spare)
{
    int64_t used_ms = 0;
    list_each(node, after, &entry_of(spare->d.project)->slots)
    {
        const struct slot *s = container_of(node, struct slot, in_project);
        if (is_of(s, spare) && s->is_taken && s->d.last_use_ms > used_ms)
            used_ms = s->d.last_use_ms;
    }
    return used_ms;
}

/* --- spares --- */

/* Only into a place that is free: nobody goes for a spare. */
static bool has_room(const struct pool *p)
{
    int64_t n = 0, bytes = 0, most = 0, budget = p->config->settings.memory_mib * 1024 * 1024;
    list_each(node, after, &p->slots)
    {
        const struct slot *s = container_of(node, struct slot, in_pool);
        n += s->is_alive || !list_is_empty(&s->in_queue);
        if (s->is_alive && s->d.memory_bytes > 0)
            bytes += s->d.memory_bytes;
        if (s->d.is_private && s->d.memory_bytes > most)
            most = s->d.memory_bytes;
    }
    return n < p->config->settings.max_daemons && (!budget || bytes + most <= budget);
}

static int first_free_instance(const struct project *project, const char *server)
{
    int instance = 1;
    while (pool_slot_find(project, server, instance))
        instance++;
    return instance;
}

/* Failed ones count too: what does not start is not tried again and again for nobody. */
static int64_t count_spares(const struct slot *like)
{
    int64_t n = 0;
    list_each(node, after, &entry_of(like->d.project)->slots)
    {
        const struct slot *s = container_of(node, struct slot, in_project);
        n += is_of(s, like) && slot_is_spare(s) && !s->is_outdated && s->d.state != DAEMON_DOWN &&
             s->d.state != DAEMON_STOPPING && s->d.state != DAEMON_DRAINING;
    }
    return n;
}

void private_top_up(struct slot *taken)
{
    struct pool *p = taken->d.pool;
    const struct config_server *server = slot_server(taken);
    if (!server || server->share != CONFIG_SHARE_SESSION || p->is_stopping_all)
        return;
    for (int64_t n = count_spares(taken); n < server->spares && has_room(p); n++) {
        struct slot *s = pool_slot_make(p, taken->d.project, server->name,
                                        first_free_instance(taken->d.project, server->name));
        daemon_want(&s->d, REASON_SPARE, false);
    }
}

bool private_is_queued_spare(const struct slot *s)
{
    return slot_is_spare(s) && s->start_reason == REASON_SPARE;
}

/* --- sessions --- */

/* How good it is for a new session; 0: not at all. */
static int worth(const struct slot *s, const char *definition)
{
    if (!slot_is_spare(s) || s->is_outdated || strcmp(s->d.definition, definition) != 0)
        return 0;
    return s->d.state == DAEMON_READY ? 3
           : s->d.state == DAEMON_STARTING
               ? 2
               : s->d.state == DAEMON_DOWN || s->d.state == DAEMON_FAILED;
}

static struct slot *best_spare(struct project *project, const char *server)
{
    struct slot *best = NULL;
    int best_worth = 0;
    list_each(node, after, &entry_of(project)->slots)
    {
        struct slot *s = container_of(node, struct slot, in_project);
        char definition[20];
        if (strcmp(s->d.server, server) != 0)
            continue;
        start_definition(s, definition);
        int its = worth(s, definition);
        if (its > best_worth) {
            best = s;
            best_worth = its;
        }
    }
    return best;
}

static void claim(struct slot *s)
{
    s->is_taken = s->is_claimed = true;
    daemon_touch(&s->d);
    slot_save(s);
    pool_wake(s->d.pool, s);
}

struct daemon *pool_slot_private(struct pool *p, struct project *project, const char *server,
                                 struct err *err)
{
    const struct config_server *entry = pool_server(p, project, server, err);
    if (!entry)
        return NULL;
    if (entry->share != CONFIG_SHARE_SESSION) {
        err_set(err, ERR_CONFLICT, 0, "all sessions of a project share server %s", entry->name);
        return NULL;
    }
    struct slot *s = best_spare(project, entry->name);
    bool is_warm = s && (s->d.state == DAEMON_READY || s->d.state == DAEMON_STARTING);
    if (!s)
        s = pool_slot_make(p, project, entry->name, first_free_instance(project, entry->name));
    claim(s);
    if (is_warm) {
        log_info("a session takes a spare", "project=%s server=%s instance=%d daemon=%s",
                 project->key, s->d.server, s->d.instance, s->d.id[0] ? s->d.id : "-");
        private_top_up(s);
    }
    return &s->d;
}

struct daemon *pool_slot_private_of(struct pool *p, struct project *project, const char *server,
                                    const char *id)
{
    struct slot *s = id[0] ? pool_slot_by_id(p, id) : NULL;
    if (!s || !s->d.is_private || !s->is_taken || s->is_claimed || s->is_released ||
        s->d.project != project || strcmp(s->d.server, server) != 0)
        return NULL;
    claim(s);
    return &s->d;
}

void daemon_release(struct daemon *d)
{
    struct slot *s = slot_of(d);
    s->is_claimed = false;
    s->is_released = true;
    slot_event(s, &(struct slot_event){.kind = SLOT_KILL, .reason = REASON_SESSION_OVER});
    pool_wake(d->pool, s);
}

/* --- the end of a slot --- */

static bool is_over(const struct slot *s)
{
    if (s->is_alive || s->d.in_flight || s->d.sessions || !s->d.pool->is_synced)
        return false;
    if (s->is_released)
        return true;
    return s->d.instance > 0 && !s->is_claimed && s->d.state == DAEMON_DOWN;
}

bool private_sweep(struct slot *s)
{
    struct err err = {0};
    if (!s->d.is_private || !is_over(s))
        return false;
    if (s->d.instance == 0) {
        s->is_released = s->is_taken = false;
        slot_save(s);
        return false;
    }
    if (s->d.id[0] && !registry_daemon_drop(s->d.pool->registry, s->d.project->key, s->d.server,
                                            s->d.instance, &err))
        records_lost(s->d.pool, "daemon", &err);
    slot_finish(s);
    return true;
}
