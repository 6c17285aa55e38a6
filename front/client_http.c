/* front/client_http.c - see client_http.h. */
#include "front/client_http.h"

#include "base/caps.h"
#include "base/str.h"
#include "front/batch.h"
#include "front/flight.h"
#include "front/http_answer.h"
#include "front/modern_http.h"
#include "front/roots.h"
#include "front/resume.h"
#include "mcp/handshake.h"
#include "mcp/modern.h"
#include "mcp/roots.h"

#include <stdio.h>
#include <string.h>

/* --- requests --- */

char *client_headers(const struct http_head *head)
{
    struct buf out = BUF_INIT(CAP_HEAD);
    for (size_t i = 0; i < head->count; i++) {
        const struct http_header *h = &head->headers[i];
        bool wanted = false;
        switch (h->name.n ? h->name.p[0] | 0x20 : 0) {
        case 'a':
            wanted = span_is_nocase(h->name, "Authorization");
            break;
        case 'b':
            wanted = span_is_nocase(h->name, "Baggage");
            break;
        case 't':
            wanted =
                span_is_nocase(h->name, "Traceparent") || span_is_nocase(h->name, "Tracestate");
            break;
        case 'm':
            wanted = h->name.n > 4 && span_is_nocase((struct span){h->name.p, 4}, "mcp-") &&
                     !span_is_nocase(h->name, "Mcp-Session-Id") &&
                     !span_is_nocase(h->name, "MCP-Protocol-Version");
            break;
        default:
            break;
        }
        if (wanted && !(buf_add(&out, h->name.p, h->name.n) && buf_add(&out, ": ", 2) &&
                        buf_add(&out, h->value.p, h->value.n) && buf_add(&out, "\r\n", 2)))
            break;
    }
    return out.len ? buf_take(&out) : NULL;
}

static void answer_no_content(struct conn *c)
{
    conn_answer(c, 202, "", "", (struct span){0});
}

void client_answer_error(struct conn *c, struct span id, const struct err *err)
{
    /* With an id: a JSON-RPC error in a 200 is the one form that every client reports and survives.
     */
    conn_answer_error(c, id.n ? 200 : err_row(err->code)->http, id, err_row(err->code)->rpc,
                      err_text(err));
}

/* Does the client of this request have roots, or may it still say so? */
static bool may_have_roots(const struct request *request, enum session_client client_kind)
{
    struct rpc_peek peek;
    if (client_kind == CLIENT_SSE)
        return true;
    rpc_peek(request->body.p, request->body.n, &peek);
    return roots_declared(peek.params);
}

/* Which project and server? With may_wait it need not be known: then why says what hinders. False:
 * it was answered, or waits for the socket's owner. */
static bool client_route(struct conn *c, const struct request *request, const struct route_url *url,
                         struct span id, bool may_wait, struct route *out, char **why)
{
    struct err err = {0};
    if (!route_by_request(c->front, url, &request->head, out, &err)) {
        client_answer_error(c, id, &err);
        return false;
    }
    if (out->rule != ROUTE_NONE && c->owner)
        return true;
    if (!c->owner) {
        conn_find_owner(c);
        return false;
    }
    if (route_by_owner(c->front, c->owner, out, &err))
        return true;
    if (may_wait) { /* its roots may name the project yet */
        *why = xstrdup(err_text(&err));
        return true;
    }
    owner_free(c->owner); /* the next try looks again: the client may have moved */
    c->owner = NULL;
    client_answer_error(c, id, &err);
    return false;
}

struct session *client_session(struct conn *c, const struct request *request,
                               const struct route_url *url, struct span id,
                               enum session_client client_kind)
{
    struct route route;
    struct err err = {0};
    char *why = NULL;
    if (!client_route(c, request, url, id, may_have_roots(request, client_kind), &route, &why))
        return NULL;
    struct session *s = session_make(c->front, &route, c->owner, client_kind, &err);
    if (s)
        s->roots.why = why;
    else
        free(why);
    if (s)
        s->is_lean |= url->is_lean;
    else
        client_answer_error(c, id, &err);
    owner_free(c->owner); /* read again at the next initialize: a client may have moved */
    c->owner = NULL;
    return s;
}

static void begin_session(struct conn *c, const struct request *request,
                          const struct route_url *url, const struct rpc_peek *peek)
{
    struct session *s = client_session(c, request, url, peek->id, CLIENT_HTTP);
    if (!s)
        return;
    s->initialize =
        xstrndup(peek->params.p ? peek->params.p : "{}", peek->params.p ? peek->params.n : 2);
    s->client = handshake_client_name(peek->params);
    known_authorize(s, http_header(&request->head, "Authorization"));
    roots_begin(s);
    struct flight *f =
        flight_new(s, FLIGHT_INITIALIZE, &client_http_sink, c, request->body, peek, NULL);
    conn_take(c, &http_flight_user, f);
    flight_go(f);
}

/* Does the request name another project than its session's? Answered if so. */
static bool contradicts(struct conn *c, const struct request *request, const struct route_url *url,
                        struct session *s, struct span id)
{
    struct route route;
    struct err err = {0};
    if (!url->key.n && !url->server.n && !request->head.query.n &&
        !http_header(&request->head, "X-Poold-Project").p)
        return false;
    if (!route_by_request(c->front, url, &request->head, &route, &err)) {
        client_answer_error(c, id, &err);
        return true;
    }
    if (!session_has_project(s)) { /* and this request knows it */
        const char *server = route.server[0] ? route.server : s->server;
        struct daemon *d = route.project ? pool_slot(c->front->pool, route.project,
                                                     server[0] ? server : NULL, &err)
                                         : NULL;
        if (d)
            session_move(s, d, route.rule);
        return false;
    }
    bool other_project = route.project && route.project != s->daemon->project;
    bool other_server = url->server.n && strcmp(route.server, s->daemon->server) != 0;
    if (!other_project && !other_server)
        return false;
    err_set(
        &err, ERR_CONFLICT, 0,
        "this session belongs to %s of project %s; the request names %s of %s. Open a session of "
        "its own for each project.",
        s->daemon->server, s->daemon->project->root,
        other_server ? route.server : s->daemon->server,
        route.project ? route.project->root : s->daemon->project->root);
    client_answer_error(c, id, &err);
    return true;
}

static void one_way(struct conn *c, const struct request *request, struct session *s,
                    const struct rpc_peek *peek)
{
    answer_no_content(c);
    if (roots_take(s, peek, request->body))
        return;
    if (rpc_text_is(peek->method, "notifications/initialized"))
        roots_ask(s);
    if (rpc_text_is(peek->method, "notifications/roots/list_changed"))
        roots_changed(s);
    /* initialized was said by the handshake already; what no daemon waits for is not kept. */
    if (rpc_text_is(peek->method, "notifications/initialized") || !link_is_open(&s->link))
        return;
    struct flight *f = flight_new(s, FLIGHT_ONEWAY, &flight_client_none, NULL, request->body, peek,
                                  client_headers(&request->head));
    flight_go(f);
}

static void answer_ping(struct conn *c, struct span id)
{
    struct buf body = BUF_INIT(CAP_HEAD + id.n);
    if (rpc_write_empty(&body, id))
        conn_answer(c, 200, "", "application/json", (struct span){body.data, body.len});
    else
        conn_close(c);
    buf_release(&body);
}

/* A request without a session id. */
static void without_session(struct conn *c, const struct request *request,
                            const struct route_url *url, const struct rpc_peek *peek)
{
    if (rpc_text_is(peek->method, "initialize"))
        begin_session(c, request, url, peek);
    else if (rpc_text_is(peek->method, "ping"))
        answer_ping(c, peek->id);
    else
        conn_answer_error(c, 400, peek->id, err_row(ERR_BAD_REQUEST)->rpc,
                          "the Mcp-Session-Id header is missing: send initialize first");
}

static bool accepts(const struct http_head *head, bool json_too)
{
    struct span accept = http_header(head, "Accept");
    if (!accept.p || http_value_has(accept, "*/*"))
        return true;
    return http_value_has(accept, "text/event-stream") &&
           (!json_too || http_value_has(accept, "application/json"));
}

static void answer_no_session(struct conn *c, struct span id)
{
    conn_answer_error(c, 404, id, err_row(ERR_NO_SESSION)->rpc,
                      "Session not found: it was ended, or its project is not known any more; "
                      "send initialize");
}

static void on_post(struct conn *c, const struct request *request, const struct route_url *url)
{
    struct rpc_peek peek;
    struct span type = http_header(&request->head, "Content-Type");
    if (type.n < 16 || !span_is_nocase((struct span){type.p, 16}, "application/json")) {
        conn_answer_error(c, 415, (struct span){0}, err_row(ERR_BAD_REQUEST)->rpc,
                          "Content-Type must be application/json");
        return;
    }
    if (!accepts(&request->head, true)) {
        conn_answer_error(c, 406, (struct span){0}, err_row(ERR_BAD_REQUEST)->rpc,
                          "the Accept header must list application/json and text/event-stream");
        return;
    }
    rpc_peek(request->body.p, request->body.n, &peek);
    if (peek.kind == RPC_INVALID) {
        conn_answer_error(c, 400, (struct span){0}, err_row(ERR_PARSE)->rpc,
                          "the body is not a JSON-RPC message");
        return;
    }
    struct span session_id = http_header(&request->head, "Mcp-Session-Id");
    if (peek.is_modern ||
        (!session_id.p && modern_is(&peek, http_header(&request->head, "MCP-Protocol-Version")))) {
        modern_http_request(c, request, url, &peek);
        return;
    }
    if (!session_id.p || rpc_text_is(peek.method, "initialize")) {
        without_session(c, request, url, &peek);
        return;
    }
    struct session *s = session_find(c->front, session_id);
    if (!s) {
        answer_no_session(c, peek.id);
        return;
    }
    if (contradicts(c, request, url, s, peek.id))
        return;
    known_authorize(s, http_header(&request->head, "Authorization"));
    s->is_lean |= url->is_lean; /* it may have been taken back: only the URL says it then */
    if (peek.kind == RPC_BATCH) {
        char *headers = client_headers(&request->head);
        batch_request(c, s, request->body, headers);
        free(headers);
    } else if (peek.kind != RPC_REQUEST) {
        one_way(c, request, s, &peek);
    } else if (rpc_text_is(peek.method, "ping")) {
        answer_ping(c, peek.id);
    } else {
        struct flight *f = flight_new(s, FLIGHT_CALL, &client_http_sink, c, request->body, &peek,
                                      client_headers(&request->head));
        http_answer_resumable(f);
        conn_take(c, &http_flight_user, f);
        flight_go(f);
    }
}

/* The session of a GET or DELETE; answered if there is none. */
static struct session *session_of(struct conn *c, const struct request *request,
                                  const struct route_url *url)
{
    struct span id = http_header(&request->head, "Mcp-Session-Id");
    struct session *s = id.p ? session_find(c->front, id) : NULL;
    if (!id.p) /* clients without sessions have neither (2026-07-28, transports) */
        conn_answer(c, 405, "Allow: POST\r\n", "", (struct span){0});
    else if (!s)
        answer_no_session(c, (struct span){0});
    else if (!contradicts(c, request, url, s, (struct span){0})) {
        known_authorize(s, http_header(&request->head, "Authorization"));
        return s;
    }
    return NULL;
}

/* Is it a stream of ours that goes on, of this session if the request names one? */
static bool resumes(struct conn *c, const struct request *request, const struct session *s)
{
    struct event_id id;
    if (!event_id_read(c->front, http_header(&request->head, "Last-Event-ID"), &id) ||
        !id.request.n || /* of the session's long stream: that is opened anew */
        (s && strcmp(event_session(s), id.session) != 0))
        return false;
    resume_stream(c, &id);
    return true;
}

static void on_get(struct conn *c, const struct request *request, const struct route_url *url)
{
    if (!accepts(&request->head, false)) {
        conn_answer_error(c, 406, (struct span){0}, err_row(ERR_BAD_REQUEST)->rpc,
                          "the Accept header must list text/event-stream");
        return;
    }
    bool has_session = http_header(&request->head, "Mcp-Session-Id").p != NULL;
    if (!has_session && resumes(c, request, NULL))
        return;
    struct session *s = session_of(c, request, url);
    if (!s || resumes(c, request, s))
        return;
    if (s->stream) {
        conn_answer_error(c, 409, (struct span){0}, err_row(ERR_CONFLICT)->rpc,
                          "this session has a stream already");
        return;
    }
    session_stream_open(s, c);
    conn_begin_events(c, flight_headers(s, false), false);
    conn_add(c, HTTP_RETRY, sizeof HTTP_RETRY - 1);
    if (strcmp(s->protocol, "2025-11-25") >= 0)
        conn_add(c, "\r\n", 2); /* to older clients a block without data may be a broken event */
    session_stream_replay(s, http_header(&request->head, "Last-Event-ID"));
    conn_flush(c);
    if (!s->stream)
        return;
    link_push_changed(&s->link);
    known_stream_opened(s);
    roots_ask(s);
}

static void on_delete(struct conn *c, const struct request *request, const struct route_url *url)
{
    struct session *s = session_of(c, request, url);
    if (!s)
        return;
    session_end(s);
    session_release(s);
    conn_answer(c, 200, "", "", (struct span){0});
}

void client_http_request(struct conn *c, const struct request *request, const struct route_url *url)
{
    switch (request->head.method) {
    case HTTP_POST_M:
        on_post(c, request, url);
        return;
    case HTTP_GET_M:
        on_get(c, request, url);
        return;
    case HTTP_DELETE_M:
        on_delete(c, request, url);
        return;
    default:
        conn_answer(c, 405, "Allow: GET, POST, DELETE\r\n", "", (struct span){0});
    }
}
