/* platform/activate.c - see activate.h. */
#include "platform/activate.h"

#include "base/str.h"
#include "platform/net.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FD 3
#define MOST_FDS 64

static const char *const variables[] = {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
                                        "LISTEN_PIDFDID"};

static bool is_listening(int fd)
{
    int on = 0;
    socklen_t len = sizeof on;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on;
}

static bool make_ours(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
           fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

static int *place_of(int fd, const char *name, struct activate_sockets *out)
{
    if (strcmp(name, "front") == 0)
        return &out->front;
    if (strcmp(name, "api") == 0)
        return &out->api;
    if (strcmp(name, "mcp") == 0)
        return &out->mcp;
    struct sockaddr_un a = {0};
    socklen_t len = sizeof a - 1; /* so that the path ends in a zero */
    if (net_port(fd) >= 0)
        return &out->front;
    if (getsockname(fd, (struct sockaddr *)&a, &len) != 0 || a.sun_family != AF_UNIX)
        return NULL;
    if (str_ends(a.sun_path, "/api.sock"))
        return &out->api;
    return str_ends(a.sun_path, "/mcp.sock") ? &out->mcp : NULL;
}

bool activate_place(int fd, const char *name, struct activate_sockets *out, int *count,
                    struct err *err)
{
    if (!is_listening(fd) || !make_ours(fd)) {
        close(fd);
        return err_set(err, ERR_ADDRESS, 0,
                       "unable to take fd %d ('%s') from the service manager: it is no listening "
                       "socket",
                       fd, name);
    }
    int *place = place_of(fd, name, out);
    if (!place) {
        close(fd);
        return true;
    }
    if (*place >= 0) {
        close(fd);
        return err_set(err, ERR_ADDRESS, 0,
                       "unable to take two sockets for one place ('%s') from the service manager; "
                       "name them front, api and mcp",
                       name);
    }
    *place = fd;
    ++*count;
    return true;
}

/* The n-th name of "a:b:c" as a new string ("" if there is none). */
static char *name_at(const char *names, int64_t n)
{
    const char *at = names ? names : "";
    for (; n > 0; n--) {
        at = strchr(at, ':');
        if (!at)
            return xstrdup("");
        at++;
    }
    return xstrndup(at, strcspn(at, ":"));
}

/* Sockets by the environment: -1, 0 or how many. */
static int take_from_environment(struct activate_sockets *out, struct err *err)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    int64_t who, many;
    int count = 0;
    /* Not for us: a variable that was inherited through a program that ignored it. */
    if (!pid || !fds || !str_to_int(pid, 1, INT32_MAX, &who) || who != getpid())
        return 0;
    if (!str_to_int(fds, 0, MOST_FDS, &many)) {
        err_set(err, ERR_ADDRESS, 0, "unable to understand LISTEN_FDS=%s", fds);
        return -1;
    }
    bool ok = true;
    for (int64_t i = 0; i < many; i++) { /* go on after a failure: all are ours to close */
        char *name = name_at(names, i);
        ok = activate_place(FIRST_FD + (int)i, name, out, &count, err) && ok;
        free(name);
    }
    return ok ? count : -1;
}

static void close_all(const struct activate_sockets *s)
{
    const int fds[] = {s->front, s->api, s->mcp};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

int activate_take(struct activate_sockets *out, struct err *err)
{
    struct activate_sockets found = {-1, -1, -1};
    int count = take_from_environment(&found, err);
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
    if (count == 0)
        count = activate_from_manager(&found, err);
    if (count < 0)
        close_all(&found);
    else
        *out = found;
    return count;
}

bool activate_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t n = path ? strlen(path) : 0;
    if (n < 2 || n >= sizeof a.sun_path || (path[0] != '/' && path[0] != '@'))
        return false;
    memcpy(a.sun_path, path, n);
    if (path[0] == '@') /* the abstract name space: a zero byte first, no zero at the end */
        a.sun_path[0] = '\0';
    int fd = net_socket(AF_UNIX, SOCK_DGRAM);
    if (fd < 0)
        return false;
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    ssize_t sent;
    do
        sent = sendto(fd, state, strlen(state), 0, (struct sockaddr *)&a, len);
    while (sent < 0 && errno == EINTR);
    close(fd);
    return sent >= 0;
}

int64_t activate_watchdog_ms(void)
{
    const char *pid = getenv("WATCHDOG_PID"), *usec = getenv("WATCHDOG_USEC");
    int64_t who, us;
    if (pid && (!str_to_int(pid, 1, INT32_MAX, &who) || who != getpid()))
        return 0;
    if (!usec || !str_to_int(usec, 1, INT64_MAX, &us))
        return 0;
    return us < 1000 ? 1 : us / 1000;
}
