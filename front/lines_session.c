/* front/lines_session.c - see lines_session.h. */
#include "front/lines_session.h"

#include "base/str.h"
#include "front/roots.h"

#include <stdio.h>
#include <string.h>

struct session *lines_session(const struct lines *l)
{
    struct session *s = l->conn->user ? l->conn->user_self : NULL;
    return s ? session_find(s->front, (struct span){s->id, strlen(s->id)}) : NULL;
}

/* The session that the first line names, if it is good. *err is set if it must not be used. */
static struct session *named(struct lines *l, struct err *err)
{
    struct front *f = l->conn->front;
    struct route route = {0};
    struct session *s = session_find(f, (struct span){l->hello.session, strlen(l->hello.session)});
    if (!s)
        return NULL;
    if (s->client_kind != CLIENT_LINES && (s->initialize || s->stream)) {
        err_set(err, ERR_CONFLICT, 0, "this session belongs to a client of another transport");
        return NULL;
    }
    s->client_kind = CLIENT_LINES; /* of one that was taken back by its proof only we know it */
    if (l->hello.project && !route_by_name(f, l->hello.project, ROUTE_LINE, &route, err))
        return NULL;
    if (!session_has_project(s))
        return s;
    if (route.project && route.project != s->daemon->project) {
        err_set(err, ERR_CONFLICT, 0, "this session belongs to the project %s, not to %s",
                s->daemon->project->root, route.project->root);
        return NULL;
    }
    if (l->hello.server && strcmp(l->hello.server, s->daemon->server) != 0) {
        err_set(err, ERR_CONFLICT, 0, "this session belongs to the server %s, not to %s",
                s->daemon->server, l->hello.server);
        return NULL;
    }
    return s;
}

/* Which project and server? True also where only its client's roots may name the project yet: then
 * why (new) says what hinders. */
static bool find_route(struct lines *l, const struct owner *owner, bool may_have_roots,
                       struct route *out, char **why, struct err *err)
{
    struct front *f = l->conn->front;
    struct err hindrance = {0};
    const char *server = l->hello.server ? l->hello.server : "";
    if (strlen(server) >= sizeof out->server)
        return err_set(err, ERR_NO_SERVER, 0, "the server's name is too long");
    snprintf(out->server, sizeof out->server, "%s", server);
    if (l->hello.project)
        return route_by_name(f, l->hello.project, ROUTE_LINE, out, err);
    if (route_by_owner(f, owner, out, &hindrance))
        return true;
    if (!may_have_roots)
        return err_set(err, hindrance.code, 0, "%s", err_text(&hindrance));
    *why = xstrdup(err_text(&hindrance));
    return true;
}

static struct session *make(struct lines *l, const struct owner *owner, bool may_have_roots,
                            struct err *err)
{
    struct route route = {0};
    char *why = NULL;
    struct session *s = find_route(l, owner, may_have_roots, &route, &why, err)
                            ? session_make(l->conn->front, &route, owner, CLIENT_LINES, err)
                            : NULL;
    if (!s) {
        free(why);
        return NULL;
    }
    s->roots.why = why;
    session_publish(s);
    return s;
}

struct session *lines_open_session(struct lines *l, bool may_have_roots, struct err *err)
{
    static struct peer_process process; /* large; one thread */
    bool is_found = peer_of_pid(l->pid, &process) == PEER_FOUND;
    struct owner *owner = owner_new(&process, is_found);
    struct session *s = l->hello.session ? named(l, err) : NULL;
    if (s && is_found)
        session_set_owner(s, owner);
    else if (!s && err->code == ERR_OK)
        s = make(l, owner, may_have_roots, err);
    owner_free(owner);
    if (!s)
        return NULL;
    s->is_lean |= l->hello.is_lean;
    s->ends_with_stream = !l->has_hello;
    s->asks_again = l->has_hello;
    if (s->ends_with_stream) /* its connection says when it is gone */
        departed_unwatch(s);
    session_stream_close(s); /* of an earlier connection that its client has left */
    session_stream_open(s, l->conn);
    link_push_changed(&s->link);
    known_stream_opened(s);
    roots_ask(s);
    return s;
}
