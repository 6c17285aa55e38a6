/* front/session_back.c - a session that is not in memory is taken back: by its row in the registry,
 * or by what its id itself proves (session_id.h). */
#define LOG_MODULE "front"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "front/modern.h"
#include "front/restore.h"
#include "front/session_id.h"
#include "front/session_parts.h"
#include "platform/proc.h"

#include <stdio.h>
#include <string.h>

struct take_back {
    struct front *front;
    struct session *session;
    bool is_ended, is_orphan; /* its client's process has ended */
};

static struct daemon *slot_of(struct front *f, const char *key, const char *server)
{
    if (!key[0])
        return &f->nowhere;
    struct project *project = pool_project_by_key(f->pool, key);
    return project ? pool_slot(f->pool, project, server, NULL) : NULL;
}

/* Its client's process, if it still is that one: its end is watched for again. */
static bool take_process(struct session *s, const struct session_row *row)
{
    struct proc_id id = {(pid_t)row->pid, row->pid_start};
    if (!id.pid || !proc_is_alive(id))
        return false;
    s->pid = id.pid;
    s->pid_start = id.start_time;
    departed_watch(s);
    return true;
}

static void take_place(struct session *s, const struct session_row *row)
{
    if (session_has_project(s))
        return;
    snprintf(s->server, sizeof s->server, "%s", row->server);
    s->roots.state = ROOTS_WANTED;
}

/* What its client has said. */
static void take_client(struct session *s, const struct session_row *row)
{
    s->created_unix_ms = row->created_unix_ms;
    s->client = xstrdup(row->client);
    if (row->initialize[0])
        s->initialize = xstrdup(row->initialize);
    snprintf(s->authorization, sizeof s->authorization, "%s", row->authorization);
    snprintf(s->protocol, sizeof s->protocol, "%s", row->protocol);
    restore_load(s, row->level, row->subscriptions);
    if (s->client_kind == CLIENT_SSE && s->pid) /* its stream ended with the poold before us */
        session_stream_await(s);
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
    if (modern_is_row(row))
        modern_take_back(s, row);
    else
        s->id = xstrdup(row->id);
    s->is_lean |= row->is_lean;
    t->is_orphan = row->pid && !take_process(s, row);
    take_client(s, row);
    take_place(s, row);
    /* An HTTP link needs nothing but its id: it goes on if the same daemon still lives. */
    if (row->upstream_daemon[0])
        link_resume(&s->link, row->upstream_daemon, row->upstream_session, row->upstream_protocol);
    t->session = s;
}

static void announce(struct session *s, const char *from)
{
    session_table_add(s);
    log_info("session taken back", "project=%s server=%s from=%s", s->daemon->project->key,
             s->daemon->server, from);
    front_session_news(s, SESSION_TAKEN_BACK);
}

/* The registry has lost it: the id itself says enough. NULL: its project is not known. */
static struct session *from_proof(struct front *f, const char *id,
                                  const struct session_id_parts *parts)
{
    struct daemon *daemon = slot_of(f, parts->key, parts->server);
    if (!daemon)
        return NULL;
    struct session *s = session_new(f, daemon, ROUTE_SESSION, NULL, CLIENT_HTTP);
    s->id = xstrdup(id);
    if (daemon == &f->nowhere)
        snprintf(s->server, sizeof s->server, "%s", parts->server);
    if (parts->has_roots)
        s->roots.state = ROOTS_WANTED;
    s->created_unix_ms = (int64_t)strtoull(parts->created, NULL, 16);
    if (strcmp(parts->protocol, "-") != 0)
        snprintf(s->protocol, sizeof s->protocol, "%s", parts->protocol);
    return s;
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
    if (t.session) {
        announce(t.session, "registry");
    } else if (!t.is_ended && (t.session = from_proof(f, text, &parts))) {
        announce(t.session, "proof");
        session_save(t.session);
    }
    free(text);
    return t.session;
}

/* --- those of a daemon --- */

struct of_daemon {
    struct front *front;
    const struct daemon *daemon;
    struct strv ids;
};

/* Does the daemon keep something for it that must end with it? A private stdio daemon's own client
 * comes back for it by itself, if it is there. */
static void note_row(void *arg, const struct session_row *row)
{
    struct of_daemon *all = arg;
    struct proc_id process = {(pid_t)row->pid, row->pid_start};
    bool is_kept = row->upstream_session[0] ||
                   (all->daemon->is_private && row->pid && !proc_is_alive(process));
    if (is_kept && !session_in_table(all->front, (struct span){row->id, strlen(row->id)}))
        strv_add(&all->ids, row->id);
}

void session_adopt(struct front *f, struct daemon *d)
{
    struct of_daemon all = {.front = f, .daemon = d};
    struct err err = {0};
    if (!registry_sessions_of_daemon(f->registry, d->id, note_row, &all, &err))
        log_warn("the sessions of a daemon cannot be read", "project=%s error=%s", d->project->key,
                 log_quote(err_text(&err)));
    for (size_t i = 0; i < all.ids.count; i++) {
        struct take_back t = {.front = f};
        bool found;
        if (!registry_session_get(f->registry, all.ids.items[i], on_row, &t, &found, NULL) ||
            !t.session)
            continue;
        announce(t.session, "registry");
        if (t.is_orphan)
            session_put_aside(t.session);
    }
    strv_finish(&all.ids);
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
