/* api/request.c - see request.h. */
#include "api/request.h"

#include "api/json_views.h"
#include "api/mhd_loop.h"
#include "api/wire.h"
#include "base/caps.h"
#include "base/str.h"

#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define CAP_LINES (256 * 1024) /* JSON lines that a slow client has not taken */

/* --- parameters --- */

const char *request_text(const struct request *r, const char *name)
{
    return json_string_value(json_object_get(r->params, name));
}

bool request_bool(const struct request *r, const char *name, bool otherwise)
{
    const json_t *value = json_object_get(r->params, name);
    return value ? json_is_true(value) : otherwise;
}

int64_t request_int(const struct request *r, const char *name, int64_t otherwise)
{
    const json_t *value = json_object_get(r->params, name);
    return value ? (int64_t)json_integer_value(value) : otherwise;
}

const char *request_header(const struct request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

/* --- suspended connections --- */

static void on_hangup(struct ev_loop *loop, ev_io *w, int events)
{
    (void)events;
    struct request *r = w->data;
    char byte;
    ssize_t n = recv(w->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    ev_io_stop(loop, w);
    if (n > 0) /* its next request is there already: it is alive, and cannot be watched further */
        return;
    r->is_gone = true;
    request_resume(r);
}

void request_suspend(struct request *r)
{
    assert(!r->is_suspended);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    MHD_suspend_connection(r->connection);
    r->is_suspended = true;
    if (!info)
        return;
    ev_io_init(&r->hangup, on_hangup, info->connect_fd, EV_READ);
    r->hangup.data = r;
    ev_io_start(r->api->loop, &r->hangup);
}

void request_resume(struct request *r)
{
    if (!r->is_suspended)
        return;
    r->is_suspended = false;
    ev_io_stop(r->api->loop, &r->hangup);
    MHD_resume_connection(r->connection);
    mhd_loop_kick(r->api->runner);
}

void request_wake(struct request *r)
{
    request_resume(r);
}

/* --- answers --- */

static void settle(struct request *r)
{
    r->is_answered = true;
    r->step = NULL;
    ev_timer_stop(r->api->loop, &r->timer);
    request_resume(r);
}

static ssize_t lines_pull(struct request *r, char *to, size_t room)
{
    if (r->out.len == 0)
        return r->is_ended ? -1 : 0;
    size_t n = r->out.len < room ? r->out.len : room;
    memcpy(to, r->out.data, n);
    buf_consume(&r->out, n);
    return (ssize_t)n;
}

bool request_is_ndjson(const struct request *r)
{
    return r->pull == lines_pull;
}

void request_ndjson(struct request *r)
{
    request_stream(r, API_NDJSON, lines_pull);
}

void request_line(struct request *r, json_t *line)
{
    char *text = json_dumps(line, JSON_COMPACT);
    json_decref(line);
    /* A client that takes nothing misses progress; it does not grow us. */
    if (text && r->out.len + strlen(text) + 1 <= r->out.cap) {
        bool ok = buf_add_str(&r->out, text) && buf_add_str(&r->out, "\n");
        (void)ok;
    }
    free(text);
    request_wake(r);
}

static void line_last(struct request *r, const char *name, json_t *value)
{
    request_line(r, json_pack("{s:o}", name, value));
    r->is_ended = true;
    settle(r);
}

static void answer_text(struct request *r, int status, const char *content_type, char *text)
{
    assert(!r->is_answered && text);
    r->text = text;
    r->status = status;
    r->content_type = content_type;
    settle(r);
}

static void answer_json(struct request *r, int status, const char *content_type, json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT);
    json_decref(value);
    answer_text(r, status, content_type, xasprintf("%s\n", text));
    free(text);
}

void request_answer_text(struct request *r, const char *content_type, char *text)
{
    answer_text(r, MHD_HTTP_OK, content_type, text);
}

void request_answer(struct request *r, int status, json_t *value)
{
    if (request_is_ndjson(r))
        line_last(r, "daemon", value);
    else
        answer_json(r, status, API_JSON, value);
}

void request_refuse_as(struct request *r, int status, const struct err *err, json_t *more)
{
    json_t *problem = view_problem(status, err, more);
    if (request_is_ndjson(r))
        line_last(r, "problem", problem);
    else
        answer_json(r, status, API_PROBLEM_JSON, problem);
}

void request_refuse(struct request *r, const struct err *err, json_t *more)
{
    request_refuse_as(r, err_row(err->code)->http, err, more);
}

void request_stream(struct request *r, const char *content_type, request_pull_fn *pull)
{
    r->status = MHD_HTTP_OK;
    r->content_type = content_type;
    r->pull = pull;
}

/* --- waiting --- */

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop, (void)events;
    struct request *r = w->data;
    request_step_fn *step = r->step;
    if (step)
        step(r, true);
}

static void timer_start(struct request *r, int64_t ms, bool does_repeat)
{
    double seconds = (double)ms / 1000.0;
    ev_now_update(r->api->loop);
    ev_timer_stop(r->api->loop, &r->timer);
    ev_timer_set(&r->timer, seconds, does_repeat ? seconds : 0.);
    ev_timer_start(r->api->loop, &r->timer);
}

void request_wait(struct request *r, int64_t wait_ms, request_step_fn *step)
{
    r->step = step;
    if (wait_ms >= 0)
        timer_start(r, wait_ms, false);
}

void request_tick(struct request *r, int64_t ms, request_step_fn *step)
{
    r->step = step;
    r->is_ticking = true;
    timer_start(r, ms, true);
}

void request_unwait(struct request *r)
{
    r->step = NULL;
    r->is_ticking = false;
    ev_timer_stop(r->api->loop, &r->timer);
}

void request_keep(struct request *r, void *state, void (*state_free)(void *state))
{
    assert(!r->state);
    r->state = state;
    r->state_free = state_free;
}

/* --- life --- */

struct request *request_new(struct api *api, struct MHD_Connection *connection, const char *method,
                            const char *path)
{
    struct request *r = xcalloc(1, sizeof *r);
    r->api = api;
    r->connection = connection;
    snprintf(r->method, sizeof r->method, "%s", method);
    r->path = xstrdup(path);
    r->body = (struct buf)BUF_INIT(CAP_API_BODY);
    r->out = (struct buf)BUF_INIT(CAP_LINES);
    r->params = json_object();
    ev_init(&r->hangup, on_hangup);
    ev_timer_init(&r->timer, on_timer, 0., 0.);
    r->timer.data = r;
    list_add_tail(&api->requests, &r->link);
    return r;
}

void request_free(struct request *r)
{
    if (!r)
        return;
    list_remove(&r->link);
    ev_timer_stop(r->api->loop, &r->timer);
    ev_io_stop(r->api->loop, &r->hangup);
    if (r->state_free)
        r->state_free(r->state);
    buf_release(&r->body);
    buf_release(&r->out);
    json_decref(r->params);
    free(r->text);
    free(r->path);
    free(r);
}
