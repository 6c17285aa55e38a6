/* pool/memory.c - what the daemons' trees use, asked of their keepers, and the pool's budget. */
#include "base/clock.h"
#include "base/log.h"
#include "pool/daemon.h"

#include <stdlib.h>

#define LOG_MODULE "pool"
#define FIRST_MS 5000 /* after a daemon became ready */
#define NEXT_MS 30000 /* while any is up */

static void arm(struct pool *p, int64_t in_ms)
{
    ev_timer_stop(p->loop, &p->usage);
    ev_now_update(p->loop);
    ev_timer_set(&p->usage, (double)in_ms / 1000.0, 0);
    ev_timer_start(p->loop, &p->usage);
}

static void on_usage(void *arg, const char *daemon_id, const struct run_usage *usage)
{
    struct pool *p = arg;
    struct slot *s = pool_slot_by_id(p, daemon_id);
    if (!s || !s->is_alive)
        return;
    s->d.memory_bytes = usage->pss_bytes > 0 ? usage->pss_bytes : usage->rss_bytes;
    s->d.cpu_ms = usage->cpu_ms;
    memory_check(p);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct pool *p = timer->data;
    bool is_any = false;
    list_each(node, after, &p->slots)
    {
        struct slot *s = container_of(node, struct slot, in_pool);
        if (!daemon_is_up(&s->d))
            continue;
        is_any = true;
        p->runtime.usage(p->runtime.self, s->d.id, on_usage, p);
    }
    if (is_any)
        arm(p, NEXT_MS);
}

void memory_init(struct pool *p)
{
    ev_timer_init(&p->usage, on_timer, 0, 0);
    p->usage.data = p;
}

void memory_begin(struct pool *p, bool is_settled)
{
    arm(p, is_settled ? 0 : FIRST_MS);
}

void memory_check(struct pool *p)
{
    int64_t budget = p->config->settings.memory_mib * 1024 * 1024, sum = 0;
    if (!budget)
        return;
    list_each(node, after, &p->slots)
    {
        const struct slot *s = container_of(node, struct slot, in_pool);
        if (s->is_alive && s->d.memory_bytes > 0)
            sum += s->d.memory_bytes;
        if (s->d.state == DAEMON_STOPPING || s->d.state == DAEMON_DRAINING)
            return; /* wait until its memory is back before another one has to go */
    }
    struct slot *first = sum > budget ? pool_evictable(p) : NULL;
    if (!first)
        return;
    log_info("memory budget is exceeded", "used_mib=%lld budget_mib=%lld",
             (long long)(sum / 1024 / 1024), (long long)(budget / 1024 / 1024));
    daemon_stop(&first->d, REASON_MEMORY, false);
}
