/* pool/log_limit.c - see log_limit.h. */
#include "pool/log_limit.h"

#include "base/log.h"
#include "base/str.h"
#include "pool/slot.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_MODULE "pool"
#define SOON_S 1.0 /* several daemons often end at once */
#define EVERY_S 3600.0

struct log_limit {
    struct ev_loop *loop;
    struct pool *pool;
    char *dir;
    struct ev_timer timer;
};

struct log_entry {
    char *path;
    int64_t size, changed_ms;
    bool is_of_living; /* an old copy beside a log that is being written */
};

struct log_entries {
    struct log_entry *items; /* what may be removed */
    size_t count;
    int64_t total_bytes; /* of all logs */
};

static void take(struct log_entries *all, const char *dir, const char *name,
                 log_is_live_fn *is_live, void *arg)
{
    bool is_old_copy = str_ends(name, ".log.1");
    if (!is_old_copy && !str_ends(name, ".log"))
        return;
    char *path = str_path(dir, name);
    char *log = xstrndup(path, strlen(path) - (is_old_copy ? 2 : 0));
    struct stat st;
    bool is_file = lstat(path, &st) == 0 && S_ISREG(st.st_mode), lives = is_live(arg, log);
    free(log);
    if (is_file)
        all->total_bytes += st.st_size;
    if (!is_file || (lives && !is_old_copy)) {
        free(path);
        return;
    }
    all->items = xrealloc(all->items, (all->count + 1) * sizeof *all->items);
    all->items[all->count++] = (struct log_entry){
        .path = path,
        .size = st.st_size,
        .changed_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000,
        .is_of_living = lives,
    };
}

static int by_worth(const void *a, const void *b)
{
    const struct log_entry *x = a, *y = b;
    if (x->is_of_living != y->is_of_living)
        return x->is_of_living - y->is_of_living;
    return (x->changed_ms > y->changed_ms) - (x->changed_ms < y->changed_ms);
}

int64_t log_limit_apply(const char *dir, int64_t max_bytes, log_is_live_fn *is_live, void *arg)
{
    struct log_entries all = {0};
    int64_t removed = 0;
    DIR *open_dir = opendir(dir);
    if (!open_dir)
        return 0;
    for (struct dirent *e; (e = readdir(open_dir));)
        take(&all, dir, e->d_name, is_live, arg);
    closedir(open_dir);
    if (all.count)
        qsort(all.items, all.count, sizeof *all.items, by_worth);
    for (size_t i = 0; i < all.count; i++) {
        if (all.total_bytes - removed > max_bytes && unlink(all.items[i].path) == 0)
            removed += all.items[i].size;
        free(all.items[i].path);
    }
    free(all.items);
    return removed;
}

/* poold's own, and those of daemons that are not down. */
static bool is_live(void *arg, const char *path)
{
    const struct log_limit *limit = arg;
    if (str_ends(path, "/poold.log"))
        return true;
    list_each(node, after, &limit->pool->slots)
    {
        const struct slot *s = container_of(node, struct slot, in_pool);
        if (s->is_alive && str_equal(s->log_path, path))
            return true;
    }
    return false;
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)events;
    struct log_limit *limit = timer->data;
    int64_t max_bytes = limit->pool->config->settings.logs_total_mib * 1024 * 1024;
    int64_t removed = log_limit_apply(limit->dir, max_bytes, is_live, limit);
    if (removed)
        log_info("old logs are removed", "bytes=%lld limit_bytes=%lld", (long long)removed,
                 (long long)max_bytes);
    ev_timer_stop(loop, timer);
    ev_timer_set(timer, EVERY_S, 0);
    ev_timer_start(loop, timer);
}

static void soon(struct log_limit *limit)
{
    ev_timer_stop(limit->loop, &limit->timer);
    ev_timer_set(&limit->timer, SOON_S, 0);
    ev_timer_start(limit->loop, &limit->timer);
}

static void on_state(void *arg, const struct daemon *d, enum daemon_state was, int64_t was_ms)
{
    (void)was;
    (void)was_ms;
    if (d->state == DAEMON_DOWN || d->state == DAEMON_FAILED)
        soon(arg);
}

struct log_limit *log_limit_create(struct ev_loop *loop, struct pool *pool)
{
    struct log_limit *limit = xcalloc(1, sizeof *limit);
    limit->loop = loop;
    limit->pool = pool;
    limit->dir = str_path(pool->places.state_dir, "logs");
    ev_timer_init(&limit->timer, on_timer, SOON_S, 0);
    limit->timer.data = limit;
    ev_timer_start(loop, &limit->timer);
    const struct pool_listener listener = {.arg = limit, .on_state = on_state};
    pool_listen(pool, &listener);
    return limit;
}

void log_limit_destroy(struct log_limit *limit)
{
    if (!limit)
        return;
    ev_timer_stop(limit->loop, &limit->timer);
    free(limit->dir);
    free(limit);
}
