/* pool/evict.c - see evict.h. */
#include "pool/evict.h"

bool evict_may_go(const struct evict_view *view)
{
    return view->state == DAEMON_READY && view->in_flight == 0 && view->may_evict &&
           !view->is_pinned && !view->is_held && !view->is_warming;
}

static bool goes_before(const struct evict_view *a, const struct evict_view *b)
{
    return a->is_spare != b->is_spare ? a->is_spare : a->used_ms < b->used_ms;
}

size_t evict_first(const struct evict_view *views, size_t n)
{
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < n; i++)
        if (evict_may_go(&views[i]) && (first == SIZE_MAX || goes_before(&views[i], &views[first])))
            first = i;
    return first;
}

static const char *stays_because(const struct evict_view *view, int64_t idle_ms)
{
    if (view->state != DAEMON_READY && view->state != DAEMON_BUSY)
        return "down";
    if (!view->may_evict)
        return "evict is false";
    if (view->is_pinned)
        return "pinned";
    if (view->in_flight > 0 || view->state == DAEMON_BUSY || view->is_warming)
        return "busy";
    if (view->is_held)
        return "held by a subscription";
    return idle_ms <= 0 ? "never (idleSeconds 0)" : NULL;
}

int64_t evict_in_ms(const struct evict_view *view, int64_t idle_ms, int64_t now_ms,
                    const char **why)
{
    const char *stays = stays_because(view, idle_ms);
    if (why)
        *why = stays;
    if (stays)
        return -1;
    int64_t left = view->used_ms + idle_ms - now_ms;
    return left > 0 ? left : 0;
}

#define LOOK_MS 30000

int64_t evict_look_in_ms(int64_t idle_ms)
{
    return idle_ms > 0 && idle_ms < LOOK_MS ? idle_ms : LOOK_MS;
}
