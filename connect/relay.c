/* connect/relay.c - see relay.h. */
#include "connect/relay.h"

#include "base/caps.h"
#include "base/clock.h"
#include "base/str.h"
#include "connect/pending.h"
#include "connect/poold.h"
#include "mcp/jsonrpc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE 16384
#define AGAINS_MAX 3    /* a request that poold does not survive is not asked for ever */
#define WAIT_MS 35000   /* without poold, until the client hears of it */
#define INIT_KEPT 65536 /* of the client's initialize */

static const char own_id[] = "\"poold-connect\""; /* of the handshake that we repeat */

struct relay {
    const struct relay_options *options;
    struct poold poold;
    struct buf in;     /* from the client */
    size_t in_scanned; /* bytes of it that hold no line end */
    bool in_ended;
    struct buf out;      /* lines for the client that are ours */
    size_t ready;        /* bytes at the front of poold.in that are lines for the client */
    size_t from_scanned; /* bytes of an unfinished line behind them */
    struct pending pending;
    char *initialize;   /* the client's params, to do the handshake again */
    int64_t give_up_ms; /* 0: nothing waits for poold */
};

/* --- towards the client --- */

static void tell_error(struct relay *r, struct span id, enum err_code code, const char *text)
{
    if (!rpc_write_error(&r->out, id, err_row(code)->rpc, text, (struct span){0}) ||
        !buf_add(&r->out, "\n", 1))
        exit(0); /* it reads nothing at all */
}

/* False: the client is gone. */
static bool write_some(int fd, const char *bytes, size_t n, size_t *written)
{
    ssize_t done = write(fd, bytes, n < READ_SIZE ? n : READ_SIZE);
    *written = done > 0 ? (size_t)done : 0;
    return done >= 0 || errno == EAGAIN || errno == EINTR;
}

static bool write_out(struct relay *r)
{
    size_t n;
    bool is_own = !r->ready && r->out.len;
    if (is_own) {
        if (!write_some(STDOUT_FILENO, r->out.data, r->out.len, &n))
            return false;
        buf_consume(&r->out, n);
        return true;
    }
    /* A line of poold's that was begun is finished first: ready ends with a line. */
    if (!write_some(STDOUT_FILENO, r->poold.in.data, r->ready, &n))
        return false;
    buf_consume(&r->poold.in, n);
    r->ready -= n;
    if (!r->poold.in.len)
        buf_release(&r->poold.in);
    return true;
}

/* --- from poold --- */

/* What poold says to us, not to the client. */
static bool is_ours(struct span line)
{
    static const char key[] = "{\"poold\":";
    return line.n >= sizeof key - 1 && memcmp(line.p, key, sizeof key - 1) == 0;
}

static void ask_again(struct relay *r, struct pending_request *request)
{
    struct span id = {request->id, request->id_n};
    bool ok = true;
    request->was_sent |= request->end_at <= r->poold.sent_at_loss;
    if (request->line && !request->was_sent) {
        ok = poold_add(&r->poold, request->line, request->line_n);
    } else {
        request->agains++;
        ok = poold_add(&r->poold, "{\"poold\":{\"again\":", 18) &&
             (request->line ? poold_add(&r->poold, request->line, request->line_n)
                            : poold_add(&r->poold, id.p, id.n)) &&
             poold_add(&r->poold, "}}", 2);
    }
    ok = ok && poold_add(&r->poold, "\n", 1);
    request->end_at = r->poold.queued;
    if (!ok)
        poold_lose(&r->poold);
}

static void handshake_again(struct relay *r)
{
    if (!poold_add_str(&r->poold, "{\"jsonrpc\":\"2.0\",\"id\":") ||
        !poold_add_str(&r->poold, own_id) ||
        !poold_add_str(&r->poold, ",\"method\":\"initialize\",\"params\":") ||
        !poold_add_str(&r->poold, r->initialize) || !poold_add_str(&r->poold, "}\n"))
        poold_lose(&r->poold);
}

/* poold has answered our first line: on with what is not answered yet. */
static void go_on(struct relay *r, struct span line)
{
    bool is_initialized;
    r->give_up_ms = 0;
    if (!poold_take_welcome(&r->poold, line, &is_initialized))
        return;
    if (!is_initialized && r->initialize)
        handshake_again(r);
    for (size_t i = 0; i < r->pending.count && r->poold.state == POOLD_OPEN;) {
        struct pending_request *request = &r->pending.items[i];
        if (request->agains >= AGAINS_MAX) {
            tell_error(r, (struct span){request->id, request->id_n}, ERR_DAEMON_LOST,
                       "poold was started anew again and again while this call was under way; the "
                       "call may have run");
            pending_remove_at(&r->pending, i);
            continue;
        }
        ask_again(r, request);
        i++;
    }
}

/* Is it for the client? */
static bool take_answer(struct relay *r, struct span line)
{
    if (is_ours(line)) {
        if (r->poold.state == POOLD_GREETED)
            go_on(r, line);
        return false;
    }
    if (rpc_is_response(line.p, line.n) == 0)
        return true;
    struct rpc_peek peek;
    rpc_peek(line.p, line.n, &peek);
    if (peek.kind != RPC_RESPONSE)
        return true;
    if (span_is(peek.id, own_id))
        return false;
    pending_remove(&r->pending, peek.id);
    return true;
}

/* Look at the whole lines that have come; those for the client become ready. */
static void take_answers(struct relay *r)
{
    struct buf *in = &r->poold.in;
    for (;;) {
        size_t from = r->ready + r->from_scanned;
        char *end = in->len > from ? memchr(in->data + from, '\n', in->len - from) : NULL;
        if (!end) {
            r->from_scanned = in->len - r->ready;
            return;
        }
        r->from_scanned = 0;
        struct span line = {in->data + r->ready, (size_t)(end - in->data) - r->ready};
        if (take_answer(r, line)) {
            r->ready += line.n + 1;
        } else { /* it goes, and what is behind it moves up */
            size_t at = r->ready + line.n + 1;
            memmove(in->data + r->ready, in->data + at, in->len - at);
            in->len -= line.n + 1;
        }
    }
}

/* The connection is lost: what there is of an unfinished line is nothing. */
static void forget_rest(struct relay *r)
{
    r->poold.in.len = r->ready;
    r->from_scanned = 0;
}

/* --- from the client --- */

static void note_requests(struct relay *r, struct span line, const struct rpc_peek *peek,
                          uint64_t end_at)
{
    if (peek->kind == RPC_REQUEST) {
        pending_add(&r->pending, peek->id, line, end_at);
        r->pending.items[r->pending.count - 1].is_endless =
            rpc_text_is(peek->method, "subscriptions/listen");
        if (rpc_text_is(peek->method, "initialize") && peek->params.n <= INIT_KEPT) {
            free(r->initialize);
            r->initialize =
                peek->params.n ? xstrndup(peek->params.p, peek->params.n) : xstrdup("{}");
        }
    } else if (peek->kind == RPC_NOTIFICATION &&
               rpc_text_is(peek->method, "notifications/cancelled")) {
        pending_remove(&r->pending, rpc_member(peek->params, "requestId"));
    } else if (peek->kind == RPC_BATCH) {
        const char *at = line.p, *stop = line.p + line.n;
        struct span element;
        while (rpc_batch_next(&at, stop, &element)) {
            struct rpc_peek one;
            rpc_peek(element.p, element.n, &one);
            if (one.kind != RPC_BATCH && r->pending.count < PENDING_MAX)
                note_requests(r, element, &one, end_at);
        }
    }
}

static void refuse(struct relay *r, struct span line, enum err_code code, const char *text)
{
    struct rpc_peek peek;
    rpc_peek(line.p, line.n, &peek);
    if (peek.kind == RPC_REQUEST)
        tell_error(r, peek.id, code, text);
}

static void pass(struct relay *r, struct span line)
{
    struct rpc_peek peek;
    if (line.n > CAP_BODY) {
        refuse(r, line, ERR_TOO_BIG, "the request is longer than 4 MiB");
        return;
    }
    rpc_peek(line.p, line.n, &peek);
    if (!poold_add(&r->poold, line.p, line.n) || !poold_add(&r->poold, "\n", 1)) {
        poold_lose(&r->poold); /* never: there was room */
        return;
    }
    note_requests(r, line, &peek, r->poold.queued);
}

/* The first whole line of the client; behind its end the rest is one too. */
static bool next_line(struct relay *r, struct span *line)
{
    char *end = r->in.len > r->in_scanned
                    ? memchr(r->in.data + r->in_scanned, '\n', r->in.len - r->in_scanned)
                    : NULL;
    r->in_scanned = end ? (size_t)(end - r->in.data) : r->in.len;
    *line = (struct span){r->in.data, r->in_scanned};
    return end || (r->in_ended && r->in.len);
}

static void drop_line(struct relay *r, struct span line)
{
    buf_consume(&r->in, line.n < r->in.len ? line.n + 1 : line.n);
    r->in_scanned = 0;
    if (!r->in.len)
        buf_release(&r->in);
}

static bool has_room(const struct relay *r)
{
    return r->pending.count < PENDING_MAX && r->poold.out.len < CAP_OUT && r->out.len < CAP_OUT;
}

static void take_lines(struct relay *r)
{
    struct span line;
    while (r->poold.state == POOLD_OPEN && has_room(r) && next_line(r, &line)) {
        if (line.n)
            pass(r, line);
        drop_line(r, line);
    }
}

/* False: it sends a line without end, or nothing can be read. */
static bool read_in(struct relay *r)
{
    char *room = buf_reserve(&r->in, READ_SIZE);
    if (!room) {
        fprintf(stderr, "poolctl connect: a line of the client's is longer than 64 MiB\n");
        return false;
    }
    ssize_t n = read(STDIN_FILENO, room, READ_SIZE);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    r->in_ended = n == 0;
    buf_commit(&r->in, (size_t)n);
    return true;
}

/* --- without poold --- */

static bool is_waiting(struct relay *r)
{
    struct span line;
    return r->pending.count || next_line(r, &line);
}

/* What waits is told that poold cannot be reached; for what comes later it is tried again. */
static void give_up(struct relay *r, const char *why)
{
    struct span line;
    fprintf(stderr, "poolctl connect: %s\n", why);
    while (r->pending.count) {
        struct pending_request *request = &r->pending.items[0];
        tell_error(r, (struct span){request->id, request->id_n}, ERR_NOT_RUNNING, why);
        pending_remove_at(&r->pending, 0);
    }
    while (next_line(r, &line)) {
        refuse(r, line, ERR_NOT_RUNNING, why);
        drop_line(r, line);
    }
    r->give_up_ms = 0;
}

static void wait_for_poold(struct relay *r)
{
    char why[300];
    bool is_wanted = is_waiting(r);
    if (is_wanted && !r->give_up_ms)
        r->give_up_ms = clock_ms() + WAIT_MS;
    if (!poold_try(&r->poold, is_wanted, why, sizeof why)) {
        if (is_wanted)
            give_up(r, why);
    } else if (r->give_up_ms && clock_ms() >= r->give_up_ms && is_wanted) {
        snprintf(why, sizeof why, "poold does not answer at %s", r->options->socket);
        give_up(r, why);
    }
}

/* --- the loop --- */

/* Is all said that there is to say? */
static bool is_over(const struct relay *r)
{
    bool is_awaited = false;
    for (size_t i = 0; i < r->pending.count; i++)
        is_awaited |= !r->pending.items[i].is_endless;
    return r->in_ended && !r->in.len && !is_awaited && !r->out.len && !r->ready &&
           !r->poold.out.len;
}

/* Milliseconds until something is to be looked at without an event; -1: none. */
static int patience(const struct relay *r)
{
    if (r->poold.state == POOLD_OPEN)
        return -1;
    int64_t now_ms = clock_ms(), until_ms = poold_due_ms(&r->poold);
    if (r->give_up_ms && (until_ms < 0 || r->give_up_ms < until_ms))
        until_ms = r->give_up_ms;
    return until_ms < 0 ? -1 : until_ms <= now_ms ? 0 : (int)(until_ms - now_ms);
}

static bool turn(struct relay *r)
{
    struct span waiting;
    bool writes = r->ready || r->out.len;
    bool reads = !r->in_ended && !next_line(r, &waiting);
    struct pollfd fds[3] = {
        {.fd = reads ? STDIN_FILENO : -1, .events = POLLIN},
        {.fd = STDOUT_FILENO, .events = writes ? POLLOUT : 0},
        {.fd = r->poold.fd, .events = poold_events(&r->poold, r->ready < CAP_OUT)},
    };
    if (poll(fds, 3, patience(r)) < 0)
        return errno == EINTR;
    if (fds[0].revents && !read_in(r))
        return false;
    if (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL)) /* its client reads no more */
        return false;
    if (fds[1].revents && !write_out(r))
        return false;
    if (fds[2].revents) {
        bool goes_on = poold_exchange(&r->poold, fds[2].revents);
        take_answers(r);
        if (!goes_on || r->poold.fd < 0) {
            poold_lose(&r->poold);
            forget_rest(r);
        }
    }
    if (r->poold.state != POOLD_OPEN)
        wait_for_poold(r);
    take_lines(r);
    return true;
}

/* A client that reads slowly must not hold us up; a terminal or a file does not. */
static void set_non_blocking(int fd)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int relay_run(const struct relay_options *options)
{
    struct relay r = {
        .options = options, .in = BUF_INIT(CAP_MESSAGE), .out = BUF_INIT(CAP_MESSAGE)};
    poold_init(&r.poold, options);
    set_non_blocking(STDOUT_FILENO);
    while (!is_over(&r) && turn(&r))
        ;
    poold_finish(&r.poold);
    pending_finish(&r.pending);
    buf_release(&r.in);
    buf_release(&r.out);
    free(r.initialize);
    return 0;
}
