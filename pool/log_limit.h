/* pool/log_limit.h - the limit over all logs (setting logsTotalMiB).
 *
 * Keepers bound each log by itself; this bounds their sum. Looked at soon after a daemon went down
 * and hourly. Nothing is fatal here: what cannot be removed stays. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct ev_loop;
struct pool;
struct log_limit;

/* New; looks at the logs in a moment, then as said above. Destroy it after the pool. */
struct log_limit *log_limit_create(struct ev_loop *loop, struct pool *pool);
void log_limit_destroy(struct log_limit *limit); /* NULL is fine */

/* Is this log (its full path, without the .1 of an old copy) being written? */
typedef bool log_is_live_fn(void *arg, const char *path);
/* Remove logs (*.log and *.log.1 in dir) until they have at most max_bytes together: the oldest of
 * those that nobody writes first, then old copies of the living ones; a log that is being written
 * stays. Returns how many bytes were removed. */
int64_t log_limit_apply(const char *dir, int64_t max_bytes, log_is_live_fn *is_live, void *arg);
