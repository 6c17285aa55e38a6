/* keeper/daemon_child.c - see daemon_child.h. */
#include "keeper/daemon_child.h"

#include "base/clock.h"
#include "platform/proc.h"
#include "platform/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static void close_slot(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* One pipe between us and the daemon: *ours (non-blocking) and *its end. */
static bool make_pipe(int *ours, int *its, bool it_reads)
{
    int fds[2];
    if (!spawn_pipe(fds))
        return false;
    *ours = fds[it_reads ? 1 : 0];
    *its = fds[it_reads ? 0 : 1];
    return fcntl(*ours, F_SETFL, O_NONBLOCK) == 0;
}

static bool make_pipes(struct daemon_child *child, bool is_stdio, int its[3])
{
    if (!make_pipe(&child->out_fd, &its[1], false))
        return false;
    if (!is_stdio)
        return true;
    return make_pipe(&child->in_fd, &its[0], true) && make_pipe(&child->err_fd, &its[2], false);
}

bool daemon_child_start(struct daemon_child *child, const struct spec *spec, struct err *err)
{
    int its[3] = {-1, -1, -1};
    struct strv env = {0};
    struct err why = {0};
    *child = (struct daemon_child){.in_fd = -1, .out_fd = -1, .err_fd = -1};
    bool ok = make_pipes(child, spec->is_stdio, its);
    if (!ok) {
        err_set(&why, ERR_SYSTEM, errno, "unable to make pipes");
    } else {
        for (size_t i = 0; i < spec->env.count; i++)
            strv_add(&env, spec->env.items[i]);
        strv_env_set(&env, "POOLD_DAEMON_ID", spec->id);
        struct spawn_spec spawn = {
            .argv = spec->argv.items,
            .env = env.items,
            .cwd = spec->cwd,
            .stdio = {its[0], its[1], its[2] >= 0 ? its[2] : its[1]},
            .new_session = true,
            .death_signal = SIGTERM,
        };
        child->started_unix_ms = clock_unix_ms();
        ok = spawn_program(&spawn, &child->pid, &why);
    }
    for (int i = 0; i < 3; i++)
        close_slot(&its[i]);
    strv_finish(&env);
    if (!ok) {
        child->exec_errno = why.sys ? why.sys : EIO;
        daemon_child_close(child);
        return err_set(err, why.code, 0, "%s", why.text);
    }
    child->start_time = proc_start_time(child->pid);
    return true;
}

void daemon_child_signal(const struct daemon_child *child, int signal_number)
{
    /* As a session leader it cannot leave its group, so this reaches it exactly once. */
    if (child->pid > 0 && !child->has_ended)
        kill(-child->pid, signal_number);
}

void daemon_child_close(struct daemon_child *child)
{
    close_slot(&child->in_fd);
    close_slot(&child->out_fd);
    close_slot(&child->err_fd);
}
