/* pool/leftovers.c - see leftovers.h. */
#include "pool/leftovers.h"

#include "base/clock.h"
#include "base/str.h"
#include "platform/proc.h"

#include <ev.h>
#include <signal.h>
#include <unistd.h>

#define LOOK_MS 50
#define KILL_EVERY_MS 1000

struct leftovers {
    struct ev_loop *loop;
    struct ev_timer timer;
    char *id;
    struct proc_list found;
    int64_t kill_at_ms;
    void (*done)(void *arg);
    void *arg;
};

static void find(struct leftovers *l)
{
    free(l->found.items);
    l->found = (struct proc_list){0};
    proc_with_env("POOLD_DAEMON_ID", l->id, &l->found);
    for (size_t i = 0; i < l->found.count; i++)
        if (l->found.items[i].pid == getpid()) /* a poold that was started from within a daemon */
            l->found.items[i--] = l->found.items[--l->found.count];
}

static bool is_any_alive(const struct leftovers *l)
{
    for (size_t i = 0; i < l->found.count; i++)
        if (proc_is_alive(l->found.items[i]))
            return true;
    return false;
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct leftovers *l = timer->data;
    if (!is_any_alive(l)) {
        find(l); /* one that was just being born */
        if (!is_any_alive(l)) {
            ev_timer_stop(l->loop, &l->timer);
            l->done(l->arg);
            return;
        }
    }
    if (clock_ms() < l->kill_at_ms)
        return;
    l->kill_at_ms = clock_ms() + KILL_EVERY_MS;
    find(l);
    proc_kill_all(&l->found);
}

struct leftovers *leftovers_end(struct ev_loop *loop, const char *daemon_id, int64_t grace_ms,
                                void (*done)(void *arg), void *arg)
{
    struct leftovers *l = xcalloc(1, sizeof *l);
    l->loop = loop;
    l->id = xstrdup(daemon_id);
    l->done = done;
    l->arg = arg;
    l->kill_at_ms = clock_ms() + grace_ms;
    find(l);
    for (size_t i = 0; i < l->found.count; i++)
        proc_signal(l->found.items[i], SIGTERM);
    ev_timer_init(&l->timer, on_timer, 0, LOOK_MS / 1000.0);
    l->timer.data = l;
    ev_timer_start(loop, &l->timer);
    return l;
}

void leftovers_free(struct leftovers *l)
{
    if (!l)
        return;
    ev_timer_stop(l->loop, &l->timer);
    free(l->found.items);
    free(l->id);
    free(l);
}
