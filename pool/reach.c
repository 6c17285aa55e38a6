/* pool/reach.c - how the pool itself reaches a life, to ask it: a connection to its port, or its
 * pipes. */
#include "pool/daemon.h"
#include "pool/talk.h"

#include <errno.h>

size_t reach_unread(void *arg)
{
    struct slot *s = arg;
    struct runtime *r = &s->d.pool->runtime;
    return r->unread(r->self, s->d.id);
}

static bool dial(void *arg, int *fd, struct err *err)
{
    struct slot *s = arg;
    struct runtime *r = &s->d.pool->runtime;
    struct err why = {0};
    bool ok = r->dial(r->self, s->d.id, fd, &why);
    s->is_our_want = !ok && (why.sys == EMFILE || why.sys == ENFILE || why.sys == ENOMEM ||
                             why.sys == ENOBUFS || why.sys == EADDRNOTAVAIL);
    return ok || err_set(err, why.code, 0, "%s", err_text(&why));
}

static bool send_line(void *arg, const char *json, size_t n, struct err *err)
{
    struct slot *s = arg;
    struct runtime *r = &s->d.pool->runtime;
    return r->send_line(r->self, s->d.id, json, n, err);
}

/* Committed before the second half of the handshake goes out: a later poold goes on from it. */
static void on_handshake(void *arg, const char *json, size_t n)
{
    struct slot *s = arg;
    char *message = xstrndup(json, n);
    str_replace(&s->d.handshake, message);
    free(message);
    slot_save(s);
}

/* A later poold goes on with it: another session for each poold would never end in the daemon. */
static void on_session(void *arg, const char *session)
{
    struct slot *s = arg;
    str_replace(&s->probe_session, session[0] ? session : NULL);
    slot_save(s);
}

struct probe *reach_probe(struct slot *s)
{
    struct ev_loop *loop = s->d.pool->loop;
    if (s->d.transport != TRANSPORT_STDIO)
        return probe_new(loop, &(struct probe_how){.transport = s->d.transport,
                                                   .port = s->d.port,
                                                   .session = s->probe_session,
                                                   .dial = dial,
                                                   .on_session = on_session,
                                                   .arg = s});
    const struct talk_how how = {
        .is_private = s->d.is_private,
        .root = s->d.project->root,
        .epoch = s->d.pool->epoch,
        .is_open = s->d.handshake || (s->d.is_private && s->was_ready && s->is_adopted),
        .given = s->lines_given,
        .send = send_line,
        .unread = reach_unread,
        .on_handshake = on_handshake,
        .arg = s,
    };
    return talk_new(loop, &how);
}
