/* platform/places.c - see places.h. */
#include "platform/places.h"

#include "base/clock.h"
#include "base/str.h"
#include "platform/dirs.h"
#include "platform/net.h"
#include "platform/proc.h"
#include "platform/self.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define FIRST_FD 3 /* of handed-over sockets: sd_listen_fds(3) */
#define FD_ROOM 16

void places_init(struct places *p, const char *run_dir, const char *listen)
{
    *p = (struct places){.run_dir = run_dir,
                         .listen = listen,
                         .sockets = {-1, -1, -1},
                         .api_socket = str_path(run_dir, "api.sock"),
                         .mcp_socket = str_path(run_dir, "mcp.sock"),
                         .lock_fd = -1};
}

void places_finish(struct places *p)
{
    free(p->api_socket);
    free(p->mcp_socket);
    free(p->address);
    p->api_socket = p->mcp_socket = p->address = NULL;
}

/* An exclusive lock on run_dir/name, or -1. keep_on_exec: whoever we become goes on holding it. */
static int lock_run_file(const struct places *p, const char *name, bool keep_on_exec)
{
    char *path = str_path(p->run_dir, name);
    int fd = open(path, O_RDWR | O_CREAT | (keep_on_exec ? 0 : O_CLOEXEC), 0600);
    free(path);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* The pid in poold.pid once it is there (another poold may just be starting), or 0. */
static int64_t serving_pid(const struct places *p)
{
    char *path = str_path(p->run_dir, "poold.pid");
    int64_t pid = 0;
    for (int64_t end = clock_ms() + 2000; pid == 0 && clock_ms() < end;) {
        char *text = NULL;
        size_t n = 0;
        if (dirs_read_file(path, 64, &text, &n, NULL)) {
            text[strcspn(text, "\n")] = '\0';
            if (!str_to_int(text, 1, INT32_MAX, &pid) || !proc_start_time((pid_t)pid))
                pid = 0;
        }
        free(text);
        if (!pid)
            usleep(20000);
    }
    free(path);
    return pid;
}

static bool already_running(const struct places *p, struct err *err)
{
    int64_t pid = serving_pid(p);
    return err_set(err, ERR_ALREADY_RUNNING, 0, "already running, pid %lld (run directory %s)",
                   (long long)pid, p->run_dir);
}

/* The front tells users apart by the kernel's socket table, which knows this machine's only; a
 * loopback address keeps everybody else out before that. */
static bool listen_front(const struct places *p, int *fd, struct err *err)
{
    if (!str_starts(p->listen, "127.") && !str_starts(p->listen, "[::1]:"))
        return err_set(err, ERR_ADDRESS, 0,
                       "unable to listen on '%s': the front serves programs on this machine only; "
                       "use HOST:PORT on loopback, like 127.0.0.1:7337 or [::1]:7337",
                       p->listen);
    return net_listen_tcp(p->listen, fd, err);
}

/* The sockets as descriptors 3, 4, ..., open across exec; the lock moves out of their way first. */
static bool pass_on(int lock, const int *sockets, int count, struct err *err)
{
    bool ok = fcntl(lock, F_DUPFD, FIRST_FD + FD_ROOM) >= 0;
    int moved[FD_ROOM];
    for (int i = 0; ok && i < count; i++)
        ok = (moved[i] = fcntl(sockets[i], F_DUPFD_CLOEXEC, FIRST_FD + FD_ROOM)) >= 0;
    for (int i = 0; ok && i < count; i++)
        ok = dup2(moved[i], FIRST_FD + i) >= 0;
    return ok || err_set(err, ERR_SYSTEM, errno, "unable to pass on the listening sockets");
}

bool places_hold(const struct places *p, const char *keeper_program, const char *log_format,
                 char **argv, struct err *err)
{
    int lock = lock_run_file(p, "holder.flock", true);
    if (lock < 0)
        return already_running(p, err);
    int serving = lock_run_file(p, "poold.lock", false);
    if (serving < 0)
        return already_running(p, err);
    close(serving);
    int front, api, mcp;
    if (!listen_front(p, &front, err) || !net_listen_unix(p->api_socket, &api, err) ||
        !net_listen_unix(p->mcp_socket, &mcp, err) ||
        !pass_on(lock, (int[]){front, api, mcp}, 3, err))
        return false;
    struct strv args = {0};
    const char *const fixed[] = {keeper_program, "hold",          "--run-dir",   p->run_dir,
                                 "--fd-names",   "front:api:mcp", "--log-format"};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        strv_add(&args, fixed[i]);
    strv_add(&args, log_format);
    strv_add(&args, "--");
    strv_add_take(&args, self_sibling("poold"));
    for (int i = 1; argv[i]; i++)
        strv_add(&args, argv[i]);
    execv(keeper_program, args.items);
    int sys = errno;
    strv_finish(&args);
    return err_set(err, ERR_SYSTEM, sys, "unable to run %s", keeper_program);
}

static bool write_run_file(const struct places *p, const char *name, long long value,
                           struct err *err)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%lld\n", value);
    char *path = str_path(p->run_dir, name);
    bool ok = dirs_write_file(path, text, (size_t)n, 0600, err);
    free(path);
    return ok;
}

static void remove_run_file(const struct places *p, const char *name)
{
    char *path = str_path(p->run_dir, name);
    unlink(path);
    free(path);
}

bool places_serve(struct places *p, struct err *err)
{
    p->lock_fd = lock_run_file(p, "poold.lock", false);
    if (p->lock_fd < 0)
        return already_running(p, err);
    if (p->sockets.front < 0 && !listen_front(p, &p->sockets.front, err))
        return false;
    if (p->sockets.api < 0 && !net_listen_unix(p->api_socket, &p->sockets.api, err))
        return false;
    if (p->sockets.mcp < 0 && !net_listen_unix(p->mcp_socket, &p->sockets.mcp, err))
        return false;
    p->address = xasprintf("127.0.0.1:%d", net_port(p->sockets.front));
    return write_run_file(p, "poold.pid", getpid(), err) &&
           write_run_file(p, "port", net_port(p->sockets.front), err);
}

void places_leave(const struct places *p)
{
    if (p->lock_fd < 0)
        return;
    remove_run_file(p, "poold.pid");
    remove_run_file(p, "port");
}
