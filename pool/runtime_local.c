/* pool/runtime_local.c - the runtime over keepers on this machine: starts poold-keeper, talks to
 * each over <run_dir>/keepers/<id>.sock, watches ports while daemons start, finds what runs
 * already, and ends what a vanished keeper left. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "keeper/wire.h"
#include "platform/dirs.h"
#include "platform/net.h"
#include "platform/proc.h"
#include "platform/spawn.h"
#include "pool/keeper_link.h"
#include "pool/leftovers.h"
#include "pool/runtime.h"

#include <dirent.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_MODULE "runtime"
#define LEFT_GRACE_MS 2000   /* for what is left without a keeper */
#define SYNC_MS 5000         /* adoption does not wait longer for a keeper's answer */
#define RELINK_MOST 20       /* a keeper that lives but closed the connection */
#define SPEC_CAP (1024 * 1024)

enum phase {
    LIFE_LAUNCHING, /* poold-keeper has not gone into the background yet */
    LIFE_LINKED,    /* connected or connecting to the keeper */
    LIFE_LEFT,      /* the keeper is gone, what it left is being ended */
};

struct local;

struct life { /* one daemon */
    struct list node;
    struct local *local;
    enum phase phase;
    char id[64];
    int64_t generation;
    int port;
    struct proc_id process;    /* main process, once known */
    int keeper_pid;
    bool is_sought;            /* by sync: not yet reported */
    bool is_stray;             /* found without a keeper: never reported */
    bool is_started;           /* RUN_STARTED or RUN_FOUND was told */
    bool is_port_open, is_port_ours;
    bool is_stop_asked;
    int64_t stop_grace_ms;
    char *stop_reason;
    int64_t started_ms;        /* monotonic */
    int relinks;
    struct ev_child launcher;
    int launcher_err;          /* file with what poold-keeper said on stderr, or -1 */
    struct keeper_link *link;
    struct leftovers *leftovers;
    struct ev_timer look;      /* for its port */
    struct ev_timer again;     /* connect again */
    struct ask *asks;          /* usage questions under way, first asked first */
};

struct ask {
    struct ask *next;
    run_usage_fn *done;
    void *arg;
};

struct local {
    struct ev_loop *loop;
    char *dir; /* run_dir/keepers */
    char *keeper_program;
    int64_t epoch;
    run_event_fn *on_event;
    void *arg;
    struct list lives;
    struct ev_timer sync; /* the end of waiting */
    bool is_syncing;
};

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

static void life_free(struct life *l)
{
    struct ev_loop *loop = l->local->loop;
    ev_child_stop(loop, &l->launcher);
    ev_timer_stop(loop, &l->look);
    ev_timer_stop(loop, &l->again);
    if (l->launcher_err >= 0)
        close(l->launcher_err);
    keeper_link_free(l->link);
    leftovers_free(l->leftovers);
    asks_drop(l);
    list_remove(&l->node);
    free(l->stop_reason);
    free(l);
}

/* Is sync complete? Checked whenever a sought life is found or turns out to be none. */
static void sync_check(struct local *local)
{
    if (!local->is_syncing)
        return;
    list_each(node, after, &local->lives)
        if (container_of(node, struct life, node)->is_sought && ev_is_active(&local->sync))
            return;
    local->is_syncing = false;
    ev_timer_stop(local->loop, &local->sync);
    local->on_event(local->arg, &(struct run_event){.kind = RUN_SYNCED});
}

/* The whole tree is gone: the last news, then the life is forgotten. */
static void life_over(struct life *l, struct run_event *event)
{
    struct local *local = l->local;
    bool is_told = !l->is_stray && !(l->is_sought && !l->is_started);
    list_remove(&l->node);
    if (is_told)
        tell(l, event);
    life_free(l);
    sync_check(local);
}

/* --- files of a keeper --- */

static char *file_of(const struct local *local, const char *id, const char *ending)
{
    return xasprintf("%s/%s%s", local->dir, id, ending);
}

/* Does a living keeper hold the lock? */
static bool is_lock_held(const struct local *local, const char *id)
{
    char *path = file_of(local, id, ".lock");
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
        char *path = file_of(local, id, endings[i]);
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

static void life_left(struct life *l)
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
        log_warn("a stranger listens on a daemon's port", "daemon=%s port=%d pid=%d", l->id, l->port,
                 (int)who);
    tell(l, &(struct run_event){.kind = l->is_port_ours ? RUN_TRY_NOW : RUN_PORT_TAKEN});
}

static enum port_state look_at_port(struct life *l)
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
                                .transport = s->transport,
                                .started_unix_ms = s->started_unix_ms});
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
        sync_check(l->local);
    } else if (!l->is_started && s->pid > 0 && s->state != KEEPER_HAS_EXITED) {
        tell_started(l, s);
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

static void connect_to_keeper(struct life *l);

static void on_again(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    connect_to_keeper(timer->data);
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
        sync_check(local);
        return;
    }
    if (l->relinks++ < RELINK_MOST && is_lock_held(l->local, l->id)) {
        ev_timer_set(&l->again, 0.1, 0);
        ev_timer_start(l->local->loop, &l->again);
        return;
    }
    life_left(l);
}

static void connect_to_keeper(struct life *l)
{
    const struct keeper_link_listener listener = {l, on_status, on_usage, on_link_end};
    char *path = file_of(l->local, l->id, ".sock");
    l->phase = LIFE_LINKED;
    l->link = keeper_link_new(l->local->loop, path, l->local->epoch, &listener);
    free(path);
    if (l->is_stop_asked)
        keeper_link_stop(l->link, l->stop_grace_ms, l->stop_reason);
}

/* --- starting --- */

static struct life *life_find(const struct local *local, const char *id)
{
    list_each(node, after, &local->lives) {
        struct life *l = container_of(node, struct life, node);
        if (strcmp(l->id, id) == 0)
            return l;
    }
    return NULL;
}

static void on_launched(struct ev_loop *loop, struct ev_child *child, int events);

static struct life *life_new(struct local *local, const char *id)
{
    struct life *l = xcalloc(1, sizeof *l);
    l->local = local;
    snprintf(l->id, sizeof l->id, "%s", id);
    l->launcher_err = -1;
    ev_child_init(&l->launcher, on_launched, 0, 0);
    l->launcher.data = l;
    ev_timer_init(&l->look, on_look, 0, 0);
    l->look.data = l;
    ev_timer_init(&l->again, on_again, 0, 0);
    l->again.data = l;
    list_add_tail(&local->lives, &l->node);
    return l;
}

/* An unlinked file of our own: both ends of a short exchange without a pipe to be served. */
static int file_without_name(const struct local *local, struct err *err)
{
    char *path = file_of(local, "spec-XXXXXX", "");
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        err_set(err, ERR_SYSTEM, errno, "unable to make a file in %s", local->dir);
    else
        unlink(path);
    free(path);
    return fd;
}

static bool spec_text(const struct local *local, const struct run_spec *spec, struct buf *out)
{
    static const char *const transports[] = {"http", "sse", "stdio"};
    bool ok = wire_text_add(out, "id", spec->daemon_id) &&
              wire_text_add_int(out, "generation", spec->generation) &&
              wire_text_add(out, "project", spec->project) &&
              wire_text_add(out, "project_key", spec->project_key) &&
              wire_text_add(out, "server", spec->server) &&
              wire_text_add(out, "definition", spec->definition) &&
              wire_text_add(out, "transport", transports[spec->transport]) &&
              wire_text_add_int(out, "port", spec->port) &&
              wire_text_add(out, "run_dir", local->dir) &&
              wire_text_add(out, "log", spec->log_path) &&
              wire_text_add_int(out, "log_max_bytes", spec->log_max_bytes) &&
              wire_text_add(out, "cwd", spec->cwd) &&
              wire_text_add_int(out, "orphan_ms", spec->orphan_ms) &&
              wire_text_add_int(out, "grace_ms", spec->grace_ms) &&
              wire_text_add_int(out, "epoch", local->epoch);
    for (size_t i = 0; ok && i < spec->argv->count; i++)
        ok = wire_text_add(out, "arg", spec->argv->items[i]);
    for (size_t i = 0; ok && i < spec->env->count; i++)
        ok = wire_text_add(out, "env", spec->env->items[i]);
    return ok;
}

/* The spec in a file that stands at its start, to be poold-keeper's stdin; -1 on failure. */
static int spec_file(const struct local *local, const struct run_spec *spec, struct err *err)
{
    struct buf text = BUF_INIT(SPEC_CAP);
    int fd = -1;
    if (!spec_text(local, spec, &text))
        err_set(err, ERR_TOO_BIG, 0, "command and environment together are over %d bytes", SPEC_CAP);
    else if ((fd = file_without_name(local, err)) >= 0 &&
             pwrite(fd, text.data, text.len, 0) != (ssize_t)text.len) {
        err_set(err, ERR_SYSTEM, errno, "unable to write the spec of a daemon");
        close(fd);
        fd = -1;
    }
    buf_release(&text);
    return fd;
}

static bool launch(struct life *l, const struct run_spec *spec, struct err *err)
{
    struct local *local = l->local;
    int in = spec_file(local, spec, err);
    if (in < 0)
        return false;
    l->launcher_err = file_without_name(local, err);
    if (l->launcher_err < 0) {
        close(in);
        return false;
    }
    char *argv[] = {local->keeper_program, (char[]){"daemon"}, NULL};
    const struct spawn_spec how = {.argv = argv, .stdio = {in, -1, l->launcher_err}};
    pid_t pid;
    bool ok = spawn_program(&how, &pid, err);
    close(in);
    if (!ok)
        return false;
    ev_child_set(&l->launcher, pid, 0);
    ev_child_start(local->loop, &l->launcher);
    return true;
}

static bool local_start(void *self, const struct run_spec *spec, struct err *err)
{
    struct local *local = self;
    if (life_find(local, spec->daemon_id))
        return true;
    struct life *l = life_new(local, spec->daemon_id);
    l->generation = spec->generation;
    l->port = spec->port;
    l->started_ms = clock_ms();
    if (launch(l, spec, err))
        return true;
    life_free(l);
    return false;
}

/* poold-keeper's foreground process has ended: the keeper is there, or said why not. */
static void on_launched(struct ev_loop *loop, struct ev_child *child, int events)
{
    (void)events;
    struct life *l = child->data;
    ev_child_stop(loop, child);
    char said[400] = "";
    ssize_t n = pread(l->launcher_err, said, sizeof said - 1, 0);
    said[n > 0 ? n : 0] = '\0';
    close(l->launcher_err);
    l->launcher_err = -1;
    if (WIFEXITED(child->rstatus) && WEXITSTATUS(child->rstatus) == 0) {
        connect_to_keeper(l);
        return;
    }
    life_over(l, &(struct run_event){.kind = RUN_EXITED, .exit_code = -1, .tail = said});
}

/* --- the seam's other functions --- */

static void local_stop(void *self, const char *daemon_id, int64_t grace_ms, const char *reason)
{
    struct life *l = life_find(self, daemon_id);
    if (!l)
        return;
    ev_timer_stop(l->local->loop, &l->look);
    l->is_stop_asked = true;
    l->stop_grace_ms = grace_ms;
    str_replace(&l->stop_reason, reason);
    if (l->link)
        keeper_link_stop(l->link, grace_ms, reason);
}

static bool local_dial(void *self, const char *daemon_id, int *fd, struct err *err)
{
    struct life *l = life_find(self, daemon_id);
    if (!l || l->phase != LIFE_LINKED || !l->port)
        return err_set(err, ERR_DAEMON_LOST, 0, "the daemon is not there");
    if (!l->is_port_ours) {
        enum port_state state = look_at_port(l);
        if (state == PORT_SILENT)
            return err_set(err, ERR_DAEMON_LOST, ECONNREFUSED, "nothing listens on port %d", l->port);
        if (state == PORT_STRANGER)
            return err_set(err, ERR_DENIED, 0, "port %d is not the daemon's: another program listens",
                           l->port);
    }
    if (net_connect_loopback(l->port, fd, err))
        return true;
    l->is_port_ours = false;
    return false;
}

static enum port_state local_port(void *self, const char *daemon_id)
{
    struct life *l = life_find(self, daemon_id);
    return l && l->port ? look_at_port(l) : PORT_SILENT;
}

static void local_usage(void *self, const char *daemon_id, run_usage_fn *done, void *arg)
{
    struct life *l = life_find(self, daemon_id);
    if (!l || !l->link)
        return;
    struct ask *ask = xcalloc(1, sizeof *ask), **at = &l->asks;
    ask->done = done;
    ask->arg = arg;
    while (*at)
        at = &(*at)->next;
    *at = ask;
    keeper_link_ask_usage(l->link);
}

static bool local_is_stopped(void *self, const char *daemon_id)
{
    struct life *l = life_find(self, daemon_id);
    return l && l->process.pid > 0 && proc_is_stopped(l->process);
}

/* --- sync --- */

static bool is_id(const char *name, size_t n)
{
    return n >= 8 && n < 32 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") >= n;
}

static void seek(struct local *local, const char *file)
{
    const char *dot = strrchr(file, '.');
    if (!dot || !is_id(file, (size_t)(dot - file)) ||
        (strcmp(dot, ".sock") != 0 && strcmp(dot, ".lock") != 0))
        return;
    char id[64];
    snprintf(id, sizeof id, "%.*s", (int)(dot - file), file);
    if (life_find(local, id))
        return;
    struct life *l = life_new(local, id);
    l->is_sought = true;
    if (is_lock_held(local, id))
        connect_to_keeper(l);
    else
        life_left(l);
}

static void on_sync_time(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct local *local = timer->data;
    log_warn("a keeper does not answer; adoption goes on without it", "%s", "");
    sync_check(local);
}

/* Nothing was found: say so from the loop, never from inside sync(). */
static void on_sync_empty(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    sync_check(timer->data);
}

static void local_sync(void *self)
{
    struct local *local = self;
    bool is_any = false;
    DIR *dir = opendir(local->dir);
    struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        seek(local, entry->d_name);
    if (dir)
        closedir(dir);
    list_each(node, after, &local->lives)
        is_any |= container_of(node, struct life, node)->is_sought;
    local->is_syncing = true;
    ev_now_update(local->loop);
    ev_timer_stop(local->loop, &local->sync);
    ev_timer_init(&local->sync, is_any ? on_sync_time : on_sync_empty, is_any ? SYNC_MS / 1000.0 : 0,
                  0);
    local->sync.data = local;
    ev_timer_start(local->loop, &local->sync);
}

static void local_destroy(void *self)
{
    struct local *local = self;
    list_each(node, after, &local->lives) {
        struct life *l = container_of(node, struct life, node);
        if (l->link)
            keeper_link_bye(l->link);
        life_free(l);
    }
    ev_timer_stop(local->loop, &local->sync);
    free(local->dir);
    free(local->keeper_program);
    free(local);
}

bool runtime_local_create(struct ev_loop *loop, const char *run_dir, int64_t epoch,
                          const char *keeper_program, run_event_fn *on_event, void *arg,
                          struct runtime *out, struct err *err)
{
    if (!ev_is_default_loop(loop)) /* only that one is told of children */
        return err_set(err, ERR_INTERNAL, 0, "keepers need the default event loop");
    char *dir = str_path(run_dir, "keepers");
    if (!dirs_make(dir, true, err)) {
        free(dir);
        return false;
    }
    struct local *local = xcalloc(1, sizeof *local);
    local->loop = loop;
    local->dir = dir;
    local->keeper_program = xstrdup(keeper_program);
    local->epoch = epoch;
    local->on_event = on_event;
    local->arg = arg;
    list_init(&local->lives);
    ev_timer_init(&local->sync, on_sync_time, SYNC_MS / 1000.0, 0);
    *out = (struct runtime){
        .self = local,
        .start = local_start,
        .stop = local_stop,
        .sync = local_sync,
        .dial = local_dial,
        .is_stopped = local_is_stopped,
        .port = local_port,
        .usage = local_usage,
        .destroy = local_destroy,
    };
    return true;
}
