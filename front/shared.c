/* front/shared.c - see shared.h. */
#include "front/shared.h"

#define LOG_MODULE "front"
#include "base/caps.h"
#include "base/log.h"
#include "base/str.h"
#include "front/link_stdio.h"
#include "front/restore.h"
#include "mcp/rewrite.h"

#include <stdio.h>
#include <string.h>

#define UNSENT_MAX 256             /* answers to the daemon's own requests that wait for room */
#define UNSENT_BYTES (1024 * 1024) /* of all of them */

struct absent { /* a session that an earlier poold served and that has not come back yet */
    struct list node;
    char *id;
    int level;
    struct strv subscriptions;
};

struct shared {
    struct list node;            /* of front->shared */
    const struct daemon *daemon; /* only to be compared: slots may go */
    char daemon_id[32];
    struct list members; /* links */
    struct list absent;
    struct strv asked;      /* resources that it was asked to tell of, raw JSON */
    struct strv subscribed; /* and has said that it will */
    int level;              /* that it was told last, NO_LEVEL: none */
    struct strv unsent;
    size_t unsent_bytes;
};

/* --- levels (MCP logging, after RFC 5424) --- */

#define NO_LEVEL -1
static const char *const levels[] = {"\"debug\"", "\"info\"",     "\"notice\"", "\"warning\"",
                                     "\"error\"", "\"critical\"", "\"alert\"",  "\"emergency\""};
#define LEVEL_COUNT (int)(sizeof levels / sizeof *levels)

static struct span span_of(const char *text)
{
    return (struct span){text, text ? strlen(text) : 0};
}

static int level_of(struct span raw)
{
    for (int i = 0; i < LEVEL_COUNT; i++)
        if (rpc_same_value(raw, span_of(levels[i])))
            return i;
    return NO_LEVEL;
}

static int more_verbose(int a, int b)
{
    return a == NO_LEVEL ? b : b == NO_LEVEL || a < b ? a : b;
}

/* --- who there is --- */

static struct session *session_of(struct list *member)
{
    return container_of(member, struct link, member_node)->session;
}

static void absent_free(struct absent *a)
{
    list_remove(&a->node);
    free(a->id);
    strv_finish(&a->subscriptions);
    free(a);
}

static void absent_drop(struct shared *sh, const char *id)
{
    list_each(node, after, &sh->absent)
    {
        struct absent *a = container_of(node, struct absent, node);
        if (str_equal(a->id, id))
            absent_free(a);
    }
}

static size_t index_of(const struct strv *list, struct span uri)
{
    size_t i = 0;
    while (i < list->count && !rpc_same_value(span_of(list->items[i]), uri))
        i++;
    return i;
}

static bool has(const struct strv *list, struct span uri)
{
    return index_of(list, uri) < list->count;
}

struct rows {
    struct shared *shared;
    const struct daemon *daemon;
};

static void on_row(void *arg, const struct session_row *row)
{
    const struct rows *rows = arg;
    struct shared *sh = rows->shared;
    if (strcmp(row->upstream_daemon, rows->daemon->id) != 0)
        return;
    struct absent *a = xcalloc(1, sizeof *a);
    a->id = xstrdup(row->id);
    a->level = level_of(span_of(row->level));
    restore_read(&a->subscriptions, row->subscriptions);
    list_add_tail(&sh->absent, &a->node);
    sh->level = more_verbose(sh->level, a->level);
    for (size_t i = 0; i < a->subscriptions.count; i++)
        if (!has(&sh->subscribed, span_of(a->subscriptions.items[i])))
            strv_add(&sh->subscribed, a->subscriptions.items[i]);
}

static void destroy(struct shared *sh)
{
    list_each(member, after, &sh->members) list_remove(member);
    list_each(node, next, &sh->absent) absent_free(container_of(node, struct absent, node));
    list_remove(&sh->node);
    strv_finish(&sh->asked);
    strv_finish(&sh->subscribed);
    strv_finish(&sh->unsent);
    free(sh);
}

static struct shared *find(struct front *f, const struct daemon *d)
{
    list_each(node, after, &f->shared)
    {
        struct shared *sh = container_of(node, struct shared, node);
        if (sh->daemon == d)
            return sh;
    }
    return NULL;
}

/* Of the daemon's present life. */
static struct shared *shared_of(struct front *f, struct daemon *d)
{
    struct shared *sh = find(f, d);
    if (sh && strcmp(sh->daemon_id, d->id) == 0)
        return sh;
    if (sh)
        destroy(sh);
    sh = xcalloc(1, sizeof *sh);
    sh->daemon = d;
    snprintf(sh->daemon_id, sizeof sh->daemon_id, "%s", d->id);
    sh->level = NO_LEVEL;
    list_init(&sh->members);
    list_init(&sh->absent);
    list_add_tail(&f->shared, &sh->node);
    struct rows rows = {sh, d};
    struct err err = {0};
    if (!registry_sessions(f->registry, on_row, &rows, &err))
        log_debug("earlier sessions are not counted", "error=%s", log_quote(err_text(&err)));
    return sh;
}

void shared_join(struct link *l)
{
    struct session *s = l->session;
    if (!list_is_empty(&l->member_node))
        return;
    struct shared *sh = shared_of(s->front, s->daemon);
    absent_drop(sh, s->id);
    list_add_tail(&sh->members, &l->member_node);
}

void shared_forget(struct front *f, const struct daemon *d)
{
    struct shared *sh = find(f, d);
    if (sh)
        destroy(sh);
}

void shared_forget_all(struct front *f)
{
    list_each(node, after, &f->shared) destroy(container_of(node, struct shared, node));
}

/* --- what they want together --- */

static int level_wanted(struct shared *sh)
{
    int level = NO_LEVEL;
    list_each(member, after, &sh->members) level =
        more_verbose(level, level_of(span_of(session_of(member)->level)));
    list_each(node, next, &sh->absent) level =
        more_verbose(level, container_of(node, struct absent, node)->level);
    return level;
}

static bool is_wanted(struct shared *sh, struct span uri, const struct session *except)
{
    list_each(member, after, &sh->members)
    {
        struct session *s = session_of(member);
        if (s != except && has(&s->subscriptions, uri))
            return true;
    }
    list_each(node, next, &sh->absent)
    {
        if (has(&container_of(node, struct absent, node)->subscriptions, uri))
            return true;
    }
    return false;
}

/* Tell the daemon on nobody's behalf; its answer finds nobody, and is dropped. */
static void tell(struct shared *sh, struct session *s, const char *method, const char *key,
                 const char *value)
{
    struct buf line = BUF_INIT(CAP_BODY);
    char id[RPC_ALIAS_MAX];
    rpc_alias_write(id, sizeof id, ++s->front->serial, span_of("-"), (struct span){0});
    if (buf_printf(&line, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"%s\",\"params\":{\"%s\":",
                   id, method, key) &&
        buf_add_str(&line, value) && buf_add_str(&line, "}}") &&
        strcmp(sh->daemon_id, s->daemon->id) == 0)
        shared_say(s->front, s->daemon, line.data, line.len);
    buf_release(&line);
}

void shared_leave(struct link *l)
{
    struct session *s = l->session;
    struct shared *sh = find(s->front, s->daemon);
    list_remove(&l->member_node);
    if (!sh || strcmp(sh->daemon_id, s->daemon->id) != 0)
        return;
    absent_drop(sh, s->id);
    for (size_t i = 0; i < s->subscriptions.count; i++) {
        const char *uri = s->subscriptions.items[i];
        size_t at = index_of(&sh->subscribed, span_of(uri));
        if (at == sh->subscribed.count || is_wanted(sh, span_of(uri), s))
            continue;
        strv_remove(&sh->subscribed, at);
        tell(sh, s, "resources/unsubscribe", "uri", uri);
    }
    int level = level_wanted(sh);
    if (s->level && level != NO_LEVEL && level != sh->level) {
        sh->level = level;
        tell(sh, s, "logging/setLevel", "level", levels[level]);
    }
}

const char *shared_level_due(struct link *l)
{
    struct shared *sh = shared_of(l->session->front, l->session->daemon);
    int level = level_wanted(sh);
    return level == NO_LEVEL || level == sh->level ? NULL : levels[level];
}

bool shared_subscription_due(struct link *l, const char *uri)
{
    struct shared *sh = shared_of(l->session->front, l->session->daemon);
    return !has(&sh->subscribed, span_of(uri)) && !has(&sh->asked, span_of(uri));
}

/* --- requests that set something --- */

static struct span setting_of(const struct flight *f, const char *name)
{
    struct rpc_peek peek;
    rpc_peek(f->body, f->body_n, &peek);
    return rpc_member(peek.params, name);
}

static void answer_empty(struct flight *f)
{
    struct buf body = BUF_INIT(CAP_HEAD + f->id.n);
    if (rpc_write_empty(&body, f->id))
        flight_answer(f, (struct span){body.data, body.len});
    else
        flight_fail(f, ERR_INTERNAL, "the answer could not be made");
    buf_release(&body);
}

static bool takes_level(struct shared *sh, struct link *l, struct flight *f)
{
    int asked = level_of(setting_of(f, "level"));
    if (asked == NO_LEVEL)
        return false; /* the daemon says what is wrong with it */
    if (f->kind == FLIGHT_OWN) {
        sh->level = asked;
        return false;
    }
    int wanted = level_wanted(sh);
    if (wanted == asked && wanted != sh->level) {
        sh->level = asked;
        return false;
    }
    if (wanted != sh->level && wanted != NO_LEVEL) {
        sh->level = wanted;
        tell(sh, l->session, "logging/setLevel", "level", levels[wanted]);
    }
    answer_empty(f);
    return true;
}

static bool takes_subscription(struct shared *sh, struct flight *f)
{
    struct span uri = setting_of(f, "uri");
    if (f->kind != FLIGHT_OWN && has(&sh->subscribed, uri)) {
        answer_empty(f);
        return true;
    }
    if (uri.n && !has(&sh->asked, uri))
        strv_add_take(&sh->asked, xstrndup(uri.p, uri.n));
    return false; /* also while the first is not confirmed: each gets the daemon's own word */
}

static bool takes_end(struct shared *sh, struct flight *f)
{
    struct span uri = setting_of(f, "uri");
    size_t at = index_of(&sh->subscribed, uri);
    if (is_wanted(sh, uri, NULL)) { /* by others: its own was taken off when it asked */
        answer_empty(f);
        return true;
    }
    if (at < sh->subscribed.count)
        strv_remove(&sh->subscribed, at);
    return false;
}

bool shared_takes(struct link *l, struct flight *f)
{
    bool is_level = rpc_text_is(f->method, "logging/setLevel");
    bool is_on = rpc_text_is(f->method, "resources/subscribe");
    if (!is_level && !is_on && !rpc_text_is(f->method, "resources/unsubscribe"))
        return false;
    struct shared *sh = shared_of(l->session->front, l->session->daemon);
    return is_level ? takes_level(sh, l, f) : is_on ? takes_subscription(sh, f) : takes_end(sh, f);
}

void shared_answered(struct flight *f, bool is_error)
{
    struct session *s = f->session;
    bool is_level = rpc_text_is(f->method, "logging/setLevel");
    if (!is_level && !rpc_text_is(f->method, "resources/subscribe"))
        return;
    struct shared *sh = shared_of(s->front, s->daemon);
    struct span value = setting_of(f, is_level ? "level" : "uri");
    size_t at = is_level ? sh->asked.count : index_of(&sh->asked, value);
    if (at < sh->asked.count)
        strv_remove(&sh->asked, at);
    if (is_error) {
        if (is_level && sh->level == level_of(value))
            sh->level = NO_LEVEL;
        if (f->kind == FLIGHT_CALL)
            restore_refused(s, f->method, value);
    } else if (!is_level && value.n && !has(&sh->subscribed, value)) {
        strv_add_take(&sh->subscribed, xstrndup(value.p, value.n));
    }
}

/* --- what it says unasked --- */

/* An update may be of a part of what was subscribed to (MCP resources, subscriptions). */
static bool is_within(struct span uri, struct span whole)
{
    if (rpc_same_value(uri, whole))
        return true;
    size_t n = whole.n - 1; /* without the closing quote */
    if (whole.n < 3 || uri.n <= whole.n || memcmp(uri.p, whole.p, n) != 0)
        return false;
    return whole.p[n - 1] == '/' || strchr("/?#", uri.p[n]);
}

static bool concerns(const struct session *s, struct span uri)
{
    for (size_t i = 0; i < s->subscriptions.count; i++)
        if (is_within(uri, span_of(s->subscriptions.items[i])))
            return true;
    return false;
}

/* Is some earlier member's list the same one? It is asked again once. */
static bool is_asked(struct shared *sh, struct list *upto)
{
    list_each(member, after, &sh->members)
    {
        if (member == upto)
            return false;
        if (session_of(member)->known == session_of(upto)->known)
            return true;
    }
    return false;
}

static void lists_changed(struct shared *sh)
{
    list_each(member, after, &sh->members) if (!is_asked(sh, member))
        known_list_changed(session_of(member));
}

static bool ends_with(struct span text, const char *end)
{
    size_t n = strlen(end);
    return text.n > n && memcmp(text.p + text.n - n, end, n) == 0;
}

void shared_notification(struct front *f, struct daemon *d, const struct rpc_peek *peek,
                         struct span json)
{
    struct shared *sh = shared_of(f, d);
    if (ends_with(peek->method, "/list_changed")) {
        lists_changed(sh); /* its clients hear of it if the list differs */
        return;
    }
    if (peek->method.n > 20 && memcmp(peek->method.p, "notifications/tasks/", 20) == 0)
        return; /* of a task that no client of ours can have */
    bool is_log = rpc_text_is(peek->method, "notifications/message");
    bool is_update = rpc_text_is(peek->method, "notifications/resources/updated");
    struct span uri = is_update ? rpc_member(peek->params, "uri") : (struct span){0};
    int level = is_log ? level_of(rpc_member(peek->params, "level")) : NO_LEVEL;
    list_each(member, after, &sh->members)
    {
        struct session *s = session_of(member);
        bool is_for = is_update ? concerns(s, uri)
                      : is_log
                          ? !s->level || level == NO_LEVEL || level >= level_of(span_of(s->level))
                          : true;
        if (is_for)
            session_stream_message(s, json);
    }
}

/* --- to the daemon --- */

void shared_say(struct front *f, struct daemon *d, const char *json, size_t n)
{
    struct err err = {0};
    struct shared *sh = shared_of(f, d);
    if (sh->unsent.count || !daemon_send_line(d, json, n, &err)) {
        if (sh->unsent.count < UNSENT_MAX && sh->unsent_bytes + n <= UNSENT_BYTES &&
            (sh->unsent.count || err.code == ERR_CONFLICT)) {
            strv_add_take(&sh->unsent, xstrndup(json, n));
            sh->unsent_bytes += n;
        } else {
            log_warn("an answer to a daemon is lost", "server=%s error=%s", d->server,
                     log_quote(err_text(&err)));
        }
    }
}

void shared_room(struct front *f, struct daemon *d)
{
    struct shared *sh = find(f, d);
    while (sh && sh->unsent.count) {
        const char *line = sh->unsent.items[0];
        if (!daemon_send_line(d, line, strlen(line), NULL))
            return;
        sh->unsent_bytes -= strlen(line);
        strv_remove(&sh->unsent, 0);
    }
}
