/* pool/lines.c - what a stdio daemon says and is told: lines that are no JSON-RPC message end here,
 * the pool's own go to its talk, all others to the listeners. */
#include "base/caps.h"
#include "base/log.h"
#include "keeper/wire.h"
#include "mcp/cut.h"
#include "mcp/jsonrpc.h"
#include "mcp/utf8.h"
#include "pool/slot.h"
#include "pool/talk.h"

#include <string.h>

#define LOG_MODULE "pool"
#define RUBBISH_SHOWN 160 /* bytes of a line that is no message */
#define RUBBISH_MOST 5    /* such lines of one life that are logged */

/* A server that prints on its stdout what is no message: it is dropped, and people are told. */
static void drop_rubbish(struct slot *s, const char *line, size_t n)
{
    if (s->rubbish++ >= RUBBISH_MOST)
        return;
    char *shown = xstrndup(line, n < RUBBISH_SHOWN ? n : RUBBISH_SHOWN);
    log_warn("a line on a daemon's stdout is no JSON-RPC message, dropped",
             "project=%s server=%s daemon=%s bytes=%zu line=%s%s", s->d.project->key, s->d.server,
             s->d.id, n, log_quote(shown),
             s->rubbish == RUBBISH_MOST ? " more=\"the next ones are not logged\"" : "");
    free(shown);
}

static void take_message(struct slot *s, const char *line, size_t n)
{
    const struct pool *p = s->d.pool;
    struct rpc_peek peek;
    while (n && (line[n - 1] == '\r' || line[n - 1] == ' '))
        n--; /* some end their lines as on Windows */
    rpc_peek(line, n, &peek);
    if (peek.kind == RPC_INVALID || peek.kind == RPC_BATCH) {
        drop_rubbish(s, line, n);
        return;
    }
    if (daemon_is_up(&s->d))
        health_heard(s);
    if ((s->probe && talk_take(s->probe, &peek, line, n)) || s->is_released)
        return;
    for (size_t i = 0; i < p->listener_count; i++)
        if (p->listeners[i].on_line)
            p->listeners[i].on_line(p->listeners[i].arg, &s->d, line, n);
}

void lines_room(struct slot *s)
{
    const struct pool *p = s->d.pool;
    for (size_t i = 0; i < p->listener_count; i++)
        if (p->listeners[i].on_line_room)
            p->listeners[i].on_line_room(p->listeners[i].arg, &s->d);
}

/* Too long for a frame: who waits for it is told. */
static void take_cut(struct slot *s, struct span start, struct span end)
{
    struct span id = {0};
    struct buf error = BUF_INIT(4096);
    bool is_answer = cut_answer_id(start, end, &id);
    log_warn("a line on a daemon's stdout is too long, dropped",
             "project=%s server=%s daemon=%s most=%d", s->d.project->key, s->d.server, s->d.id,
             CAP_KEEPER_FRAME);
    if (is_answer &&
        rpc_write_error(&error, id, err_row(ERR_TOO_BIG)->rpc,
                        "the answer of this stdio server is longer than 16 MiB", (struct span){0}))
        take_message(s, error.data, error.len);
    buf_release(&error);
}

/* Clients that read strictly end at what is no UTF-8; the SDKs' servers take it as U+FFFD too. */
static void take_repaired(struct slot *s, const char *line, size_t n)
{
    struct buf repaired = BUF_INIT(3 * n);
    if (utf8_repair(&repaired, line, n))
        take_message(s, repaired.data, repaired.len);
    buf_release(&repaired);
}

void lines_take(struct slot *s, const char *line, size_t n)
{
    if (n == 2 * WIRE_CUT + 1 && line[WIRE_CUT] == '\n')
        take_cut(s, (struct span){line, WIRE_CUT}, (struct span){line + WIRE_CUT + 1, WIRE_CUT});
    else if (utf8_is_valid(line, n))
        take_message(s, line, n);
    else
        take_repaired(s, line, n);
}

bool daemon_send_line(struct daemon *d, const char *json, size_t n, struct err *err)
{
    struct runtime *r = &d->pool->runtime;
    bool is_there = daemon_is_up(d) || d->state == DAEMON_DRAINING;
    if (!is_there || d->transport != TRANSPORT_STDIO)
        return err_set(err, ERR_DAEMON_LOST, 0, "the daemon is %s", daemon_state_word(d->state));
    return r->send_line(r->self, d->id, json, n, err);
}
