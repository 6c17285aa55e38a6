/* platform/net.c - see net.h. What differs by system is in net_linux.c and net_darwin.c. */
#include "platform/net.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The kernel lowers this to its own limit; a short backlog would refuse bursts of clients. */
#define BACKLOG 4096

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
};

static bool fail_closing(int fd, int sys)
{
    if (fd >= 0)
        close(fd);
    errno = sys;
    return false;
}

static void v4_loopback(union address *a, int port)
{
    memset(a, 0, sizeof *a);
    a->v4.sin_family = AF_INET;
    a->v4.sin_port = htons((uint16_t)port);
    a->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

/* "127.0.0.1:7337" or "[::1]:7337"; names are refused, for they may mean several addresses. */
static bool address_parse(const char *text, union address *out, socklen_t *len)
{
    const char *colon = strrchr(text, ':');
    int64_t port;
    char host[INET6_ADDRSTRLEN + 2];
    size_t n = colon ? (size_t)(colon - text) : 0;
    if (!n || n >= sizeof host || !str_to_int(colon + 1, 0, 65535, &port))
        return false;
    memcpy(host, text, n);
    host[n] = '\0';
    memset(out, 0, sizeof *out);
    if (host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = '\0';
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons((uint16_t)port);
        *len = sizeof out->v6;
        return inet_pton(AF_INET6, host + 1, &out->v6.sin6_addr) == 1;
    }
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons((uint16_t)port);
    *len = sizeof out->v4;
    return inet_pton(AF_INET, host, &out->v4.sin_addr) == 1;
}

/* Without SO_REUSEADDR the connections of an earlier life (TIME_WAIT) block the port for a minute;
 * it does not let two listeners share one. */
static bool set_reuse(int fd)
{
    int on = 1;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
}

bool net_listen_tcp(const char *address, int *fd, struct err *err)
{
    union address a;
    socklen_t len;
    if (!address_parse(address, &a, &len))
        return err_set(err, ERR_ADDRESS, 0,
                       "unable to listen on '%s': expected HOST:PORT with a numeric host, like "
                       "127.0.0.1:7337 or [::1]:7337",
                       address);
    int s = net_socket(a.any.sa_family, SOCK_STREAM);
    int on = 1;
    bool ok = s >= 0 && set_reuse(s);
    if (ok && a.any.sa_family == AF_INET6) /* one address is one address */
        ok = setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
    if (!ok || bind(s, &a.any, len) != 0 || listen(s, BACKLOG) != 0) {
        fail_closing(s, errno);
        return err_set(err, ERR_ADDRESS, errno, "unable to listen on %s", address);
    }
    *fd = s;
    return true;
}

static bool unix_address(const char *path, union address *out, struct err *err)
{
    size_t n = strlen(path);
    if (n == 0 || n > NET_UNIX_PATH_MAX)
        return err_set(err, ERR_ADDRESS, n ? ENAMETOOLONG : ENOENT,
                       "unable to use the socket path %s (%zu bytes, at most %d); give a shorter "
                       "one with --run-dir or POOLD_RUN_DIR",
                       path, n, NET_UNIX_PATH_MAX);
    memset(out, 0, sizeof *out);
    out->local.sun_family = AF_UNIX;
    memcpy(out->local.sun_path, path, n + 1);
    return true;
}

/* Connect; on failure errno says why and nothing stays open. */
static int unix_dial(const union address *a)
{
    int s = net_socket(AF_UNIX, SOCK_STREAM);
    if (s < 0)
        return -1;
    int rc;
    do
        rc = connect(s, &a->any, sizeof a->local);
    while (rc != 0 && errno == EINTR);
    if (rc == 0)
        return s;
    fail_closing(s, errno);
    return -1;
}

/* Take away a socket file that nobody serves. */
static bool unix_make_room(const char *path, const union address *a, struct err *err)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT || err_set(err, ERR_ADDRESS, errno, "unable to look at %s", path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, ERR_ADDRESS, EEXIST, "unable to listen on %s (it is no socket)", path);
    int s = unix_dial(a);
    if (s >= 0 || errno == EAGAIN) { /* EAGAIN: served, its backlog is full */
        fail_closing(s, 0);
        return err_set(err, ERR_ADDRESS, EADDRINUSE, "unable to listen on %s", path);
    }
    if (errno != ECONNREFUSED || (unlink(path) != 0 && errno != ENOENT))
        return err_set(err, ERR_ADDRESS, errno, "unable to replace the socket %s", path);
    return true;
}

bool net_listen_unix(const char *path, int *fd, struct err *err)
{
    union address a;
    if (!unix_address(path, &a, err) || !unix_make_room(path, &a, err))
        return false;
    int s = net_socket(AF_UNIX, SOCK_STREAM);
    /* The mode must be right from the first moment; a chmod after bind would leave a gap. */
    mode_t before = umask(0177);
    bool ok = s >= 0 && bind(s, &a.any, sizeof a.local) == 0;
    int sys = errno;
    umask(before);
    errno = sys;
    if (!ok || listen(s, BACKLOG) != 0) {
        fail_closing(s, errno);
        return err_set(err, ERR_ADDRESS, errno, "unable to listen on %s", path);
    }
    *fd = s;
    return true;
}

int net_port(int fd)
{
    union address a;
    socklen_t len = sizeof a;
    if (getsockname(fd, &a.any, &len) != 0)
        return -1;
    if (a.any.sa_family == AF_INET)
        return ntohs(a.v4.sin_port);
    return a.any.sa_family == AF_INET6 ? ntohs(a.v6.sin6_port) : -1;
}

bool net_connect_loopback(int port, int *fd, struct err *err)
{
    union address a;
    v4_loopback(&a, port);
    int s = net_socket(AF_INET, SOCK_STREAM);
    /* EINTR: the connect goes on by itself, like EINPROGRESS. */
    if (s < 0 || (connect(s, &a.any, sizeof a.v4) != 0 && errno != EINPROGRESS && errno != EINTR)) {
        fail_closing(s, errno);
        return err_set(err, ERR_SYSTEM, errno, "unable to connect to 127.0.0.1:%d", port);
    }
    *fd = s;
    return true;
}

bool net_connect_unix(const char *path, int *fd, struct err *err)
{
    union address a;
    if (!unix_address(path, &a, err))
        return false;
    int s = unix_dial(&a);
    if (s < 0) {
        bool absent = errno == ENOENT || errno == ECONNREFUSED;
        return err_set(err, absent ? ERR_NOT_RUNNING : ERR_SYSTEM, errno, "unable to connect to %s",
                       path);
    }
    *fd = s;
    return true;
}

int net_connect_error(int fd)
{
    int sys = 0;
    union address here, there;
    socklen_t len = sizeof sys, here_len = sizeof here, there_len = sizeof there;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &len) != 0)
        return errno;
    if (sys)
        return sys;
    if (getpeername(fd, &there.any, &there_len) != 0)
        return errno == ENOTCONN ? EINPROGRESS : errno;
    if (there.any.sa_family == AF_INET && getsockname(fd, &here.any, &here_len) == 0 &&
        here.v4.sin_port == there.v4.sin_port &&
        here.v4.sin_addr.s_addr == there.v4.sin_addr.s_addr)
        return ECONNREFUSED;
    return 0;
}

void net_no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static bool can_bind(int port, bool is_reuse)
{
    union address a;
    v4_loopback(&a, port);
    int s = net_socket(AF_INET, SOCK_STREAM);
    bool ok = s >= 0 && (!is_reuse || set_reuse(s)) && bind(s, &a.any, sizeof a.v4) == 0;
    if (s >= 0)
        close(s);
    return ok;
}

bool net_port_is_free(int port)
{
    return can_bind(port, true);
}

bool net_port_is_free_to_all(int port)
{
    return can_bind(port, false);
}
