/* front/reopen.c - see reopen.h. */
#include "front/reopen.h"

#define LOG_MODULE "front"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "front/roots.h"
#include "mcp/handshake.h"

#include <string.h>

#define SETTLE_MS 1000 /* a client that begins anew says so within milliseconds */

struct search { /* for the session that had the stream before */
    const struct session *fresh;
    char *id, *initialize; /* of the first that was found; initialize "" where they differ */
    int count;
};

static void found(struct search *search, const char *id, const char *initialize)
{
    if (!search->count++) {
        search->id = xstrdup(id);
        search->initialize = xstrdup(initialize);
    } else if (strcmp(search->initialize, initialize) != 0) {
        search->initialize[0] = '\0';
    }
}

static const char *server_of(const struct session *s)
{
    const char *server = s->daemon->server[0] ? s->daemon->server : s->server;
    return server[0] ? server : pool_config(s->front->pool)->settings.default_server;
}

/* Could the client of fresh have been in this project? Its process's directory may mislead. */
static bool is_same_place(const struct session *fresh, const char *key, const char *server,
                          enum route_rule rule)
{
    bool is_moved =
        rule == ROUTE_ROOTS && (fresh->rule == ROUTE_OWNER || fresh->rule == ROUTE_NONE);
    return strcmp(server, server_of(fresh)) == 0 &&
           (is_moved || strcmp(key, fresh->daemon->project->key) == 0);
}

static void look_at(void *arg, struct session *s)
{
    struct search *search = arg;
    const struct session *fresh = search->fresh;
    if (s->is_published && !s->is_ended && !s->stream && s->client_kind == CLIENT_SSE &&
        s->pid == fresh->pid && s->pid_start == fresh->pid_start && s->is_lean == fresh->is_lean &&
        is_same_place(fresh, s->daemon->project->key, server_of(s), s->rule))
        found(search, s->id, s->initialize ? s->initialize : "");
}

static void look_at_row(void *arg, const struct session_row *row)
{
    struct search *search = arg;
    const struct session *fresh = search->fresh;
    const char *server =
        row->server[0] ? row->server : pool_config(fresh->front->pool)->settings.default_server;
    if (strcmp(row->transport, session_client_word(CLIENT_SSE)) == 0 &&
        is_same_place(fresh, row->project_key, server, route_rule_from(row->route)) &&
        row->is_lean == fresh->is_lean &&
        !session_in_table(fresh->front, (struct span){row->id, strlen(row->id)}))
        found(search, row->id, row->initialize);
}

static void search_all(struct search *search)
{
    const struct session *fresh = search->fresh;
    struct front *f = fresh->front;
    struct err err = {0};
    if (!fresh->pid) /* it could be anybody's */
        return;
    session_each(f, look_at, search);
    if (!search->count && !registry_sessions_of_process(f->registry, fresh->pid, fresh->pid_start,
                                                        look_at_row, search, &err))
        log_debug("earlier sessions cannot be read", "error=%s", log_quote(err_text(&err)));
}

struct session *reopen_settle(struct session *s)
{
    struct search search = {.fresh = s};
    if (!s->settle_at_ms)
        return s;
    s->settle_at_ms = 0;
    search_all(&search);
    struct session *earlier =
        search.count == 1 ? session_find(s->front, (struct span){search.id, strlen(search.id)})
                          : NULL;
    if (earlier) {
        session_take_over(earlier, s);
        s = earlier;
    } else {
        if (search.count && search.initialize[0]) {
            s->initialize = xstrdup(search.initialize);
            s->client =
                handshake_client_name((struct span){search.initialize, strlen(search.initialize)});
            roots_begin(s);
        }
        session_publish(s);
    }
    free(search.id);
    free(search.initialize);
    /* What the daemon has to say unasked reaches a client that does not call, too. */
    if (s->initialize && daemon_is_up(s->daemon) && s->link.state == LINK_NONE)
        link_open(&s->link);
    return s;
}

void reopen_begin(struct session *s, bool is_known)
{
    s->settle_at_ms = clock_ms() + SETTLE_MS;
    if (is_known)
        reopen_settle(s);
    else
        front_time_moment(s->front);
}

bool reopen_check_time(struct front *f, int64_t now_ms)
{
    bool is_any = false;
    list_each(node, after, &f->streams)
    {
        struct session *s = container_of(node, struct session, stream_node);
        if (s->settle_at_ms && now_ms >= s->settle_at_ms)
            reopen_settle(s);
        else
            is_any |= s->settle_at_ms != 0;
    }
    return is_any;
}
