/* front/front.c - see front.h. */
#include "front/front.h"

#define LOG_MODULE "front"
#include "base/caps.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "front/client_lines.h"
#include "front/conn.h"
#include "front/event_id.h"
#include "front/flight.h"
#include "front/late.h"
#include "front/link_stdio.h"
#include "front/listen.h"
#include "front/replay.h"
#include "front/reopen.h"
#include "front/scout.h"
#include "front/roots.h"
#include "front/session_id.h"
#include "front/shared.h"
#include "front/state.h"
#include "platform/net.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void accept_some(struct front *f, ev_io *w, void (*take)(struct front *f, int fd))
{
    for (int i = 0; i < 64; i++) { /* then the others' turn */
        int fd = net_accept(w->fd);
        if (fd < 0) {
            if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
                return;
            log_warn("a connection could not be accepted", "error=%s", log_quote(strerror(errno)));
            ev_io_stop(f->loop, w); /* no descriptor is free: the backlog waits for a second */
            front_time_something(f);
            return;
        }
        if (f->conn_count >= CAP_CONNECTIONS) {
            close(fd);
            continue;
        }
        take(f, fd);
    }
}

static void on_accept(struct ev_loop *loop, ev_io *w, int events)
{
    (void)loop;
    (void)events;
    accept_some(container_of(w, struct front, accept_io), w, conn_create);
}

static void on_accept_lines(struct ev_loop *loop, ev_io *w, int events)
{
    (void)loop;
    (void)events;
    accept_some(container_of(w, struct front, accept_lines), w, client_lines_accept);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int events)
{
    (void)loop;
    (void)events;
    struct front *f = container_of(w, struct front, reaper);
    conn_reap(f);
    upstream_reap(f);
}

static void on_idle(struct ev_loop *loop, ev_idle *w, int events)
{
    (void)loop;
    (void)events;
    conn_search_step(container_of(w, struct front, search_idle));
}

static void on_second(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)events;
    struct front *f = container_of(w, struct front, second);
    int64_t now_ms = clock_ms();
    ev_io_start(loop, &f->accept_io);
    ev_io_start(loop, &f->accept_lines);
    bool any = flight_check_time(f, now_ms);
    any |= known_check_time(f, now_ms);
    any |= late_check_time(f, now_ms);
    any |= scout_check_time(f, now_ms);
    any |= session_check_left(f);
    any |= conn_check_deadlines(f, now_ms);
    any |= replay_check_time(f, now_ms);
    any |= upstream_check_idle(f, now_ms);
    if (!any)
        ev_timer_stop(loop, w);
}

static void on_soon(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)events;
    ev_timer_stop(loop, w);
    flight_wake_all(container_of(w, struct front, soon));
}

static void on_moment(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)events;
    struct front *f = container_of(w, struct front, moment);
    bool any = reopen_check_time(f, clock_ms());
    any |= roots_check_time(f, clock_ms());
    if (!any)
        ev_timer_stop(loop, w);
}

static void on_turn(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop;
    (void)events;
    link_stdio_turn(container_of(w, struct front, turn));
}

static void on_minute(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop;
    (void)events;
    session_tidy(container_of(w, struct front, minute));
}

static void on_primer(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)events;
    if (!flight_prime_all(container_of(w, struct front, primer), clock_ms()))
        ev_timer_stop(loop, w);
}

static void on_keepalive(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)events;
    struct front *f = container_of(w, struct front, keepalive);
    bool any = session_streams_beat(f, clock_ms());
    any |= listen_check_time(f, clock_ms());
    if (!any)
        ev_timer_stop(loop, w);
}

void front_look_soon(struct front *f)
{
    if (!ev_is_active(&f->soon))
        ev_timer_again(f->loop, &f->soon);
}

void front_prime_soon(struct front *f)
{
    if (!ev_is_active(&f->primer))
        ev_timer_again(f->loop, &f->primer);
}

void front_time_moment(struct front *f)
{
    if (!ev_is_active(&f->moment))
        ev_timer_again(f->loop, &f->moment);
}

void front_time_something(struct front *f)
{
    if (!ev_is_active(&f->second))
        ev_timer_again(f->loop, &f->second);
}

/* --- the pool's news --- */

static void tell_session(void *arg, struct session *s)
{
    struct daemon *d = arg;
    if (s->daemon != d)
        return;
    s->holds++;
    flight_daemon_changed(s);
    /* A client that listens expects its updates from the new life too, without calling first. */
    if (daemon_is_up(d) && session_wants_push(s) && s->link.state == LINK_NONE && s->initialize)
        link_open(&s->link);
    else if (s->stream && s->link.is_resumed) /* its daemon was adopted after the stream came */
        link_push_changed(&s->link);
    s->holds--;
    session_release(s);
}

static bool is_held(void *arg, const struct daemon *d)
{
    return session_subscribed(arg, d);
}

static void on_daemon_change(void *arg, struct daemon *d)
{
    session_each(arg, tell_session, d);
    scout_daemon_changed(arg, d);
    if (!daemon_is_up(d) && d->state != DAEMON_DRAINING)
        shared_forget(arg, d);
}

static void on_adopted(void *arg, struct daemon *d)
{
    session_adopt(arg, d);
}

static void on_line(void *arg, struct daemon *d, const char *json, size_t n)
{
    link_stdio_line(arg, d, json, n);
}

static void on_line_room(void *arg, struct daemon *d)
{
    link_stdio_room(arg, d);
}

/* --- life --- */

struct front *front_create(struct ev_loop *loop, int listen_fd, int lines_fd, struct pool *pool,
                           struct registry *registry, const struct front_places *places,
                           struct err *err)
{
    struct front *f = xcalloc(1, sizeof *f);
    f->loop = loop;
    f->pool = pool;
    f->registry = registry;
    f->places = places;
    f->port = net_port(listen_fd);
    f->uid = getuid();
    struct list *lists[] = {
        &f->conns,        &f->searching, &f->flights,       &f->upstreams,
        &f->idle,         &f->streams,   &f->doomed_conns,  &f->doomed_upstreams,
        &f->unlisted,     &f->known,     &f->scouts,        &f->processes,
        &f->sent_replays, &f->replays,   &f->ended_replays, &f->aliases,
        &f->cancelled,    &f->turning,   &f->shared,        &f->privates,
        &f->modern,       &f->listens,   &f->late};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        list_init(lists[i]);
    for (int i = 0; i < SESSION_BUCKETS; i++)
        list_init(&f->sessions[i]);
    for (int i = 0; i < CALL_BUCKETS; i++)
        list_init(&f->calls[i]);
    f->started_unix_ms = clock_unix_ms();
    f->serial = (uint64_t)f->started_unix_ms << 20;
    front_metrics_init(&f->metrics);
    static char nothing[] = "";
    f->no_project = (struct project){.key = nothing, .root = nothing};
    f->nowhere = (struct daemon){.pool = pool, .project = &f->no_project, .server = nothing};
    event_run_make(f->run);
    if (!session_key_load(f, err)) {
        free(f);
        return NULL;
    }
    ev_prepare_init(&f->reaper, on_prepare);
    ev_prepare_start(loop, &f->reaper);
    ev_idle_init(&f->search_idle, on_idle);
    ev_timer_init(&f->second, on_second, 0., 1.);
    ev_timer_init(&f->primer, on_primer, 0., 0.2);
    ev_timer_init(&f->turn, on_turn, 0., 0.);
    ev_timer_init(&f->soon, on_soon, 0., 0.03);
    ev_timer_init(&f->moment, on_moment, 0., 0.1);
    ev_timer_init(&f->keepalive, on_keepalive, 0., 20.);
    ev_timer_init(&f->minute, on_minute, 60., 60.);
    ev_timer_start(loop, &f->minute);
    ev_io_init(&f->accept_io, on_accept, listen_fd, EV_READ);
    ev_io_start(loop, &f->accept_io);
    ev_io_init(&f->accept_lines, on_accept_lines, lines_fd, EV_READ);
    ev_io_start(loop, &f->accept_lines);
    struct pool_listener listener = {.arg = f,
                                     .on_adopted = on_adopted,
                                     .on_change = on_daemon_change,
                                     .is_held = is_held,
                                     .on_line = on_line,
                                     .on_line_room = on_line_room};
    pool_listen(pool, &listener);
    return f;
}

void front_destroy(struct front *f)
{
    if (!f)
        return;
    scout_forget_all(f);
    session_destroy_all(f);
    replay_destroy_all(f);
    shared_forget_all(f);
    late_forget_all(f);
    list_each(node, after, &f->conns) conn_gone(container_of(node, struct conn, node));
    list_each(up, next_up, &f->upstreams) upstream_close(container_of(up, struct upstream, node));
    list_each(idle, next_idle, &f->idle) upstream_close(container_of(idle, struct upstream, node));
    conn_reap(f);
    upstream_reap(f);
    ev_io_stop(f->loop, &f->accept_io);
    ev_io_stop(f->loop, &f->accept_lines);
    ev_prepare_stop(f->loop, &f->reaper);
    ev_idle_stop(f->loop, &f->search_idle);
    ev_timer_stop(f->loop, &f->second);
    ev_timer_stop(f->loop, &f->minute);
    ev_timer_stop(f->loop, &f->soon);
    ev_timer_stop(f->loop, &f->primer);
    ev_timer_stop(f->loop, &f->moment);
    ev_timer_stop(f->loop, &f->turn);
    ev_timer_stop(f->loop, &f->keepalive);
    free(f);
}

void front_listen(struct front *f, const struct front_listener *listener)
{
    f->listener = *listener;
}

int front_port(const struct front *f)
{
    return f->port;
}

int front_session_count(const struct front *f)
{
    return f->session_count;
}

char *front_url(const struct front *f, const struct project *project, const char *server)
{
    const char *usual = pool_config(f->pool)->settings.default_server;
    bool is_usual = !server || str_equal(server, usual);
    return xasprintf("http://127.0.0.1:%d/p/%s%s%s/mcp", f->port, project->key,
                     is_usual ? "" : "/s/", is_usual ? "" : server);
}

struct walk {
    void (*each)(void *arg, const struct front_session *s);
    void *arg;
};

static void describe(void *arg, struct session *s)
{
    const struct walk *walk = arg;
    if (!s->is_published || s->is_ended || !session_has_project(s))
        return;
    struct front_session out = session_view(s);
    int64_t now_ms = clock_ms();
    list_each(node, after, &s->flights)
    {
        const struct flight *f = container_of(node, struct flight, session_node);
        if (f->kind != FLIGHT_CALL && f->kind != FLIGHT_INITIALIZE)
            continue;
        out.in_flight++;
        if (now_ms - f->born_ms > out.oldest_call_ms)
            out.oldest_call_ms = now_ms - f->born_ms;
    }
    walk->each(walk->arg, &out);
}

void front_sessions_each(struct front *f, void (*each)(void *arg, const struct front_session *s),
                         void *arg)
{
    struct walk walk = {each, arg};
    session_each(f, describe, &walk);
}
