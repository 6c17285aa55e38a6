/* api/metrics.h - what the api counts for GET /metrics: starts and stops of daemons (told by the
 * pool) and how long the event loop is busy at a time. The front's numbers come from the host.
 * Owned by: struct api. Threads: loop only. */
#pragma once
#include "api/api.h"
#include "base/buf.h"

struct metrics;

/* New. The loop's turns are measured from now on: one watcher behind its wait and one before it, so
 * that an idle loop is never woken. */
struct metrics *metrics_new(struct api *api);
void metrics_free(struct metrics *m); /* NULL is fine */
/* The pool's news. */
void metrics_state(struct metrics *m, const struct daemon *d, enum daemon_state was,
                   int64_t was_ms);
/* Everything, in Prometheus' text format. False: out is full. */
bool metrics_print(struct metrics *m, struct buf *out) MUST_CHECK;
