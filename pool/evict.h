/* pool/evict.h - when a daemon goes by idleness and who goes first: pure functions. */
#pragma once
#include "pool/pool.h"

#include <stddef.h>

struct evict_view { /* one daemon, as eviction sees it */
    enum daemon_state state;
    int in_flight;
    bool is_pinned, is_held; /* held: a living client's subscription */
    bool may_evict;          /* "evict" of its server */
    bool is_warming;         /* our own warm-up call runs in it */
    bool is_spare;           /* waits for a session: goes before all others */
    int64_t used_ms;         /* end of its last work, at least when it became ready */
};

/* May it be stopped to make room? */
bool evict_may_go(const struct evict_view *view);
/* Index of the least recently used one that may go, a spare before all others, or SIZE_MAX. */
size_t evict_first(const struct evict_view *views, size_t n);
/* ms until it goes by idleness (0: now), or -1 with *why (static). */
int64_t evict_in_ms(const struct evict_view *view, int64_t idle_ms, int64_t now_ms,
                    const char **why);
/* The end of a subscription is not told: when to look whether it still holds, in ms. */
int64_t evict_look_in_ms(int64_t idle_ms);
