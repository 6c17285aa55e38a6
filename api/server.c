/* api/server.c - see server.h. The way of a request: head (on_request, first call), body, checks,
 * handler (api/on_*.c), then its answer or a wait with the connection suspended. */
#include "api/server.h"

#include "api/events.h"
#include "api/json_views.h"
#include "api/metrics.h"
#include "api/mhd_loop.h"
#include "api/request.h"
#include "api/routes.h"
#include "api/wire.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#include <assert.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define LOG_MODULE "api"
#define CONNECTIONS 1024           /* poolctl's and the front's relays (CAP_API_RELAYS) */
#define CONNECTION_POOL (8 * 1024) /* of MHD, for head and answer's head */
#define IDLE_SECONDS 60            /* a slow or idle client; suspended requests do not count */
#define STREAM_BLOCK (16 * 1024)

/* --- checks before a handler sees it --- */

static bool is_change(const struct request *r)
{
    return strcmp(r->method, "GET") != 0 && strcmp(r->method, "HEAD") != 0;
}

/* A browser cannot send this type to another origin without asking first (CORS), so demanding it
 * keeps strange pages from changing anything even by a request without a body. */
static bool is_json(const struct request *r)
{
    const char *type = request_header(r, "Content-Type");
    size_t n = strlen(API_JSON);
    return type && strncasecmp(type, API_JSON, n) == 0 && strchr("; \t", type[n]) != NULL;
}

struct query_walk {
    json_t *into;
    struct err *err;
};

static enum MHD_Result query_add(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_n,
                                 const char *value, size_t value_n)
{
    (void)kind;
    struct query_walk *walk = cls;
    json_t *text = json_stringn(value ? value : "", value ? value_n : 0);
    if (!text || strlen(key) != key_n || (value && strlen(value) != value_n))
        err_set(walk->err, ERR_BAD_REQUEST, 0, "the query has a value that is not UTF-8 text");
    else if (json_object_get(walk->into, key))
        err_set(walk->err, ERR_BAD_REQUEST, 0, "the parameter \"%s\" is given twice", key);
    else if (json_object_set(walk->into, key, text) != 0)
        err_set(walk->err, ERR_BAD_REQUEST, 0, "the query has a name that is not UTF-8 text");
    json_decref(text);
    return walk->err->code ? MHD_NO : MHD_YES;
}

static bool body_parse(struct request *r, json_t **body, struct err *err)
{
    json_error_t why;
    if (r->body.len == 0)
        return true;
    json_t *value = json_loadb(r->body.data, r->body.len, JSON_REJECT_DUPLICATES, &why);
    if (!value)
        return err_set(err, ERR_PARSE, 0, "the body is not JSON: %s (line %d, column %d)", why.text,
                       why.line, why.column);
    if (!json_is_object(value)) {
        json_decref(value);
        return err_set(err, ERR_BAD_REQUEST, 0, "the body must be a JSON object");
    }
    *body = value;
    return true;
}

static bool params_read(struct request *r, const json_t *vars, struct err *err)
{
    json_t *query = json_object(), *body = NULL;
    struct query_walk walk = {.into = query, .err = err};
    MHD_get_connection_values_n(r->connection, MHD_GET_ARGUMENT_KIND, query_add, &walk);
    json_object_update(r->params, (json_t *)vars);
    bool ok = !err->code && body_parse(r, &body, err) &&
              route_params(r->route, query, body, r->params, err);
    json_decref(query);
    json_decref(body);
    return ok;
}

/* Who asks. A relayed request comes from this very process, which then names the client. */
static bool peer_read(struct request *r, struct err *err)
{
    const struct api_host *host = &r->api->host;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (!info || !host->peer_of(host->arg, info->connect_fd, &r->peer_pid, &r->peer_uid))
        return err_set(err, ERR_DENIED, 0, "the system does not say who is asking");
    if (r->peer_uid != getuid())
        return err_set(err, ERR_DENIED, 0, "this poold serves user id %u only", getuid());
    if (r->peer_pid != getpid())
        return true;
    const char *stated = request_header(r, API_PEER_HEADER);
    unsigned uid;
    int pid;
    r->peer_pid = 0;
    if (!stated) /* our front always states it: this is nobody's request that we know of */
        return err_set(err, ERR_DENIED, 0, "a relayed request does not say who is asking");
    int fields = sscanf(stated, "uid=%u;pid=%d", &uid, &pid);
    if (fields < 1 || uid != r->peer_uid)
        return err_set(err, ERR_DENIED, 0, "this poold serves user id %u only", getuid());
    if (fields == 2 && pid > 0)
        r->peer_pid = pid;
    return true;
}

/* How long an answer about daemons waits for poold to have found those that ran before it, and how
 * often that is looked at: there is no news of it, and it lasts a moment once a life. */
#define SYNC_MOST_MS 5000
#define SYNC_LOOK_MS 10

static void handle(struct request *r)
{
    struct err err = {0};
    if ((r->route->flags & ROUTE_STARTS) && r->api->is_shutting_down) {
        err_set(&err, ERR_NOT_RUNNING, 0, "poold is shutting down");
        request_refuse(r, &err, NULL);
        return;
    }
    r->route->handle(r);
}

static void look_for_sync(struct request *r, bool is_late)
{
    (void)is_late;
    if (r->is_gone)
        return;
    if (!pool_is_synced(r->api->pool) && clock_ms() - r->started_ms < SYNC_MOST_MS)
        return;
    request_unwait(r);
    handle(r);
    if (r->pull)
        request_wake(r);
}

/* The handler, at once or as soon as poold knows what runs. */
static void handle_synced(struct request *r)
{
    r->started_ms = clock_ms();
    if ((r->route->flags & ROUTE_SYNC) && !pool_is_synced(r->api->pool))
        request_tick(r, SYNC_LOOK_MS, look_for_sync);
    else
        handle(r);
}

static void refuse_type(struct request *r)
{
    struct err err = {0};
    err_set(&err, ERR_BAD_REQUEST, 0,
            "%s needs the header `Content-Type: application/json` (the body may be empty)",
            r->method);
    request_refuse_as(r, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, &err, NULL);
}

static void start(struct request *r)
{
    struct err err = {0};
    json_t *vars = json_object();
    r->is_started = true;
    r->route = route_find(r->method, r->path, vars, &r->allow, &err);
    if (r->is_too_big) {
        err_clear(&err);
        err_set(&err, ERR_TOO_BIG, 0, "the body may have at most %d bytes", CAP_API_BODY);
    }
    if (r->is_too_big || !peer_read(r, &err) || !r->route)
        request_refuse(r, &err, NULL);
    else if (is_change(r) && !is_json(r))
        refuse_type(r);
    else if (!params_read(r, vars, &err))
        request_refuse(r, &err, NULL);
    else
        handle_synced(r);
    json_decref(vars);
    if (r->route && is_change(r))
        log_info("request", "route=%s pid=%d path=%s", r->route->name, r->peer_pid,
                 log_quote(r->path));
}

/* --- the answer --- */

static ssize_t on_stream(void *cls, uint64_t position, char *to, size_t room)
{
    (void)position;
    struct request *r = cls;
    if (r->is_gone)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    ssize_t n = r->pull(r, to, room);
    if (n < 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n == 0)
        request_suspend(r);
    return n;
}

static enum MHD_Result queue(struct request *r)
{
    struct MHD_Response *response =
        r->pull
            ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_stream, r, NULL)
            : MHD_create_response_from_buffer(strlen(r->text), r->text, MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", r->content_type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (r->allow)
        MHD_add_response_header(response, "Allow", r->allow);
    r->is_queued = true;
    enum MHD_Result queued = MHD_queue_response(r->connection, (unsigned)r->status, response);
    MHD_destroy_response(response);
    return queued;
}

/* MHD calls this for the head (*memory is NULL), for each piece of the body, at its end, and again
 * after each resume until an answer is queued. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *n, void **memory)
{
    (void)version;
    struct request *r = *memory;
    if (!r) {
        *memory = request_new(cls, connection, method, path);
        return MHD_YES;
    }
    if (*n) {
        /* The rest of a body that is too big is read and dropped, so that the answer arrives. */
        r->is_too_big = r->is_too_big || !buf_add(&r->body, bytes, *n);
        *n = 0;
        return MHD_YES;
    }
    if (!r->is_started && !r->api->is_ending)
        start(r);
    if (r->is_gone || r->api->is_ending)
        return MHD_NO;
    if (r->is_answered || r->pull)
        return queue(r);
    request_suspend(r);
    return MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **memory,
                         enum MHD_RequestTerminationCode how)
{
    (void)connection, (void)how;
    struct api *a = cls;
    struct request *r = *memory;
    bool is_end = r && r->is_shutdown && !a->is_ending;
    bool does_keep = r && r->does_keep_daemons;
    a->is_shutting_down = a->is_shutting_down || (is_end && !does_keep);
    request_free(r);
    *memory = NULL;
    if (is_end)
        a->host.shutdown(a->host.arg, does_keep);
}

/* --- news of the pool --- */

/* A step answers by setting fields and resuming; nothing is freed before MHD's next turn. */
static void on_change(void *arg, struct daemon *d)
{
    struct api *a = arg;
    events_change(a->events, d);
    list_each(node, after, &a->requests)
    {
        struct request *r = container_of(node, struct request, link);
        if (r->step && !r->is_gone && !r->is_ticking)
            r->step(r, false);
    }
}

static void on_state(void *arg, const struct daemon *d, enum daemon_state was, int64_t was_ms)
{
    struct api *a = arg;
    metrics_state(a->metrics, d, was, was_ms);
    events_state(a->events, d, was, was_ms);
}

void api_session_changed(struct api *a, const struct api_session *s, const char *change)
{
    if (a && !a->is_ending)
        events_session(a->events, s, change);
}

void api_config_changed(struct api *a)
{
    if (a && !a->is_ending)
        events_config(a->events, pool_config(a->pool));
}

/* --- life --- */

static void on_mhd_says(void *cls, const char *format, va_list args)
{
    (void)cls;
    char text[300];
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    log_warn("libmicrohttpd", "says=%s", log_quote(text));
}

struct api *api_create(struct ev_loop *loop, int listen_fd, struct pool *pool,
                       struct registry *registry, const struct api_host *host, struct err *err)
{
    assert(host->peer_of && host->front_url && host->sessions_each);
    struct api *a = xcalloc(1, sizeof *a);
    *a = (struct api){.loop = loop, .pool = pool, .registry = registry, .host = *host};
    list_init(&a->requests);
    a->mhd = MHD_start_daemon(
        mhd_loop_flags(true), 0, NULL, NULL, on_request, a, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_says,
        a, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)listen_fd, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, a, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_POOL, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_SECONDS, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (!a->mhd) {
        close(listen_fd);
        free(a);
        err_set(err, ERR_INTERNAL, 0, "unable to start the API's HTTP server");
        return NULL;
    }
    a->runner = mhd_loop_new(loop, a->mhd);
    a->events = events_new(a);
    a->metrics = metrics_new(a);
    pool_listen(pool, &(struct pool_listener){.arg = a, .on_change = on_change,
                                               .on_state = on_state});
    return a;
}

void api_destroy(struct api *a)
{
    if (!a)
        return;
    a->is_ending = true;
    /* What waits in the backlog is the next poold's: somebody else holds this socket too. */
    MHD_socket listen_fd = MHD_quiesce_daemon(a->mhd);
    list_each(node, after, &a->requests)
    {
        struct request *r = container_of(node, struct request, link);
        r->is_gone = true;
        r->step = NULL;
        request_resume(r); /* MHD must not be stopped with suspended connections */
    }
    MHD_run(a->mhd);
    mhd_loop_free(a->runner);
    MHD_stop_daemon(a->mhd);
    if (listen_fd != MHD_INVALID_SOCKET)
        close(listen_fd);
    assert(list_is_empty(&a->requests));
    events_free(a->events);
    metrics_free(a->metrics);
    free(a);
}
