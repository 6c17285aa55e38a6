/* platform/peer_darwin.c - the same questions by libproc. Compiled, never run.
 *
 * There is no way to ask for one socket, so a connection is known if a process of ours is found
 * that holds a socket with these two ports; another user's stays unknown. No mount namespaces
 * here, so a path means the same to everybody. */
#include "platform/peer_parts.h"

#include "base/str.h"

#include <errno.h>
#include <libproc.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/proc_info.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct peer_search {
    struct peer_id id;
    pid_t *pids;
    int count, next;
    enum peer_state state;
    struct peer_process found;
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Processes of our uid: how many, and a new list. */
static int own_pids(pid_t **out)
{
    int bytes = proc_listpids(PROC_UID_ONLY, geteuid(), NULL, 0);
    size_t room = (bytes > 0 ? (size_t)bytes : 0) + 64 * sizeof(pid_t);
    *out = xmalloc(room);
    bytes = proc_listpids(PROC_UID_ONLY, geteuid(), *out, (int)room);
    return bytes > 0 ? bytes / (int)sizeof(pid_t) : 0;
}

static bool is_that_socket(pid_t pid, int fd, const struct peer_id *id)
{
    struct socket_fdinfo info;
    if (proc_pidfdinfo(pid, fd, PROC_PIDFDSOCKETINFO, &info, sizeof info) != sizeof info ||
        info.psi.soi_kind != SOCKINFO_TCP)
        return false;
    const struct in_sockinfo *in = &info.psi.soi_proto.pri_tcp.tcpsi_ini;
    return ntohs((uint16_t)in->insi_lport) == id->client_port &&
           ntohs((uint16_t)in->insi_fport) == id->server_port;
}

static bool holds(pid_t pid, const struct peer_id *id)
{
    int bytes = pid == getpid() ? 0 : proc_pidinfo(pid, PROC_PIDLISTFDS, 0, NULL, 0);
    if (bytes <= 0)
        return false;
    struct proc_fdinfo *fds = xmalloc((size_t)bytes);
    bytes = proc_pidinfo(pid, PROC_PIDLISTFDS, 0, fds, bytes);
    int count = bytes > 0 ? bytes / (int)sizeof *fds : 0;
    bool found = false;
    for (int i = 0; !found && i < count; i++)
        found = fds[i].proc_fdtype == PROX_FDTYPE_SOCKET && is_that_socket(pid, fds[i].proc_fd, id);
    free(fds);
    return found;
}

static bool port_of(int fd, int (*ask)(int, struct sockaddr *, socklen_t *), uint16_t *out)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a;
    socklen_t len = sizeof a;
    if (ask(fd, &a.any, &len) != 0)
        return false;
    if (a.any.sa_family != AF_INET && a.any.sa_family != AF_INET6) {
        errno = EAFNOSUPPORT;
        return false;
    }
    *out = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
    return true;
}

bool peer_identify(int fd, struct peer_id *out, struct err *err)
{
    struct peer_id id = {.uid = (uid_t)-1};
    if (!port_of(fd, getpeername, &id.client_port) || !port_of(fd, getsockname, &id.server_port)) {
        if (errno != ENOTCONN && errno != EINVAL)
            return err_set(err, ERR_SYSTEM, errno, "unable to tell the ends of a connection");
        *out = id;
        return true;
    }
    pid_t *pids;
    int count = own_pids(&pids);
    for (int i = 0; i < count && !id.is_known; i++)
        id.is_known = holds(pids[i], &id);
    free(pids);
    if (id.is_known)
        id.uid = geteuid();
    *out = id;
    return true;
}

static enum peer_state describe(pid_t pid, bool on_stdio, struct peer_process *out)
{
    struct proc_bsdinfo bsd;
    struct proc_vnodepathinfo paths;
    char real[PATH_MAX];
    memset(out, 0, sizeof *out);
    out->pid = pid;
    if (proc_pidinfo(pid, PROC_PIDTBSDINFO, 0, &bsd, sizeof bsd) != sizeof bsd ||
        bsd.pbi_uid != geteuid()) {
        snprintf(out->why, sizeof out->why, "process %ld is gone, or another user's", (long)pid);
        return PEER_UNKNOWN;
    }
    out->start_time = bsd.pbi_start_tvsec * 1000000 + bsd.pbi_start_tvusec;
    snprintf(out->name, sizeof out->name, "%s", bsd.pbi_comm);
    if (peer_is_forwarder(out->name, on_stdio)) {
        snprintf(
            out->why, sizeof out->why,
            "the connection comes through %s (process %ld), which carries it for somebody else",
            out->name, (long)pid);
        return PEER_UNKNOWN;
    }
    if (proc_pidinfo(pid, PROC_PIDVNODEPATHINFO, 0, &paths, sizeof paths) != sizeof paths ||
        !realpath(paths.pvi_cdir.vip_path, real)) {
        snprintf(out->why, sizeof out->why,
                 "the working directory of process %ld cannot be read, or was deleted", (long)pid);
        return PEER_UNKNOWN;
    }
    snprintf(out->cwd, sizeof out->cwd, "%s", real);
    return PEER_FOUND;
}

static void conclude_unknown(struct peer_search *s, const char *why)
{
    s->state = PEER_UNKNOWN;
    s->found.cwd[0] = '\0';
    snprintf(s->found.why, sizeof s->found.why, "%s", why);
}

/* The first owner, or one more that must agree with it. */
static void owner_found(struct peer_search *s, pid_t pid)
{
    struct peer_process p;
    if (describe(pid, false, &p) != PEER_FOUND)
        conclude_unknown(s, p.why);
    else if (s->found.pid && strcmp(p.cwd, s->found.cwd) != 0)
        conclude_unknown(
            s, "several processes share the connection and work in different directories");
    else if (!s->found.pid || p.start_time < s->found.start_time)
        s->found = p;
}

struct peer_search *peer_search_new(const struct peer_id *id)
{
    struct peer_search *s = xcalloc(1, sizeof *s);
    s->id = *id;
    if (!id->is_known)
        conclude_unknown(s, "no process of yours was found that holds the connection");
    else
        s->count = own_pids(&s->pids);
    return s;
}

enum peer_state peer_search_step(struct peer_search *s, int64_t slice_us, struct peer_process *out)
{
    int64_t deadline_us = now_us() + slice_us;
    while (s->state == PEER_MORE && s->next < s->count) {
        pid_t pid = s->pids[s->next++];
        if (holds(pid, &s->id))
            owner_found(s, pid);
        if (now_us() >= deadline_us)
            break;
    }
    if (s->state == PEER_MORE && s->next >= s->count) {
        if (s->found.pid)
            s->state = PEER_FOUND;
        else
            conclude_unknown(s, "no process was found that holds the connection; the client may "
                                "have ended already");
    }
    if (s->state != PEER_MORE)
        *out = s->found;
    return s->state;
}

void peer_search_free(struct peer_search *s)
{
    if (!s)
        return;
    free(s->pids);
    free(s);
}

enum peer_state peer_of_pid(pid_t pid, struct peer_process *out)
{
    return describe(pid, true, out);
}

bool peer_of_unix(int fd, pid_t *pid, uid_t *uid)
{
    pid_t who;
    uid_t user;
    gid_t group;
    socklen_t len = sizeof who;
    if (getsockopt(fd, SOL_LOCAL, LOCAL_PEERPID, &who, &len) != 0 ||
        getpeereid(fd, &user, &group) != 0)
        return false;
    *pid = who;
    *uid = user;
    return true;
}
