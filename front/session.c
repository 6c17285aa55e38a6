/* front/session.c - see session.h. */
#include "front/session.h"

#define LOG_MODULE "front"
#include "base/caps.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "front/asked.h"
#include "front/flight.h"
#include "front/late.h"
#include "front/modern.h"
#include "front/replay.h"
#include "front/restore.h"
#include "front/session_id.h"
#include "front/session_parts.h"
#include "platform/proc.h"

#include <stdio.h>
#include <string.h>

static const char *const client_words[] = {"http", "sse", "lines"};

const char *session_client_word(enum session_client c)
{
    return client_words[c];
}

enum session_client session_client_from(const char *word)
{
    int c = CLIENT_COUNT - 1;
    while (c > CLIENT_HTTP && strcmp(client_words[c], word) != 0)
        c--;
    return (enum session_client)c;
}
/* --- the table --- */

static struct list *bucket_of(struct front *f, struct span id)
{
    uint32_t hash = 2166136261u; /* FNV-1a: ids are unguessable already */
    for (size_t i = 0; i < id.n; i++)
        hash = (hash ^ (unsigned char)id.p[i]) * 16777619u;
    return &f->sessions[hash % SESSION_BUCKETS];
}

bool session_has_project(const struct session *s)
{
    return s->daemon != &s->front->nowhere;
}

/* What its server's entry says of sessions. */
void session_take_server(struct session *s)
{
    const struct daemon *d = s->daemon;
    const struct config_server *server =
        session_has_project(s) ? pool_server(s->front->pool, d->project, d->server, NULL) : NULL;
    s->is_lean |= server && server->lean;
    s->needs_own = server && server->share == CONFIG_SHARE_SESSION;
    s->is_shared = server && server->transport == CONFIG_STDIO && !s->needs_own;
}

struct session *session_new(struct front *f, struct daemon *daemon, enum route_rule rule,
                            const struct owner *owner, enum session_client client_kind)
{
    struct session *s = xcalloc(1, sizeof *s);
    s->front = f;
    s->daemon = daemon;
    s->rule = rule;
    s->client_kind = client_kind;
    s->created_unix_ms = s->last_use_unix_ms = clock_unix_ms();
    session_take_server(s);
    list_add_tail(&f->unlisted, &s->node);
    list_init(&s->flights);
    list_init(&s->asked);
    list_init(&s->stream_node);
    list_init(&s->alias_node);
    s->late.cap = CAP_BODY;
    link_init(&s->link, s);
    if (owner && owner->is_found)
        session_set_owner(s, owner);
    return s;
}

void session_set_owner(struct session *s, const struct owner *owner)
{
    departed_unwatch(s);
    free(s->program);
    free(s->cwd);
    s->pid = owner->pid;
    s->pid_start = owner->start_time;
    s->program = xstrdup(owner->program);
    s->cwd = xstrdup(owner->cwd);
    departed_watch(s);
}

struct session *session_make(struct front *f, const struct route *route, const struct owner *owner,
                             enum session_client client_kind, struct err *err)
{
    if (f->session_count >= CAP_SESSIONS) {
        err_set(err, ERR_TOO_BIG, 0, "there are %d sessions already", CAP_SESSIONS);
        return NULL;
    }
    const char *server = route->server[0] ? route->server : NULL;
    struct daemon *d =
        route->project ? pool_slot(f->pool, route->project, server, err) : &f->nowhere;
    struct session *s = d ? session_new(f, d, route->rule, owner, client_kind) : NULL;
    if (s && !route->project)
        memcpy(s->server, route->server, sizeof s->server);
    return s;
}

static void enter(struct session *s)
{
    struct list *place =
        s->modern ? &s->front->modern : bucket_of(s->front, (struct span){s->id, strlen(s->id)});
    list_remove(&s->node);
    list_add_tail(place, &s->node);
}

/* It is a client's. */
static void count_in(struct session *s)
{
    s->is_published = true;
    s->front->session_count++;
    daemon_sessions_add(s->daemon, 1);
}

void session_table_add(struct session *s)
{
    enter(s);
    count_in(s);
}

bool session_take_own(struct session *s, struct err *err)
{
    struct daemon *old = s->daemon;
    struct daemon *own = pool_slot_private(s->front->pool, old->project, old->server, err);
    if (!own)
        return false;
    link_reset(&s->link);
    s->daemon = own;
    s->has_own = true;
    list_each(node, after, &s->flights)
    {
        if (container_of(node, struct flight, session_node)->is_using) {
            daemon_use_end(old);
            daemon_use_begin(own);
        }
    }
    if (s->is_published && !s->is_ended) {
        daemon_sessions_add(old, -1);
        daemon_sessions_add(own, 1);
    }
    return true;
}

void session_save(struct session *s)
{
    const char *id = s->modern ? modern_row(s) : s->id;
    if (!id)
        return;
    char *subscriptions = restore_subscriptions(s);
    struct session_row row = {
        .id = id,
        .project_key = s->daemon->project->key,
        .server = session_has_project(s) ? s->daemon->server : s->server,
        .protocol = s->protocol,
        .client = s->client ? s->client : "",
        .initialize = s->initialize ? s->initialize : "",
        .upstream_daemon = link_is_known_upstream(&s->link) ? s->link.daemon_id : "",
        .upstream_session = s->link.upstream_session ? s->link.upstream_session : "",
        .upstream_protocol = s->link.protocol,
        .transport = session_client_word(s->client_kind),
        .level = s->level ? s->level : "",
        .subscriptions = subscriptions,
        .pid = s->pid,
        .pid_start = s->pid_start,
        .is_lean = s->is_lean,
        .route = route_word(s->rule),
        .authorization = s->authorization,
        .created_unix_ms = s->created_unix_ms,
        .last_unix_ms = s->last_use_unix_ms,
    };
    struct err err = {0};
    if (!registry_session_put(s->front->registry, &row, &err))
        log_warn("session is not in the registry", "project=%s error=%s", s->daemon->project->key,
                 log_quote(err_text(&err)));
    free(subscriptions);
}

static void announce(const struct session *s)
{
    log_info("session opened",
             "project=%s server=%s client=%s route=%s pid=%ld transport=%s revision=%s",
             s->daemon->project->key, s->daemon->server, log_quote(s->client), route_word(s->rule),
             (long)s->pid, session_client_word(s->client_kind), s->protocol);
    front_session_news(s, SESSION_OPENED);
}

void session_enlist(struct session *s)
{
    s->id = session_id_make(s);
    enter(s);
}

void session_publish(struct session *s)
{
    if (!s->id)
        s->id = session_id_make(s);
    session_table_add(s);
    session_save(s);
    announce(s);
}

void session_keep(struct session *s)
{
    session_table_add(s);
    announce(s);
}

bool session_wants_push(const struct session *s)
{
    return s->stream || s->listens;
}

static void free_session(struct session *s)
{
    departed_unwatch(s);
    known_close(s);
    modern_close(s);
    asked_forget(s, NULL);
    replay_end(s->replay, true);
    link_finish(&s->link);
    list_remove(&s->node);
    list_remove(&s->stream_node);
    list_remove(&s->alias_node);
    buf_release(&s->late);
    free(s->id);
    free(s->earlier_id);
    free(s->initialize);
    free(s->credential);
    free(s->roots.why);
    free(s->level);
    strv_finish(&s->subscriptions);
    free(s->client);
    free(s->program);
    free(s->cwd);
    free(s);
}

/* Nobody uses it any more: a daemon of its own goes with it. */
void session_let_go(struct session *s)
{
    struct daemon *own = s->has_own ? s->daemon : NULL;
    link_close(&s->link); /* of one that nobody waits for: the daemon forgets it, too */
    free_session(s);
    if (own)
        daemon_release(own);
}

void session_release(struct session *s)
{
    if (s->is_departed && !s->is_ended && s->is_published && !s->holds &&
        list_is_empty(&s->flights)) {
        session_departed(s); /* its last flight has ended */
        return;
    }
    if (list_is_empty(&s->flights) && !s->stream && !s->holds && (s->is_ended || !s->is_published))
        session_let_go(s);
}

static void end_row(struct session *s)
{
    struct err err = {0};
    if (!registry_session_end(s->front->registry, s->id, clock_unix_ms(), &err))
        log_warn("the end of a session is not in the registry", "error=%s",
                 log_quote(err_text(&err)));
}

void session_take_over(struct session *s, struct session *fresh)
{
    struct conn *c = fresh->stream;
    end_row(s);
    free(s->earlier_id);
    s->earlier_id = s->id;
    s->id = fresh->id;
    fresh->id = NULL;
    enter(s);
    list_remove(&s->alias_node);
    list_add_tail(&s->front->aliases, &s->alias_node);
    session_save(s);
    log_info("session goes on over a new stream", "project=%s server=%s client=%s pid=%ld",
             s->daemon->project->key, s->daemon->server, log_quote(s->client), (long)s->pid);
    fresh->stream = NULL;
    list_remove(&fresh->stream_node);
    session_release(fresh);
    session_stream_adopt(s, c);
    late_give_all(s);
}

void session_end(struct session *s)
{
    if (s->is_ended)
        return;
    end_row(s);
    log_info("session closed", "project=%s server=%s client=%s", s->daemon->project->key,
             s->daemon->server, log_quote(s->client));
    front_session_news(s, SESSION_CLOSED);
    s->is_ended = true;
    list_remove(&s->alias_node);
    list_remove(&s->node);
    list_add_tail(&s->front->unlisted, &s->node);
    s->front->session_count--;
    daemon_sessions_add(s->daemon, -1);
    session_stream_close(s);
    link_close(&s->link);
}

void session_move(struct session *s, struct daemon *d, enum route_rule rule)
{
    bool is_new = !session_has_project(s);
    bool had_own = s->has_own;
    struct daemon *old = s->daemon;
    link_close(&s->link);
    flight_leave_slot(s); /* what our own requests end with still looks at what was known there */
    struct known *was = known_leave(s);
    if (s->is_published) {
        daemon_sessions_add(old, -1);
        daemon_sessions_add(d, 1);
    }
    log_info("session routed", "project=%s server=%s from=%s client=%s route=%s", d->project->key,
             d->server, old->project->key, log_quote(s->client), route_word(rule));
    s->daemon = d;
    s->has_own = false;
    s->rule = rule;
    session_take_server(s);
    if (s->is_published)
        session_save(s);
    if (s->is_published && is_new)
        front_session_news(s, SESSION_OPENED);
    known_moved(s, was);
    if (had_own)
        daemon_release(old);
    if (s->stream && daemon_is_up(d) && s->initialize)
        link_open(&s->link);
}

struct session *session_in_table(struct front *f, struct span id)
{
    struct list *bucket = bucket_of(f, id);
    list_each(node, after, bucket)
    {
        struct session *s = container_of(node, struct session, node);
        if (span_is(id, s->id))
            return s;
    }
    list_each(other, after_other, &f->aliases)
    {
        struct session *s = container_of(other, struct session, alias_node);
        if (span_is(id, s->earlier_id))
            return s;
    }
    return NULL;
}

struct front_session session_view(const struct session *s)
{
    return (struct front_session){
        .project_key = s->daemon->project->key,
        .server = s->daemon->server,
        .client = s->client ? s->client : "",
        .transport = session_client_word(s->client_kind),
        .route = route_word(s->rule),
        .program = s->program ? s->program : "",
        .cwd = s->cwd ? s->cwd : "",
        .pid = (int)s->pid,
        .oldest_call_ms = -1,
        .last_use_unix_ms = s->last_use_unix_ms,
        .has_stream = session_wants_push(s),
    };
}

void session_each(struct front *f, void (*each)(void *arg, struct session *s), void *arg)
{
    for (int i = 0; i < SESSION_BUCKETS; i++)
        list_each(node, after, &f->sessions[i]) each(arg, container_of(node, struct session, node));
    list_each(kept, next_kept, &f->modern) each(arg, container_of(kept, struct session, node));
    list_each(node, after, &f->unlisted) each(arg, container_of(node, struct session, node));
}

bool session_client_is_there(const struct session *s)
{
    return session_wants_push(s) ||
           (s->pid && proc_is_alive((struct proc_id){s->pid, s->pid_start}));
}

struct subscribed_walk {
    const struct daemon *daemon;
    bool is_any;
};

static void look_for_subscription(void *arg, struct session *s)
{
    struct subscribed_walk *walk = arg;
    walk->is_any |= s->daemon == walk->daemon && s->subscriptions.count && !s->is_ended &&
                    session_client_is_there(s);
}

bool session_subscribed(struct front *f, const struct daemon *d)
{
    struct subscribed_walk walk = {.daemon = d};
    session_each(f, look_for_subscription, &walk);
    return walk.is_any;
}

static void destroy_one(void *arg, struct session *s)
{
    (void)arg;
    s->holds++; /* what ends here must not take the session along */
    flight_drop_all(s);
    session_stream_close(s);
    free_session(s);
}

void session_destroy_all(struct front *f)
{
    session_each(f, destroy_one, NULL);
}
