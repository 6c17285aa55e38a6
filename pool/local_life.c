/* pool/local_life.c - one daemon as its keeper tells of it, from connecting to the end: see
 * local.h. */
#include "base/clock.h"
#include "base/log.h"
#include "pool/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define LOG_MODULE "runtime"
#define LEFT_GRACE_MS 2000 /* for what is left without a keeper */
#define RELINK_MOST 20     /* a keeper that lives but closed the connection */

/* --- telling --- */

static void tell(const struct life *l, struct run_event *event)
{
    event->daemon_id = l->id;
    event->generation = l->generation;
    event->port = l->port;
    event->pid = l->process.pid;
    event->keeper_pid = l->keeper_pid;
    l->local->on_event(l->local->arg, event);
}

static void asks_drop(struct life *l)
{
    while (l->asks) {
        struct ask *first = l->asks;
        l->asks = first->next;
        free(first);
    }
}

void life_free(struct life *l)
{
    struct ev_loop *loop = l->local->loop;
    ev_child_stop(loop, &l->launcher);
    ev_timer_stop(loop, &l->look);
    ev_timer_stop(loop, &l->again);
    if (l->launcher_err >= 0)
        close(l->launcher_err);
    keeper_link_free(l->link);
    inputs_finish(&l->inputs);
    leftovers_free(l->leftovers);
    asks_drop(l);
    list_remove(&l->node);
    free(l->stop_reason);
    free(l);
}

void local_sync_check(struct local *local)
{
    if (!local->is_syncing)
        return;
    list_each(node, after, &local->lives) if (container_of(node, struct life, node)->is_sought &&
                                              ev_is_active(&local->sync)) return;
    local->is_syncing = false;
    ev_timer_stop(local->loop, &local->sync);
    local->on_event(local->arg, &(struct run_event){.kind = RUN_SYNCED});
}

void life_over(struct life *l, struct run_event *event)
{
    struct local *local = l->local;
    bool is_told = !l->is_stray && !(l->is_sought && !l->is_started);
    list_remove(&l->node);
    if (is_told)
        tell(l, event);
    life_free(l);
    local_sync_check(local);
}

/* --- files of a keeper --- */

char *local_file(const struct local *local, const char *id, const char *ending)
{
    return xasprintf("%s/%s%s", local->dir, id, ending);
}

bool local_is_lock_held(const struct local *local, const char *id)
{
    char *path = local_file(local, id, ".lock");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (fd >= 0)
        close(fd);
    free(path);
    return held;
}

static void files_remove(const struct local *local, const char *id)
{
    static const char *const endings[] = {".sock", ".lock"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char *path = local_file(local, id, endings[i]);
        unlink(path);
        free(path);
    }
}

/* --- a keeper that vanished --- */

static void on_left_done(void *arg)
{
    struct life *l = arg;
    leftovers_free(l->leftovers);
    l->leftovers = NULL;
    files_remove(l->local, l->id);
    life_over(l, &(struct run_event){
                     .kind = RUN_EXITED, .exit_code = -1, .reason = "keeper-lost", .tail = ""});
}

void life_left(struct life *l)
{
    ev_timer_stop(l->local->loop, &l->look);
    keeper_link_free(l->link);
    l->link = NULL;
    l->phase = LIFE_LEFT;
    asks_drop(l);
    if (l->is_started) {
        tell(l, &(struct run_event){.kind = RUN_LOST});
    } else if (l->is_sought) {
        l->is_stray = true;
        log_warn("a keeper is gone, what it left is ended", "daemon=%s", l->id);
    }
    l->leftovers = leftovers_end(l->local->loop, l->id, LEFT_GRACE_MS, on_left_done, l);
}

/* --- its port --- */

static void on_look(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)events;
    struct life *l = timer->data;
    pid_t who = 0;
    enum proc_port owner = proc_port_owner(l->port, l->process.pid, &who);
    if (owner == PROC_PORT_FREE) {
        int64_t age_ms = clock_ms() - l->started_ms;
        ev_timer_set(timer, age_ms < 10000 ? 0.02 : 0.05, 0);
        ev_timer_start(loop, timer);
        return;
    }
    l->is_port_open = true;
    l->is_port_ours = owner == PROC_PORT_OURS;
    if (!l->is_port_ours)
        log_warn("a stranger listens on a daemon's port", "daemon=%s port=%d pid=%d", l->id,
                 l->port, (int)who);
    tell(l, &(struct run_event){.kind = l->is_port_ours ? RUN_TRY_NOW : RUN_PORT_TAKEN});
}

enum port_state life_look_at_port(struct life *l)
{
    enum proc_port owner = proc_port_owner(l->port, l->process.pid, NULL);
    l->is_port_ours = owner == PROC_PORT_OURS;
    return owner == PROC_PORT_OURS   ? PORT_OURS
           : owner == PROC_PORT_FREE ? PORT_SILENT
                                     : PORT_STRANGER;
}

/* --- what the keeper says --- */

static void take_identity(struct life *l, const struct keeper_status *s)
{
    l->generation = s->generation;
    l->port = s->port;
    l->keeper_pid = s->keeper_pid;
    if (l->keeper.pid != s->keeper_pid)
        l->keeper = (struct proc_id){s->keeper_pid, proc_start_time(s->keeper_pid)};
    /* Pids of another boot mean nothing. */
    if (strcmp(s->boot_id, proc_boot_id()) == 0 || !s->boot_id[0])
        l->process = (struct proc_id){s->pid, s->start_time};
}

static void tell_found(struct life *l, const struct keeper_status *s)
{
    l->is_sought = false;
    l->is_started = true;
    tell(l, &(struct run_event){.kind = RUN_FOUND,
                                .project = s->project,
                                .project_key = s->project_key,
                                .server = s->server,
                                .definition = s->definition,
                                .instance = s->instance,
                                .transport = s->transport,
                                .started_unix_ms = s->started_unix_ms,
                                .lines_given = (int64_t)s->inputs_taken,
                                .lines_taken = (int64_t)s->lines_acked,
                                .is_stopping = s->state == KEEPER_IS_STOPPING,
                                .reason = s->stop_reason});
}

static void tell_started(struct life *l, const struct keeper_status *s)
{
    l->is_started = true;
    l->started_ms = clock_ms();
    tell(l, &(struct run_event){.kind = RUN_STARTED, .started_unix_ms = s->started_unix_ms});
    if (l->port && !l->is_stop_asked) {
        ev_timer_set(&l->look, 0.02, 0);
        ev_timer_start(l->local->loop, &l->look);
    }
}

static void on_status(void *arg, const struct keeper_status *s)
{
    struct life *l = arg;
    if (strcmp(s->id, l->id) != 0)
        return;
    l->relinks = 0;
    take_identity(l, s);
    if (l->is_sought) {
        tell_found(l, s);
        local_sync_check(l->local);
    } else if (!l->is_started && s->pid > 0 && s->state != KEEPER_HAS_EXITED) {
        tell_started(l, s);
    } else if (s->state == KEEPER_IS_STOPPING && !l->is_stop_asked && !l->is_ending) {
        l->is_ending = true;
        tell(l, &(struct run_event){.kind = RUN_ENDING});
    }
    if (s->state == KEEPER_HAS_EXITED)
        life_over(l, &(struct run_event){.kind = RUN_EXITED,
                                         .exec_errno = s->exec_errno,
                                         .exit_code = s->exit_code,
                                         .exit_signal = s->exit_signal,
                                         .reason = s->stop_reason,
                                         .tail = s->tail});
}

static void on_usage(void *arg, const struct run_usage *usage)
{
    struct life *l = arg;
    struct ask *first = l->asks;
    if (!first)
        return;
    l->asks = first->next;
    first->done(first->arg, l->id, usage);
    free(first);
}

static void on_line(void *arg, const char *line, size_t n)
{
    tell(arg, &(struct run_event){.kind = RUN_LINE, .line = line, .line_size = n});
}

static void on_room(void *arg)
{
    tell(arg, &(struct run_event){.kind = RUN_ROOM});
}

static void on_again(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    life_connect(timer->data);
}

static void on_link_end(void *arg, bool is_superseded)
{
    struct life *l = arg;
    keeper_link_free(l->link);
    l->link = NULL;
    asks_drop(l);
    if (is_superseded) { /* not ours any more: the newer poold looks after it */
        struct local *local = l->local;
        log_error("a newer poold has taken a daemon over", "daemon=%s", l->id);
        life_free(l);
        local_sync_check(local);
        return;
    }
    if (l->relinks++ < RELINK_MOST && local_is_lock_held(l->local, l->id)) {
        ev_timer_set(&l->again, 0.1, 0);
        ev_timer_start(l->local->loop, &l->again);
        return;
    }
    life_left(l);
}

void life_connect(struct life *l)
{
    const struct keeper_link_listener listener = {l,       on_status, on_usage,
                                                  on_line, on_room,   on_link_end};
    char *path = local_file(l->local, l->id, ".sock");
    l->phase = LIFE_LINKED;
    l->link = keeper_link_new(l->local->loop, path, l->local->epoch, &l->inputs, &listener);
    free(path);
    if (l->is_stop_asked)
        keeper_link_stop(l->link, l->stop_grace_ms, l->stop_reason);
}

/* --- making and finding --- */

struct life *life_find(const struct local *local, const char *id)
{
    list_each(node, after, &local->lives)
    {
        struct life *l = container_of(node, struct life, node);
        if (strcmp(l->id, id) == 0)
            return l;
    }
    return NULL;
}

struct life *life_new(struct local *local, const char *id)
{
    struct life *l = xcalloc(1, sizeof *l);
    l->local = local;
    snprintf(l->id, sizeof l->id, "%s", id);
    l->launcher_err = -1;
    inputs_init(&l->inputs);
    ev_init(&l->launcher, NULL); /* its starter sets it */
    l->launcher.data = l;
    ev_timer_init(&l->look, on_look, 0, 0);
    l->look.data = l;
    ev_timer_init(&l->again, on_again, 0, 0);
    l->again.data = l;
    list_add_tail(&local->lives, &l->node);
    return l;
}
