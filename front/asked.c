/* front/asked.c - see asked.h. */
#include "front/asked.h"

#include "base/caps.h"
#include "base/clock.h"
#include "base/str.h"

#include <string.h>

#define ASKED_MAX 100 /* of one session that are remembered; the oldest goes first */

struct asked {
    struct list node;
    const struct flight *flight;
    unsigned link_serial; /* of the link it came over: another one's daemon does not wait */
    size_t id_n;
    char id[]; /* raw JSON */
};

static void asked_free(struct asked *a)
{
    list_remove(&a->node);
    free(a);
}

static bool hears(const struct session *s, const struct flight *f)
{
    if (s->is_departed)
        return false;
    return f ? f->client != &flight_client_none && f->kind != FLIGHT_OWN
             : session_stream_is_awaited(s);
}

/* An answer in the client's place. Not sent from here: this may run inside of what a connection
 * reports. */
static void refuse(struct session *s, struct span id)
{
    struct buf body = BUF_INIT(CAP_HEAD + id.n);
    struct rpc_peek peek;
    if (link_is_open(&s->link) &&
        rpc_write_error(&body, id, err_row(ERR_INTERNAL)->rpc, "the client that was asked has gone",
                        (struct span){0})) {
        rpc_peek(body.data, body.len, &peek);
        flight_new(s, FLIGHT_ONEWAY, &flight_client_none, NULL, (struct span){body.data, body.len},
                   &peek, NULL);
        front_look_soon(s->front);
    }
    buf_release(&body);
}

void asked_note(struct session *s, struct flight *f, struct span id)
{
    if (!hears(s, f)) {
        refuse(s, id);
        return;
    }
    size_t count = 0;
    list_each(node, after, &s->asked) count++;
    if (count >= ASKED_MAX)
        asked_free(container_of(s->asked.next, struct asked, node));
    struct asked *a = xcalloc(1, sizeof *a + id.n + 1);
    a->flight = f;
    a->link_serial = s->link.serial;
    a->id_n = id.n;
    memcpy(a->id, id.p, id.n);
    list_add_tail(&s->asked, &a->node);
    if (f && f->replay && !f->conn && !f->away_ms)
        f->away_ms = clock_ms(); /* it may come back for it, but not for ever */
}

void asked_answered(struct session *s, struct span id)
{
    list_each(node, after, &s->asked)
    {
        struct asked *a = container_of(node, struct asked, node);
        if (a->id_n == id.n && memcmp(a->id, id.p, id.n) == 0) {
            asked_free(a);
            return;
        }
    }
}

void asked_refuse(struct session *s, const struct flight *f)
{
    struct list gone;
    list_init(&gone);
    list_each(node, after, &s->asked)
    {
        struct asked *a = container_of(node, struct asked, node);
        if (f && a->flight != f)
            continue;
        list_remove(node);
        list_add_tail(&gone, node);
    }
    list_each(node, after, &gone)
    {
        struct asked *a = container_of(node, struct asked, node);
        if (a->link_serial == s->link.serial)
            refuse(s, (struct span){a->id, a->id_n});
        asked_free(a);
    }
}

void asked_forget(struct session *s, const struct flight *f)
{
    list_each(node, after, &s->asked)
    {
        struct asked *a = container_of(node, struct asked, node);
        if (!f || a->flight == f)
            asked_free(a);
    }
}
