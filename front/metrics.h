/* front/metrics.h - what the front counts, and the news of its sessions. Plain integers in struct
 * front; on a call's way it costs two looks at the clock (vdso) and no allocation.
 * Threads: loop only. */
#pragma once
#include "base/metrics.h"
#include "front/front.h"

struct flight;
struct session;

struct front_metrics {
    struct histogram handover; /* from the whole request to its hand-over to the daemon */
    struct histogram call;     /* to the end of its answer */
    int64_t answered, failed, abandoned;
    int64_t sessions[SESSION_CHANGE_COUNT];
    int64_t links_opened, links_resumed;
    int64_t from_memory; /* answers */
};

void front_metrics_init(struct front_metrics *m);
/* The flight is handed to its link. */
void front_count_handover(const struct flight *f);
/* The flight is over. */
void front_count_end(const struct flight *f);
/* Count it and tell the listener. */
void front_session_news(const struct session *s, enum session_change what);
