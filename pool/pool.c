/* pool/pool.c - the set: projects, slots, the start queue, adoption, and who is told. */
#include "base/clock.h"
#include "base/log.h"
#include "pool/daemon.h"
#include "pool/records.h"
#include "pool/shell_path.h"
#include "pool/start.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_MODULE "pool"
#define TIDY_S 60

/* --- settings --- */

const struct config_server *slot_server(const struct slot *s)
{
    return pool_server(s->d.pool, s->d.project, s->d.server, NULL);
}

const struct settings *slot_settings(const struct slot *s)
{
    const struct config_server *server = slot_server(s);
    return server ? &server->settings : &s->d.pool->config->settings;
}

const struct config *pool_config(const struct pool *p)
{
    return p->config;
}

static int64_t starts_at_once(const struct pool *p)
{
    int64_t n = p->config->settings.max_starts;
    if (n == 0)
        n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? n : 1;
}

/* --- slots --- */

struct slot *pool_slot_find(const struct project *project, const char *server, int instance)
{
    const struct project_entry *entry = container_of(project, const struct project_entry, project);
    list_each(node, after, &entry->slots)
    {
        struct slot *s = container_of(node, struct slot, in_project);
        if (s->d.instance == instance && strcmp(s->d.server, server) == 0)
            return s;
    }
    return NULL;
}

/* Ids are random, so are their first characters. */
static struct list *bucket_of(struct pool *p, const char *id)
{
    unsigned char first = (unsigned char)id[0], second = first ? (unsigned char)id[1] : 0;
    return &p->by_id[(first * 31u + second) % ID_BUCKETS];
}

struct slot *pool_slot_by_id(struct pool *p, const char *id)
{
    list_each(node, after, bucket_of(p, id))
    {
        struct slot *s = container_of(node, struct slot, in_id);
        if (strcmp(s->d.id, id) == 0)
            return s;
    }
    return NULL;
}

void slot_set_id(struct slot *s, const char *id)
{
    snprintf(s->d.id, sizeof s->d.id, "%s", id);
    list_remove(&s->in_id);
    list_add_tail(bucket_of(s->d.pool, s->d.id), &s->in_id);
}

struct slot *pool_slot_make(struct pool *p, struct project *project, const char *server,
                            int instance)
{
    struct slot *s = pool_slot_find(project, server, instance);
    if (s)
        return s;
    s = xcalloc(1, sizeof *s);
    slot_init(s, p, project, server, instance);
    list_add_tail(&p->slots, &s->in_pool);
    list_add_tail(&entry_of(project)->slots, &s->in_project);
    start_definition(s, s->d.definition);
    const struct config_server *entry = slot_server(s);
    if (entry)
        s->d.transport = (enum transport)entry->transport;
    s->d.is_private = instance > 0 || (entry && entry->share == CONFIG_SHARE_SESSION);
    return s;
}

struct daemon *pool_slot(struct pool *p, struct project *project, const char *server,
                         struct err *err)
{
    const struct config_server *entry = pool_server(p, project, server, err);
    if (!entry)
        return NULL;
    return &pool_slot_make(p, project, entry->name, 0)->d;
}

struct daemon *pool_daemon_by_id(struct pool *p, const char *id)
{
    struct slot *s = pool_slot_by_id(p, id);
    return s ? &s->d : NULL;
}

void pool_daemons_each(struct pool *p, daemon_fn *each, void *arg)
{
    list_each(node, after, &p->slots)
    {
        struct slot *s = container_of(node, struct slot, in_pool);
        if (s->is_unneeded)
            continue;
        health_glance(s);
        each(arg, &s->d);
    }
}

struct slot *pool_evictable(struct pool *p)
{
    size_t n = 0;
    list_each(node, after, &p->slots) n++;
    struct evict_view *views = xcalloc(n, sizeof *views);
    struct slot **slots = xcalloc(n, sizeof *slots);
    n = 0;
    list_each(node, after, &p->slots)
    {
        struct slot *s = container_of(node, struct slot, in_pool);
        if (s->d.state != DAEMON_READY)
            continue;
        slots[n] = s;
        views[n++] = slot_view(s);
    }
    size_t first = evict_first(views, n);
    struct slot *found = first == SIZE_MAX ? NULL : slots[first];
    free(views);
    free(slots);
    return found;
}

/* --- the start queue --- */

struct census {
    int64_t alive, starting, leaving;
};

static struct census count(const struct pool *p)
{
    struct census c = {0};
    list_each(node, after, &p->slots)
    {
        const struct slot *s = container_of(node, struct slot, in_pool);
        if (!s->is_alive)
            continue;
        c.alive++;
        c.starting += s->d.state == DAEMON_STARTING;
        c.leaving += s->d.state == DAEMON_STOPPING || s->d.state == DAEMON_DRAINING;
    }
    return c;
}

/* Room for one more, or the way to it: an idle one is asked to go. */
static bool make_room(struct pool *p, struct slot *next, const struct census *c)
{
    int64_t most = p->config->settings.max_daemons;
    if (c->alive < most)
        return true;
    if (c->leaving > 0)
        return false;
    struct slot *victim = pool_evictable(p);
    if (victim) {
        daemon_stop(&victim->d, REASON_POOL_FULL, false);
        return false;
    }
    if (!next->d.detail) {
        char *detail = xasprintf("the pool is full: all %lld daemons (maxDaemons) are busy, pinned "
                                 "or may not be evicted; it waits for a place",
                                 (long long)most);
        str_replace(&next->d.detail, detail);
        free(detail);
        log_warn("pool is full", "project=%s server=%s daemons=%lld", next->d.project->key,
                 next->d.server, (long long)most);
        pool_wake(p, next);
    }
    return false;
}

/* First in, first out, but spares after all that somebody waits for. */
static struct slot *next_in_queue(const struct pool *p)
{
    list_each(node, after, &p->queue)
    {
        struct slot *s = container_of(node, struct slot, in_queue);
        if (!private_is_queued_spare(s))
            return s;
    }
    return container_of(p->queue.next, struct slot, in_queue);
}

static void serve_queue(struct pool *p)
{
    if (!p->is_synced || shell_path_is_awaited(p))
        return;
    while (!list_is_empty(&p->queue)) {
        struct slot *next = next_in_queue(p);
        struct census c = count(p);
        if (private_is_queued_spare(next) && c.alive >= p->config->settings.max_daemons) {
            daemon_stop(&next->d, REASON_POOL_FULL, true); /* it waits for nobody */
            continue;
        }
        if (c.starting >= starts_at_once(p) || !make_room(p, next, &c))
            return;
        slot_launch(next);
    }
}

/* --- who is told, and what goes --- */

void pool_listen(struct pool *p, const struct pool_listener *listener)
{
    assert(p->listener_count < sizeof p->listeners / sizeof *p->listeners);
    p->listeners[p->listener_count++] = *listener;
}

void pool_wake(struct pool *p, struct slot *changed)
{
    if (changed && list_is_empty(&changed->in_changed))
        list_add_tail(&p->changed, &changed->in_changed);
    if (ev_is_active(&p->wake))
        return;
    ev_timer_set(&p->wake, 0, 0);
    ev_timer_start(p->loop, &p->wake);
}

/* Forgotten projects whose daemons are gone, and private daemons whose sessions are. */
static void sweep(struct pool *p)
{
    list_each(node, after, &p->slots)
    {
        struct slot *s = container_of(node, struct slot, in_pool);
        if (s->is_unneeded && !s->is_alive && !s->d.in_flight && !s->d.sessions)
            slot_finish(s);
        else if (!s->is_unneeded)
            private_sweep(s);
    }
    list_each(node, after, &p->gone)
    {
        struct project_entry *entry = container_of(node, struct project_entry, in_pool);
        if (list_is_empty(&entry->slots))
            pool_project_free(entry);
    }
}

static void tell_adopted(struct pool *p, struct slot *s)
{
    if (!s->is_adopted || s->is_adoption_told || !daemon_is_up(&s->d))
        return;
    s->is_adoption_told = true;
    for (size_t i = 0; i < p->listener_count; i++)
        if (p->listeners[i].on_adopted)
            p->listeners[i].on_adopted(p->listeners[i].arg, &s->d);
}

static void on_wake(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct pool *p = timer->data;
    servers_follow_edits(p);
    serve_queue(p);
    struct list told;
    list_init(&told);
    list_each(node, after, &p->changed)
    {
        list_remove(node);
        list_add_tail(&told, node);
    }
    while (!list_is_empty(&told)) {
        struct slot *s = container_of(told.next, struct slot, in_changed);
        list_remove(&s->in_changed);
        tell_adopted(p, s);
        for (size_t i = 0; i < p->listener_count; i++)
            if (p->listeners[i].on_change)
                p->listeners[i].on_change(p->listeners[i].arg, &s->d);
    }
    sweep(p);
    /* What ran before us is known, and ended too, only once adoption is complete. */
    if (p->stopped && p->is_synced && count(p).alive == 0) {
        void (*stopped)(void *) = p->stopped;
        p->stopped = NULL;
        stopped(p->stopped_arg);
    }
}

static void on_tidy(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct pool *p = timer->data;
    registry_tick(p->registry, clock_ms());
    records_check(p);
}

/* --- what the runtime says --- */

static void stop_each(struct pool *p)
{
    list_each(node, after, &p->slots)
    {
        struct slot *s = container_of(node, struct slot, in_pool);
        if (s->d.state != DAEMON_FAILED)
            daemon_stop(&s->d, p->stop_reason, true);
    }
}

static void on_synced(struct pool *p)
{
    p->is_synced = true;
    if (p->is_stopping_all)
        stop_each(p);
    records_settle(p);
    log_info("adoption is complete", "daemons=%lld", (long long)count(p).alive);
    pool_wake(p, NULL);
}

static void on_found(struct pool *p, const struct run_event *run)
{
    struct project *project = pool_project_by_key(p, run->project_key);
    if (!project && run->project[0] != '/')
        return; /* a keeper of some other making */
    if (!project)
        project = pool_project_at_root(p, run->project);
    struct slot *s = pool_slot_make(p, project, run->server, run->instance);
    if (s->is_alive && strcmp(s->d.id, run->daemon_id) != 0) {
        log_warn("a second daemon of one project is ended", "project=%s daemon=%s", project->key,
                 run->daemon_id);
        p->runtime.stop(p->runtime.self, run->daemon_id, 5000, reason_word(REASON_RESTART));
        return;
    }
    slot_event(s, &(struct slot_event){.kind = SLOT_FOUND, .run = run});
}

void pool_on_run_event(void *arg, const struct run_event *run)
{
    static const enum slot_event_kind kinds[] = {
        [RUN_STARTED] = SLOT_STARTED,       [RUN_TRY_NOW] = SLOT_PORT_OPEN,
        [RUN_PORT_TAKEN] = SLOT_PORT_TAKEN, [RUN_EXITED] = SLOT_EXITED,
        [RUN_ENDING] = SLOT_ENDING,         [RUN_LOST] = SLOT_LOST,
        [RUN_FOUND] = SLOT_FOUND,
    };
    struct pool *p = arg;
    if (run->kind == RUN_SYNCED) {
        on_synced(p);
        return;
    }
    if (run->kind == RUN_FOUND) {
        on_found(p, run);
        return;
    }
    struct slot *s = pool_slot_by_id(p, run->daemon_id);
    if (!s || !s->is_alive || s->d.generation != run->generation)
        return; /* news of a life that is over */
    if (run->kind == RUN_LINE) {
        lines_take(s, run->line, run->line_size);
        return;
    }
    if (run->kind == RUN_ROOM) {
        lines_room(s);
        return;
    }
    slot_event(s, &(struct slot_event){.kind = kinds[run->kind], .run = run});
}

/* --- the whole --- */

struct pool *pool_create_with(struct ev_loop *loop, const struct pool_places *places,
                              const struct config *config, struct registry *registry, int64_t epoch,
                              struct err *err)
{
    struct pool *p = xcalloc(1, sizeof *p);
    p->loop = loop;
    p->places = *places;
    p->config = config;
    p->registry = registry;
    p->epoch = epoch;
    pool_projects_init(p);
    list_init(&p->slots);
    list_init(&p->queue);
    list_init(&p->changed);
    for (size_t i = 0; i < ID_BUCKETS; i++)
        list_init(&p->by_id[i]);
    ev_timer_init(&p->wake, on_wake, 0, 0);
    p->wake.data = p;
    ev_timer_init(&p->tidy, on_tidy, TIDY_S, TIDY_S);
    p->tidy.data = p;
    memory_init(p);
    records_init(p);
    if (!records_load(p, err)) {
        pool_destroy(p);
        return NULL;
    }
    ev_timer_start(loop, &p->tidy);
    records_check(p);
    return p;
}

void pool_run_with(struct pool *p, const struct runtime *runtime)
{
    p->runtime = *runtime;
    p->runtime.sync(p->runtime.self);
}

struct pool *pool_create(struct ev_loop *loop, const struct pool_places *places,
                         const struct config *config, struct registry *registry, int64_t epoch,
                         struct err *err)
{
    struct runtime runtime;
    struct pool *p = pool_create_with(loop, places, config, registry, epoch, err);
    if (!p)
        return NULL;
    if (!runtime_local_create(loop, places->run_dir, epoch, places->keeper_program,
                              pool_on_run_event, p, &runtime, err)) {
        pool_destroy(p);
        return NULL;
    }
    pool_run_with(p, &runtime);
    shell_path_begin(p);
    return p;
}

void pool_destroy(struct pool *p)
{
    if (!p)
        return;
    list_each(node, after, &p->slots) slot_finish(container_of(node, struct slot, in_pool));
    if (p->runtime.destroy)
        p->runtime.destroy(p->runtime.self);
    shell_path_end(p);
    ev_timer_stop(p->loop, &p->wake);
    ev_timer_stop(p->loop, &p->usage);
    ev_timer_stop(p->loop, &p->tidy);
    records_end(p);
    list_each(known, next, &p->projects)
        pool_project_free(container_of(known, struct project_entry, in_pool));
    list_each(gone, last, &p->gone)
        pool_project_free(container_of(gone, struct project_entry, in_pool));
    free(p);
}

void pool_reconfigure(struct pool *p, const struct config *config)
{
    p->config = config;
    if (p->shell_path) /* it is asked at all: not in a pool over a runtime of the caller's */
        shell_path_begin(p);
    pool_find_outdated(p, NULL);
    list_each(node, after, &p->slots)
    {
        struct slot *s = container_of(node, struct slot, in_pool);
        if (s->d.state == DAEMON_READY)
            slot_deadline_idle(s);
        s->d.retry_at_ms = 0; /* what made a start fail may be mended: the next one is tried */
    }
    memory_check(p);
    pool_wake(p, NULL);
}

void pool_stop_all(struct pool *p, enum reason why, void (*done)(void *arg), void *arg)
{
    p->is_stopping_all = true;
    p->stopped = done;
    p->stopped_arg = arg;
    p->stop_reason = why;
    stop_each(p);
    pool_wake(p, NULL);
}

bool pool_is_synced(const struct pool *p)
{
    return p->is_synced;
}
