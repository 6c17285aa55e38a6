/* api/events.c - see events.h. */
#include "api/events.h"

#include "api/handlers.h"
#include "api/json_views.h"
#include "api/request.h"
#include "base/clock.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BEAT_MS 15000

struct event {
    char *text; /* whole, as it goes to readers */
    size_t n;
    char *key; /* of its project, or NULL */
};

/* What was told of a slot last. */
struct told {
    struct list node;
    char *key, *server;
    int64_t step_ms[STEP_COUNT];
    enum layer process, accepts, mcp, useful;
    char *cause;
};

struct events {
    struct api *api;
    struct event ring[EVENTS_MAX]; /* number n is at n % EVENTS_MAX */
    int64_t first, next;           /* numbers held: first <= n < next */
    size_t bytes;
    struct list told;
    struct list readers;
};

struct reader {
    struct list node;
    struct request *request;
    struct events *events; /* NULL: they are gone */
    int64_t next;
    char *key; /* only this project's, or NULL */
    char *text; /* being given */
    size_t n, given;
    bool is_beat_due;
};

/* --- the ring --- */

static void drop_first(struct events *e)
{
    struct event *old = &e->ring[e->first++ % EVENTS_MAX];
    e->bytes -= old->n;
    free(old->text);
    free(old->key);
    *old = (struct event){0};
}

static int64_t epoch_of(const struct events *e)
{
    return e->api->host.started_unix_ms;
}

/* An event as text; takes data. */
static char *compose(const struct events *e, int64_t number, const char *name, json_t *data)
{
    char *json = json_dumps(data, JSON_COMPACT);
    char *text = xasprintf("id: %" PRId64 "-%" PRId64 "\nevent: %s\ndata: %s\n\n", epoch_of(e),
                           number, name, json);
    json_decref(data);
    free(json);
    return text;
}

static json_t *at_now(void)
{
    return json_pack("{s:o}", "at", view_time(clock_unix_ms()));
}

/* Tell it; takes data. */
static void add(struct events *e, const char *name, const char *key, json_t *data)
{
    char *text = compose(e, e->next, name, data);
    if (e->next - e->first == EVENTS_MAX)
        drop_first(e);
    struct event *event = &e->ring[e->next++ % EVENTS_MAX];
    *event = (struct event){text, strlen(text), xstrdup(key)};
    e->bytes += event->n;
    while (e->bytes > EVENTS_BYTES && e->first + 1 < e->next)
        drop_first(e);
    list_each(node, after, &e->readers)
    {
        struct reader *reader = container_of(node, struct reader, node);
        if (!reader->key || str_equal(reader->key, key))
            request_wake(reader->request);
    }
}

int64_t events_count(const struct events *e)
{
    return e->next - e->first;
}

size_t events_bytes(const struct events *e)
{
    return e->bytes;
}

/* --- of daemons --- */

static json_t *of_slot(const struct daemon *d)
{
    json_t *data = at_now();
    json_object_set_new(data, "project", view_text(d->project->root));
    json_object_set_new(data, "projectKey", view_text(d->project->key));
    json_object_set_new(data, "server", view_text(d->server));
    return data;
}

static json_t *of_life(const struct daemon *d)
{
    json_t *data = of_slot(d);
    json_object_set_new(data, "daemonId", view_text(d->id));
    return data;
}

static struct told *told_of(struct events *e, const struct daemon *d)
{
    list_each(node, after, &e->told)
    {
        struct told *t = container_of(node, struct told, node);
        if (strcmp(t->key, d->project->key) == 0 && strcmp(t->server, d->server) == 0)
            return t;
    }
    struct told *t = xcalloc(1, sizeof *t);
    t->key = xstrdup(d->project->key);
    t->server = xstrdup(d->server);
    for (int i = 0; i < STEP_COUNT; i++)
        t->step_ms[i] = -1;
    list_add_tail(&e->told, &t->node);
    return t;
}

static void told_free(struct told *t)
{
    list_remove(&t->node);
    free(t->key);
    free(t->server);
    free(t->cause);
    free(t);
}

static void tell_steps(struct events *e, const struct daemon *d, struct told *t)
{
    for (int i = 0; i < STEP_COUNT; i++) {
        int64_t ms = d->step_ms[i];
        bool is_new = ms >= 0 && ms != t->step_ms[i];
        t->step_ms[i] = ms;
        if (!is_new)
            continue;
        json_t *data = of_slot(d);
        json_object_set_new(data, "daemonId", i == STEP_QUEUED ? json_null() : view_text(d->id));
        json_object_set_new(data, "step", json_string(start_step_word((enum start_step)i)));
        json_object_set_new(data, "ms", json_integer(ms));
        add(e, "step", d->project->key, data);
    }
}

static void tell_health(struct events *e, const struct daemon *d, struct told *t)
{
    if (d->process == t->process && d->accepts == t->accepts && d->mcp == t->mcp &&
        d->useful == t->useful && str_equal(d->cause, t->cause))
        return;
    t->process = d->process;
    t->accepts = d->accepts;
    t->mcp = d->mcp;
    t->useful = d->useful;
    str_replace(&t->cause, d->cause);
    json_t *data = of_life(d);
    json_object_set_new(data, "health", view_health(d));
    add(e, "health", d->project->key, data);
}

void events_change(struct events *e, const struct daemon *d)
{
    if (daemon_is_forgotten(d))
        return;
    struct told *t = told_of(e, d);
    tell_steps(e, d, t);
    tell_health(e, d, t);
}

void events_pin(struct events *e, const struct daemon *d)
{
    json_t *data = of_slot(d);
    json_object_set_new(data, "pinned", json_boolean(d->is_pinned));
    add(e, "pin", d->project->key, data);
}

void events_state(struct events *e, const struct daemon *d, enum daemon_state was, int64_t was_ms)
{
    struct told *t = daemon_is_forgotten(d) ? NULL : told_of(e, d);
    /* A start that was just asked for has no life yet: what the slot holds is the last one's. */
    bool is_new = d->state == DAEMON_STARTING && d->reason != REASON_ADOPTED;
    if (t && !is_new) /* the steps that led here come before it */
        tell_steps(e, d, t);
    json_t *data = of_slot(d);
    json_object_set_new(data, "daemonId", is_new ? json_null() : view_text(d->id));
    json_object_set_new(data, "generation", is_new ? json_null() : json_integer(d->generation));
    json_object_set_new(data, "state", json_string(daemon_state_word(d->state)));
    json_object_set_new(data, "was", json_string(daemon_state_word(was)));
    json_object_set_new(data, "wasMs", json_integer(was_ms));
    json_object_set_new(data, "reason", view_text(reason_word(d->reason)));
    json_object_set_new(data, "detail", view_text(d->detail));
    add(e, "state", d->project->key, data);
    if (!t || !is_new)
        return;
    for (int i = 0; i < STEP_COUNT; i++)
        t->step_ms[i] = -1;
    tell_steps(e, d, t);
}

/* --- of others --- */

void events_session(struct events *e, const struct api_session *s, const char *change)
{
    const struct project *project = pool_project_by_key(e->api->pool, s->project_key);
    json_t *data = at_now();
    json_object_set_new(data, "project", project ? view_text(project->root) : json_string(""));
    json_object_set_new(data, "projectKey", view_text(s->project_key));
    json_object_set_new(data, "server", view_text(s->server));
    json_object_set_new(data, "change", json_string(change));
    json_object_set_new(data, "client", view_text(s->client));
    json_object_set_new(data, "transport", view_text(s->transport));
    json_object_set_new(data, "pid", s->pid > 0 ? json_integer(s->pid) : json_null());
    json_object_set_new(data, "route", view_text(s->route));
    add(e, "session", s->project_key, data);
}

void events_trust(struct events *e, const struct project *project)
{
    json_t *data = at_now();
    json_object_set_new(data, "project", view_text(project->root));
    json_object_set_new(data, "projectKey", view_text(project->key));
    json_object_set_new(data, "trusted", json_boolean(project->is_trusted));
    add(e, "trust", project->key, data);
}

void events_forget(struct events *e, const char *root, const char *key)
{
    json_t *data = at_now();
    json_object_set_new(data, "project", view_text(root));
    json_object_set_new(data, "projectKey", view_text(key));
    add(e, "forget", key, data);
    list_each(node, after, &e->told)
    {
        struct told *t = container_of(node, struct told, node);
        if (strcmp(t->key, key) == 0)
            told_free(t);
    }
}

void events_config(struct events *e, const struct config *config)
{
    json_t *data = at_now();
    json_object_set_new(data, "file", view_text(config->file));
    json_object_set_new(data, "warnings", view_warnings(config));
    add(e, "config", NULL, data);
}

/* --- readers --- */

bool events_position(const struct events *e, const char *last_id, int64_t *next)
{
    char epoch[24];
    int64_t number;
    *next = e->next;
    if (!last_id)
        return true;
    int n = snprintf(epoch, sizeof epoch, "%" PRId64 "-", epoch_of(e));
    if (strncmp(last_id, epoch, (size_t)n) != 0 ||
        !str_to_int(last_id + n, 0, INT64_MAX - 1, &number) || number + 1 < e->first ||
        number >= e->next)
        return false;
    *next = number + 1;
    return true;
}

static void reader_free(void *state)
{
    struct reader *r = state;
    list_remove(&r->node);
    free(r->key);
    free(r->text);
    free(r);
}

/* Give this next. Takes text. */
static void give(struct reader *r, char *text)
{
    free(r->text);
    r->text = text;
    r->n = strlen(text);
    r->given = 0;
}

/* Its id is that of the last event, so that a reader which comes back goes on from there. */
static void give_reset(struct reader *r, const char *why)
{
    json_t *data = at_now();
    json_object_set_new(data, "why", json_string(why));
    r->next = r->events->next;
    give(r, compose(r->events, r->next - 1, "reset", data));
}

static bool give_next(struct reader *r)
{
    struct events *e = r->events;
    if (r->next < e->first) {
        give_reset(r, "too-slow");
        return true;
    }
    while (r->next < e->next) {
        const struct event *event = &e->ring[r->next++ % EVENTS_MAX];
        if (r->key && !str_equal(r->key, event->key))
            continue;
        give(r, xstrdup(event->text));
        return true;
    }
    if (r->is_beat_due)
        give(r, xstrdup(": poold\n\n"));
    return r->is_beat_due;
}

static ssize_t pull(struct request *request, char *to, size_t room)
{
    struct reader *r = request->state;
    size_t n = 0;
    for (;;) {
        if (r->given == r->n && !give_next(r))
            return (ssize_t)n;
        r->is_beat_due = false; /* something is said */
        size_t part = r->n - r->given < room - n ? r->n - r->given : room - n;
        memcpy(to + n, r->text + r->given, part);
        n += part;
        r->given += part;
        if (n == room)
            return (ssize_t)n;
    }
}

static void beat(struct request *request, bool is_late)
{
    (void)is_late;
    struct reader *r = request->state;
    r->is_beat_due = true;
    request_wake(request);
}

void on_events(struct request *request)
{
    struct events *e = request->api->events;
    const char *key = request_text(request, "project");
    if (key && !pool_project_by_key(request->api->pool, key)) {
        struct err err = {0};
        err_set(&err, ERR_NO_PROJECT, 0, "no project with the key \"%.80s\" is known", key);
        request_refuse(request, &err, NULL);
        return;
    }
    struct reader *r = xcalloc(1, sizeof *r);
    r->request = request;
    r->events = e;
    r->key = xstrdup(key);
    list_add_tail(&e->readers, &r->node);
    request_keep(request, r, reader_free);
    if (events_position(e, request_header(request, "Last-Event-ID"), &r->next))
        /* An id without an event: where to go on from, even if nothing happens. */
        give(r, xasprintf("retry: 1000\nid: %" PRId64 "-%" PRId64 "\n\n", epoch_of(e),
                          r->next - 1));
    else
        give_reset(r, "unknown-id");
    request_stream(request, "text/event-stream", pull);
    request_tick(request, BEAT_MS, beat);
}

/* --- life --- */

struct events *events_new(struct api *api)
{
    struct events *e = xcalloc(1, sizeof *e);
    e->api = api;
    e->first = e->next = 1;
    list_init(&e->told);
    list_init(&e->readers);
    return e;
}

void events_free(struct events *e)
{
    if (!e)
        return;
    while (e->first < e->next)
        drop_first(e);
    list_each(node, after, &e->told) told_free(container_of(node, struct told, node));
    free(e);
}
