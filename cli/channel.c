/* cli/channel.c - see channel.h. */
#include "cli/channel.h"

#include "base/clock.h"
#include "platform/net.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static bool too_late(struct err *err)
{
    return err_set(err, ERR_NOT_RUNNING, 0, "poold did not answer in time");
}

/* Wait for the socket; *ready tells whether it came before quiet_ms (-1: the deadline). */
static bool wait_for(const struct channel *c, short events, int64_t quiet_ms, bool *ready,
                     struct err *err)
{
    int64_t quiet_at = quiet_ms < 0 ? INT64_MAX : clock_ms() + quiet_ms;
    for (;;) {
        int64_t now = clock_ms(), until = quiet_at < c->deadline_ms ? quiet_at : c->deadline_ms;
        int64_t left = until == INT64_MAX ? -1 : until > now ? until - now : 0;
        struct pollfd p = {.fd = c->fd, .events = events};
        int n = poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left);
        if (n > 0) {
            *ready = true;
            return true;
        }
        if (n < 0 && errno != EINTR)
            return err_set(err, ERR_SYSTEM, errno, "unable to wait for poold");
        now = clock_ms();
        if (now >= c->deadline_ms)
            return too_late(err);
        if (now >= quiet_at) {
            *ready = false;
            return true;
        }
    }
}

static bool connect_to(const char *path, struct channel *c, struct err *err)
{
    for (;;) {
        struct err why = {0};
        if (net_connect_unix(path, &c->fd, &why))
            return true;
        if (why.sys != EAGAIN)
            return err_set(err, why.code, 0, "%s", why.text);
        if (clock_ms() >= c->deadline_ms)
            return too_late(err);
        nanosleep(&(struct timespec){.tv_nsec = 2 * 1000 * 1000}, NULL);
    }
}

bool channel_open(struct channel *c, const char *path, int64_t wait_ms, size_t cap, struct err *err)
{
    *c = (struct channel){.fd = -1, .in = BUF_INIT(cap)};
    c->deadline_ms = wait_ms < 0 ? INT64_MAX : clock_ms() + wait_ms;
    return connect_to(path, c, err);
}

void channel_close(struct channel *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    buf_release(&c->in);
}

bool channel_send(struct channel *c, const char *bytes, size_t n, struct err *err)
{
    while (n) {
        ssize_t did = send(c->fd, bytes, n, MSG_NOSIGNAL);
        bool ready;
        if (did >= 0) {
            bytes += did;
            n -= (size_t)did;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!wait_for(c, POLLOUT, -1, &ready, err))
                return false;
        } else if (errno != EINTR) {
            return err_set(err, ERR_NOT_RUNNING, errno, "unable to send the request to poold");
        }
    }
    return true;
}

bool channel_fill(struct channel *c, int64_t quiet_ms, bool *ready, bool *ended, struct err *err)
{
    *ended = false;
    for (;;) {
        char *room = buf_reserve(&c->in, CHANNEL_READ_SIZE);
        if (!room)
            return err_set(err, ERR_TOO_BIG, 0, "poold's answer has too long a line or head");
        ssize_t got = recv(c->fd, room, CHANNEL_READ_SIZE, 0);
        if (got > 0) {
            buf_commit(&c->in, (size_t)got);
            *ready = true;
            return true;
        }
        if (got == 0) {
            *ended = *ready = true;
            return true;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return err_set(err, ERR_NOT_RUNNING, errno, "the connection to poold was lost");
        if (!wait_for(c, POLLIN, quiet_ms, ready, err))
            return false;
        if (!*ready)
            return true;
    }
}
