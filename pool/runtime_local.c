/* pool/runtime_local.c - the runtime over keepers on this machine: starts poold-keeper, finds what
 * runs already, and passes questions on. A daemon's own story is in local_life.c. */
#include "base/buf.h"
#include "base/log.h"
#include "base/clock.h"
#include "keeper/wire.h"
#include "platform/dirs.h"
#include "platform/net.h"
#include "platform/spawn.h"
#include "pool/local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_MODULE "runtime"
#define SYNC_MS 5000 /* adoption does not wait longer for a keeper's answer */
#define SPEC_CAP (1024 * 1024)

/* --- starting --- */

/* An unlinked file of our own: both ends of a short exchange without a pipe to be served. */
static int file_without_name(const struct local *local, struct err *err)
{
    char *path = local_file(local, "spec-XXXXXX", "");
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
              wire_text_add_int(out, "instance", spec->instance) &&
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
        err_set(err, ERR_TOO_BIG, 0, "command and environment together are over %d bytes",
                SPEC_CAP);
    else if ((fd = file_without_name(local, err)) >= 0 &&
             pwrite(fd, text.data, text.len, 0) != (ssize_t)text.len) {
        err_set(err, ERR_SYSTEM, errno, "unable to write the spec of a daemon");
        close(fd);
        fd = -1;
    }
    buf_release(&text);
    return fd;
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
        life_connect(l);
        return;
    }
    life_over(l, &(struct run_event){.kind = RUN_EXITED, .exit_code = -1, .tail = said});
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
    ev_child_init(&l->launcher, on_launched, pid, 0);
    l->launcher.data = l;
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

/* --- the seam's other functions --- */

static void local_stop(void *self, const char *daemon_id, int64_t grace_ms, const char *reason)
{
    struct life *l = life_find(self, daemon_id);
    if (!l)
        return;
    ev_timer_stop(l->local->loop, &l->look);
    if (l->is_stop_asked && grace_ms == 0 && l->keeper.start_time) {
        /* Asked before, and nothing came of it: a keeper that does not do its work. Its end is
         * seen on the connection, and what it leaves is ended then. */
        log_warn("a keeper does not obey, it is ended", "daemon=%s keeper_pid=%d", l->id,
                 l->keeper_pid);
        proc_signal(l->keeper, SIGKILL);
        return;
    }
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
        enum port_state state = life_look_at_port(l);
        if (state == PORT_SILENT)
            return err_set(err, ERR_DAEMON_LOST, ECONNREFUSED, "nothing listens on port %d",
                           l->port);
        if (state == PORT_STRANGER)
            return err_set(err, ERR_DENIED, 0,
                           "port %d is not the daemon's: another program listens", l->port);
    }
    if (net_connect_loopback(l->port, fd, err))
        return true;
    l->is_port_ours = false;
    return false;
}

static enum port_state local_port(void *self, const char *daemon_id)
{
    struct life *l = life_find(self, daemon_id);
    return l && l->port ? life_look_at_port(l) : PORT_SILENT;
}

static bool local_send_line(void *self, const char *daemon_id, const char *json, size_t n,
                            struct err *err)
{
    struct life *l = life_find(self, daemon_id);
    const char *frame;
    size_t size;
    if (!l || l->phase != LIFE_LINKED)
        return err_set(err, ERR_DAEMON_LOST, 0, "the daemon is not there");
    /* Between two connections it is only kept: the next one brings it. */
    return l->link ? keeper_link_send(l->link, json, n, err)
                   : inputs_add(&l->inputs, json, n, &frame, &size, err);
}

static size_t local_unread(void *self, const char *daemon_id)
{
    struct life *l = life_find(self, daemon_id);
    return l ? l->inputs.frames.len : 0;
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
    if (local_is_lock_held(local, id))
        life_connect(l);
    else
        life_left(l);
}

static void on_sync_time(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct local *local = timer->data;
    log_warn("a keeper does not answer; adoption goes on without it", "%s", "");
    local_sync_check(local);
}

/* Nothing was found: say so from the loop, never from inside sync(). */
static void on_sync_empty(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    local_sync_check(timer->data);
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
    list_each(node, after, &local->lives) is_any |=
        container_of(node, struct life, node)->is_sought;
    local->is_syncing = true;
    ev_now_update(local->loop);
    ev_timer_stop(local->loop, &local->sync);
    ev_timer_init(&local->sync, is_any ? on_sync_time : on_sync_empty,
                  is_any ? SYNC_MS / 1000.0 : 0, 0);
    local->sync.data = local;
    ev_timer_start(local->loop, &local->sync);
}

static void local_destroy(void *self)
{
    struct local *local = self;
    list_each(node, after, &local->lives)
    {
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
        .send_line = local_send_line,
        .unread = local_unread,
        .usage = local_usage,
        .destroy = local_destroy,
    };
    return true;
}
