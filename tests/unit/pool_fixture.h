/* tests/unit/pool_fixture.h - a pool over the fake runtime, with a real loop and a registry of its
 * own: for test_pool.c and test_pool_lines.c. Include after cmocka.h. */
#pragma once
#include "base/clock.h"
#include "base/log.h"
#include "pool/serena.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "tests/unit/fake_runtime.h"
#include "tests/unit/scratch.h"

static struct ev_loop *loop;
static struct registry *registry;
static struct config *config;
static struct pool *pool;
static char state_dir[128];
static int changes;

/* --- the loop, until something is so --- */

static inline void on_guard(struct ev_loop *l, struct ev_timer *t, int events)
{
    (void)l;
    (void)t;
    (void)events;
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        struct ev_timer guard;                                                                     \
        int64_t limit_ms = clock_ms() + 20000;                                                     \
        ev_timer_init(&guard, on_guard, 0.05, 0.05);                                               \
        ev_timer_start(loop, &guard);                                                              \
        while (!(condition) && clock_ms() < limit_ms)                                              \
            ev_run(loop, EVRUN_ONCE);                                                              \
        ev_timer_stop(loop, &guard);                                                               \
        if (!(condition))                                                                          \
            fail_msg("never came: %s", #condition);                                                \
    } while (0)

/* Let the loop turn for a while, to see that nothing happens. */
static inline void turn(int64_t ms)
{
    int64_t end_ms = clock_ms() + ms;
    UNTIL(clock_ms() >= end_ms);
}

/* --- making and unmaking --- */

static const char servers[] =
    "\"mcpServers\":{"
    "\"web\":{\"command\":\"web\",\"args\":[\"${POOLD_PORT}\"],\"type\":\"http\"},"
    "\"warm\":{\"command\":\"web\",\"args\":[\"${POOLD_PORT}\"],\"type\":\"http\","
    "\"warmup\":{\"tool\":\"find\",\"arguments\":{\"a\":1}}},"
    "\"kept\":{\"command\":\"web\",\"args\":[\"${POOLD_PORT}\"],\"type\":\"http\",\"evict\":false},"
    "\"lines\":{\"command\":\"web\",\"type\":\"stdio\"},"
    "\"own\":{\"command\":\"web\",\"share\":\"session\"},"
    "\"spared\":{\"command\":\"web\",\"share\":\"session\",\"spares\":2,"
    "\"warmup\":{\"tool\":\"find\"}},"
    "\"loose\":{\"command\":\"web\",\"args\":[\"${NO_SUCH_WORD}\",\"${POOLD_PORT}\"],"
    "\"type\":\"http\"}}";

static inline struct config *configure(const char *settings, const char *instead)
{
    struct err err = {0};
    char *text = xasprintf("{%s%s\"defaultServer\":\"web\",%s}", settings, *settings ? "," : "",
                           instead ? instead : servers);
    struct config *c = config_parse("test.conf", text, strlen(text), serena_builtin_json(), &err);
    if (!c)
        fail_msg("%s", err_text(&err));
    free(text);
    return c;
}

static inline void on_change(void *arg, struct daemon *d)
{
    (void)arg;
    (void)d;
    changes++;
}

static inline void create(void)
{
    struct err err = {0};
    const struct pool_places places = {state_dir, state_dir, state_dir, "none"};
    pool = pool_create_with(loop, &places, config, registry, 1, &err);
    if (!pool)
        fail_msg("%s", err_text(&err));
    pool_listen(pool, &(struct pool_listener){.on_change = on_change});
    fake.pool = pool;
    fake.is_destroyed = false;
    pool_run_with(pool, &fake_runtime);
}

/* A pool with these settings ("\"idleSeconds\":1"), adoption done. */
static inline void begin(const char *settings)
{
    config = configure(settings, NULL);
    create();
    UNTIL(pool_is_synced(pool));
}

static inline int setup(void **state)
{
    struct err err = {0};
    char *damaged = NULL;
    if (scratch_make(state))
        return -1;
    log_set_level(getenv("TEST_LOG") ? LOG_DEBUG : LOG_ERROR);
    loop = ev_default_loop(0);
    snprintf(state_dir, sizeof state_dir, "%s", scratch);
    fake = (struct fake){.is_automatic = true, .memory_bytes = 1024};
    changes = 0;
    if (!registry_open(scratch_path("registry.db"), &registry, &damaged, &err))
        fail_msg("%s", err_text(&err));
    return 0;
}

static inline void end(void)
{
    pool_destroy(pool);
    pool = NULL;
    assert_true(fake.is_destroyed);
    turn(60); /* what the fake still has in the loop ends */
}

static inline int teardown(void **state)
{
    if (pool)
        end();
    config_free(config);
    config = NULL;
    registry_close(registry);
    return scratch_remove(state);
}

static inline struct project *project(const char *name)
{
    struct err err = {0};
    char how[64];
    mkdir(scratch_path(name), 0700);
    struct project *p = pool_project_make(pool, scratch_path(name), how, &err);
    if (!p)
        fail_msg("%s", err_text(&err));
    return p;
}

static inline struct daemon *slot(const char *name, const char *server)
{
    struct err err = {0};
    struct daemon *d = pool_slot(pool, project(name), server, &err);
    if (!d)
        fail_msg("%s", err_text(&err));
    return d;
}

/* A daemon that is up and idle. */
static inline struct daemon *ready(const char *name, const char *server)
{
    struct daemon *d = slot(name, server);
    daemon_want(d, REASON_ENSURE, false);
    UNTIL(d->state == DAEMON_READY);
    return d;
}

static inline struct fake_life *life(const struct daemon *d)
{
    return fake_life_of(d->id);
}

struct wanted_event {
    const char *event, *reason;
    int count;
};

static inline void see_history(void *arg, const struct history_row *row)
{
    struct wanted_event *w = arg;
    w->count += strcmp(row->event, w->event) == 0 && strcmp(row->reason, w->reason) == 0;
}

/* How many history rows there are with this event and reason. */
static inline int history(const char *event, const char *reason)
{
    struct wanted_event w = {event, reason, 0};
    struct err err = {0};
    assert_true(registry_history(registry, NULL, 1000, see_history, &w, &err));
    return w.count;
}
