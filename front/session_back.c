/* front/session_back.c - a session that is not in memory is taken back: by its row in the registry,
 * or by what its id itself proves (session_id.h). */
#define LOG_MODULE "front"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "front/restore.h"
#include "front/session_id.h"
#include "front/session_parts.h"
#include "platform/proc.h"

#include <stdio.h>
#include <string.h>

struct take_back {
    struct front *front;
    struct session *session;
    bool is_ended;
};

static struct daemon *slot_of(struct front *f, const char *key, const char *server)
{
    if (!key[0])
        return &f->nowhere;
    struct project *project = pool_project_by_key(f->pool, key);
    return project ? pool_slot(f->pool, project, server, NULL) : NULL;
}

/* Its client's process, if it still is that one: its end is watched for again. */
static void take_process(struct session *s, const struct session_row *row)
{
    struct proc_id id = {(pid_t)row->pid, row->pid_start};
    if (!id.pid || !proc_is_alive(id))
        return;
    s->pid = id.pid;
    s->pid_start = id.start_time;
    departed_watch(s);
}

static void on_row(void *arg, const struct session_row *row)
{
    struct take_back *t = arg;
    t->is_ended = row->ended_unix_ms != 0;
    if (t->is_ended)
        return;
    struct daemon *daemon = slot_of(t->front, row->project_key, row->server);
    if (!daemon)
        return;
    struct daemon *own = daemon == &t->front->nowhere
                             ? NULL
                             : pool_slot_private_of(t->front->pool, daemon->project, daemon->server,
                                                    row->upstream_daemon);
    struct session *s = session_new(t->front, own ? own : daemon, route_rule_from(row->route), NULL,
                                    session_client_from(row->transport));
    s->has_own = own != NULL;
    take_process(s, row);
    s->is_lean |= row->is_lean;
    if (s->client_kind == CLIENT_SSE && s->pid) /* its stream ended with the poold before us */
        session_stream_await(s);
    s->created_unix_ms = row->created_unix_ms;
    s->client = xstrdup(row->client);
    if (row->initialize[0])
        s->initialize = xstrdup(row->initialize);
    if (!session_has_project(s)) {
        snprintf(s->server, sizeof s->server, "%s", row->server);
        s->roots.state = ROOTS_WANTED;
    }
    snprintf(s->authorization, sizeof s->authorization, "%s", row->authorization);
    restore_load(s, row->level, row->subscriptions);
    snprintf(s->protocol, sizeof s->protocol, "%s", row->protocol);
    /* An HTTP link needs nothing but its id: it goes on if the same daemon still lives. */
    if (row->upstream_daemon[0])
        link_resume(&s->link, row->upstream_daemon, row->upstream_session);
    t->session = s;
}

static struct session *take_back(struct front *f, struct span id)
{
    struct session_id_parts parts;
    if (!session_id_read(f, id, &parts))
        return NULL;
    char *text = xstrndup(id.p, id.n);
    struct take_back t = {.front = f};
    bool found = false;
    if (!registry_session_get(f->registry, text, on_row, &t, &found, NULL))
        found = false;
    if (!t.session && !t.is_ended) { /* lost by the registry: the id itself says enough */
        struct daemon *daemon = slot_of(f, parts.key, parts.server);
        if (daemon) {
            t.session = session_new(f, daemon, ROUTE_SESSION, NULL, CLIENT_HTTP);
            if (daemon == &f->nowhere)
                snprintf(t.session->server, sizeof t.session->server, "%s", parts.server);
            if (parts.has_roots)
                t.session->roots.state = ROOTS_WANTED;
            t.session->created_unix_ms = (int64_t)strtoull(parts.created, NULL, 16);
            if (strcmp(parts.protocol, "-") != 0)
                snprintf(t.session->protocol, sizeof t.session->protocol, "%s", parts.protocol);
        }
    }
    if (!t.session) {
        free(text);
        return NULL;
    }
    t.session->id = text;
    session_table_add(t.session);
    log_info("session taken back", "project=%s server=%s from=%s", parts.key, parts.server,
             found ? "registry" : "proof");
    front_session_news(t.session, SESSION_TAKEN_BACK);
    if (!found)
        session_save(t.session);
    return t.session;
}

/* A project that was forgotten is made known again by the next request of a session of its own. */
static void renew_slot(struct session *s)
{
    char how[64];
    struct project *project =
        pool_project_make(s->front->pool, s->daemon->project->root, how, NULL);
    struct daemon *d = project ? pool_slot(s->front->pool, project, s->daemon->server, NULL) : NULL;
    if (!d || !list_is_empty(&s->flights))
        return;
    link_reset(&s->link);
    daemon_sessions_add(s->daemon, -1);
    s->daemon = d;
    s->has_own = false;
    session_take_server(s);
    daemon_sessions_add(d, 1);
    session_save(s);
}

struct session *session_find(struct front *f, struct span id)
{
    struct session *s = session_in_table(f, id);
    if (s && session_has_project(s) && daemon_is_forgotten(s->daemon))
        renew_slot(s);
    return s ? s : take_back(f, id);
}
