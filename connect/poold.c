/* connect/poold.c - see poold.h. */
#include "connect/poold.h"

#include "base/caps.h"
#include "base/clock.h"
#include "base/str.h"
#include "mcp/jsonrpc.h"
#include "platform/net.h"
#include "platform/spawn.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_SIZE 16384
#define FIRST_PAUSE_MS 10
#define WANTED_PAUSE_MS 200
#define MOST_PAUSE_MS 5000
#define STARTER_LOOK_MS 10
#define STARTER_REST_MS 2000 /* between two starts */

void poold_init(struct poold *p, const struct relay_options *options)
{
    *p = (struct poold){.options = options,
                        .fd = -1,
                        .in = BUF_INIT(CAP_MESSAGE + READ_SIZE),
                        .out = BUF_INIT(2 * CAP_BODY + CAP_OUT)};
}

void poold_finish(struct poold *p)
{
    if (p->fd >= 0)
        close(p->fd);
    buf_release(&p->in);
    buf_release(&p->out);
    free(p->session);
}

bool poold_add(struct poold *p, const char *bytes, size_t n)
{
    if (!buf_add(&p->out, bytes, n))
        return false;
    p->queued += n;
    return true;
}

bool poold_add_str(struct poold *p, const char *text)
{
    return poold_add(p, text, strlen(text));
}

/* --- connecting --- */

static void pause_longer(struct poold *p, bool is_wanted)
{
    int64_t most_ms = is_wanted ? WANTED_PAUSE_MS : MOST_PAUSE_MS;
    p->pause_ms = p->pause_ms ? p->pause_ms * 2 : FIRST_PAUSE_MS;
    if (p->pause_ms > most_ms)
        p->pause_ms = most_ms;
    p->try_ms = clock_ms() + p->pause_ms;
}

void poold_lose(struct poold *p)
{
    if (p->fd < 0)
        return;
    close(p->fd);
    p->fd = -1;
    if (p->state == POOLD_OPEN) { /* else there is only our first line, which is not counted */
        p->queued -= p->out.len;
        /* Of what it left unread the last byte is the last that it was given. */
        p->sent_at_loss = p->queued - p->was_unread;
    } else {
        pause_longer(p, true);
    }
    buf_release(&p->out);
    p->state = POOLD_AWAY;
}

static bool add_member(struct buf *out, const char *name, const char *text)
{
    return !text ||
           (buf_printf(out, "%s\"%s\":", out->data[out->len - 1] == '{' ? "" : ",", name) &&
            json_write_string(out, text, strlen(text)));
}

static void greet(struct poold *p)
{
    const struct relay_options *o = p->options;
    struct buf line = BUF_INIT(CAP_HEAD);
    bool ok = buf_add_str(&line, "{\"poold\":{") && add_member(&line, "project", o->project) &&
              add_member(&line, "server", o->server) && add_member(&line, "session", p->session) &&
              (!o->is_lean ||
               buf_printf(&line, "%s\"lean\":true", line.data[line.len - 1] == '{' ? "" : ",")) &&
              buf_add_str(&line, "}}\n");
    /* Not counted among what is queued: it is said anew to each. */
    if (ok && buf_add(&p->out, line.data, line.len))
        p->state = POOLD_GREETED;
    buf_release(&line);
}

static bool start(struct poold *p, char *why, size_t room)
{
    struct spawn_spec spec = {.argv = p->options->starter, .stdio = {-1, -1, STDERR_FILENO}};
    struct err err = {0};
    p->started_ms = clock_ms();
    if (spawn_program(&spec, &p->starter, &err))
        return true;
    snprintf(why, room, "%s", err_text(&err));
    return false;
}

/* The starter, if one runs. False: it has failed. */
static bool look_at_starter(struct poold *p, char *why, size_t room)
{
    int status = 0; /* also where nobody kept its end for us */
    if (!p->starter || waitpid(p->starter, &status, WNOHANG) == 0)
        return true;
    p->starter = 0;
    p->try_ms = 0;
    p->pause_ms = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    snprintf(why, room, "poold is not running and could not be started; stderr says why");
    return false;
}

bool poold_try(struct poold *p, bool is_wanted, char *why, size_t room)
{
    struct err err = {0};
    if (!look_at_starter(p, why, room))
        return false;
    bool is_due = clock_ms() >= p->try_ms || (is_wanted && p->pause_ms > WANTED_PAUSE_MS);
    if (p->state != POOLD_AWAY || !is_due)
        return true;
    if (net_connect_unix(p->options->socket, &p->fd, &err)) {
        greet(p);
        return true;
    }
    p->fd = -1;
    pause_longer(p, is_wanted);
    if (err.code != ERR_NOT_RUNNING && err.sys != EAGAIN) {
        snprintf(why, room, "%s", err_text(&err));
        return false;
    }
    bool may_start = err.code == ERR_NOT_RUNNING && is_wanted && p->options->starter &&
                     !p->starter &&
                     (!p->started_ms || clock_ms() - p->started_ms >= STARTER_REST_MS);
    return !may_start || start(p, why, room);
}

int64_t poold_due_ms(const struct poold *p)
{
    if (p->starter)
        return clock_ms() + STARTER_LOOK_MS;
    return p->state == POOLD_AWAY ? p->try_ms : -1;
}

/* --- the first line's answer --- */

static struct span text_of(struct span raw)
{
    return raw.n >= 2 && raw.p[0] == '"' ? (struct span){raw.p + 1, raw.n - 2} : (struct span){0};
}

bool poold_take_welcome(struct poold *p, struct span line, bool *is_initialized)
{
    struct span content = rpc_member(line, "poold");
    struct span session = text_of(rpc_member(content, "session"));
    struct span message = text_of(rpc_member(rpc_member(content, "error"), "message"));
    p->pause_ms = 0;
    *is_initialized = span_is(rpc_member(content, "initialized"), "true");
    if (session.n) {
        free(p->session);
        p->session = xstrndup(session.p, session.n);
    } else if (p->session) { /* it is not good any more: the next first line asks for another */
        free(p->session);
        p->session = NULL;
        poold_lose(p);
        return false;
    } else {
        *is_initialized = true; /* each request will be told what is wrong */
        if (!p->was_refused)
            fprintf(stderr, "poolctl connect: %.*s\n", (int)message.n, message.p ? message.p : "");
        p->was_refused = true;
    }
    p->state = POOLD_OPEN;
    return true;
}

/* --- bytes --- */

short poold_events(const struct poold *p, bool may_read)
{
    return (short)((may_read ? POLLIN : 0) | (p->out.len ? POLLOUT : 0));
}

static bool read_some(struct poold *p)
{
    char *room = buf_reserve(&p->in, READ_SIZE);
    if (!room)
        return false; /* a line past all limits */
    ssize_t n = recv(p->fd, room, READ_SIZE, 0);
    if (n > 0)
        buf_commit(&p->in, (size_t)n);
    /* Linux: a unix socket that is closed with bytes unread resets its peer. */
    p->was_unread = n < 0 && errno == ECONNRESET;
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool write_some(struct poold *p)
{
    ssize_t n = send(p->fd, p->out.data, p->out.len, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    buf_consume(&p->out, (size_t)n);
    if (!p->out.len)
        buf_release(&p->out);
    return true;
}

bool poold_exchange(struct poold *p, short revents)
{
    if (p->out.len && (revents & POLLOUT) && !write_some(p))
        revents |= POLLHUP;
    if (revents & (POLLIN | POLLHUP | POLLERR))
        return read_some(p);
    return true;
}
