/* api/mhd_loop.c - see mhd_loop.h. */
#include "api/mhd_loop.h"

#include "base/str.h"

#include <assert.h>
#include <ev.h>
#include <microhttpd.h>
#include <sys/select.h>

/* Turns of MHD before the loop gets its chance: one busy connection must not starve the front. */
#define TURNS_MAX 16

struct mhd_loop {
    struct ev_loop *loop;
    struct MHD_Daemon *daemon;
    bool is_epoll;
    bool is_turning; /* inside MHD_run */
    bool is_kicked;  /* a connection was resumed */
    bool is_changed; /* MHD ran or was kicked: its next time-out may be another one */
    ev_prepare before_block;
    ev_timer timeout;
    ev_io epoll;
    ev_io *each; /* without epoll: one per descriptor */
    size_t each_count, each_room;
};

static void turn(struct mhd_loop *m)
{
    m->is_kicked = false;
    m->is_changed = true;
    m->is_turning = true;
    MHD_run(m->daemon);
    m->is_turning = false;
}

static void on_timeout(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop, (void)events;
    turn(w->data);
}

static void on_ready(struct ev_loop *loop, ev_io *w, int events)
{
    (void)loop, (void)events;
    turn(w->data);
}

static void fds_unwatch(struct mhd_loop *m)
{
    for (size_t i = 0; i < m->each_count; i++)
        ev_io_stop(m->loop, &m->each[i]);
    m->each_count = 0;
}

static void fds_watch(struct mhd_loop *m)
{
    fd_set readable, writable, broken;
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_ZERO(&broken);
    MHD_socket highest = -1;
    fds_unwatch(m);
    if (MHD_get_fdset2(m->daemon, &readable, &writable, &broken, &highest, FD_SETSIZE) != MHD_YES)
        return;
    if (m->each_room < (size_t)highest + 1) {
        m->each_room = (size_t)highest + 1;
        m->each = xrealloc(m->each, m->each_room * sizeof *m->each); /* none is active here */
    }
    for (int fd = 0; fd <= highest; fd++) {
        int events =
            (FD_ISSET(fd, &readable) ? EV_READ : 0) | (FD_ISSET(fd, &writable) ? EV_WRITE : 0);
        if (!events)
            continue;
        ev_io *w = &m->each[m->each_count++];
        ev_io_init(w, on_ready, fd, events);
        w->data = m;
        ev_io_start(m->loop, w);
    }
}

static void timeout_arm(struct mhd_loop *m, MHD_UNSIGNED_LONG_LONG ms)
{
    m->timeout.repeat = ms ? (double)ms / 1000.0 : 0.001;
    ev_timer_again(m->loop, &m->timeout);
}

static void on_before_block(struct ev_loop *loop, ev_prepare *w, int events)
{
    (void)events;
    struct mhd_loop *m = w->data;
    if (!m->is_changed && !m->is_kicked)
        return;
    MHD_UNSIGNED_LONG_LONG ms = 0;
    bool has_timeout = false;
    for (int i = 0; i < TURNS_MAX; i++) {
        if (m->is_kicked)
            turn(m);
        has_timeout = MHD_get_timeout(m->daemon, &ms) == MHD_YES;
        if (has_timeout && ms == 0)
            turn(m);
        else if (!m->is_kicked)
            break;
    }
    if (has_timeout || m->is_kicked)
        timeout_arm(m, m->is_kicked ? 0 : ms);
    else
        ev_timer_stop(loop, &m->timeout);
    if (!m->is_epoll)
        fds_watch(m);
    m->is_changed = m->is_kicked;
}

unsigned mhd_loop_flags(bool has_epoll)
{
    bool can = has_epoll && MHD_is_feature_supported(MHD_FEATURE_EPOLL) == MHD_YES;
    return (can ? MHD_USE_EPOLL : 0U) | MHD_ALLOW_SUSPEND_RESUME;
}

struct mhd_loop *mhd_loop_new(struct ev_loop *loop, struct MHD_Daemon *daemon)
{
    assert(loop && daemon);
    struct mhd_loop *m = xcalloc(1, sizeof *m);
    m->loop = loop;
    m->daemon = daemon;
    m->is_changed = true;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
    m->is_epoll = info && info->epoll_fd >= 0;
    if (m->is_epoll) {
        ev_io_init(&m->epoll, on_ready, info->epoll_fd, EV_READ);
        m->epoll.data = m;
        ev_io_start(loop, &m->epoll);
    }
    ev_timer_init(&m->timeout, on_timeout, 0., 0.);
    m->timeout.data = m;
    ev_prepare_init(&m->before_block, on_before_block);
    m->before_block.data = m;
    ev_prepare_start(loop, &m->before_block);
    return m;
}

void mhd_loop_kick(struct mhd_loop *m)
{
    /* Fed, because another prepare watcher may kick after ours ran and the loop would block. */
    if (!m->is_kicked && !m->is_turning)
        ev_feed_event(m->loop, &m->before_block, EV_PREPARE);
    m->is_kicked = true;
}

void mhd_loop_free(struct mhd_loop *m)
{
    if (!m)
        return;
    fds_unwatch(m);
    ev_timer_stop(m->loop, &m->timeout);
    ev_prepare_stop(m->loop, &m->before_block);
    if (m->is_epoll)
        ev_io_stop(m->loop, &m->epoll);
    free(m->each);
    free(m);
}
