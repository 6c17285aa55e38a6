/* front/modern_http.c - see modern_http.h. */
#include "front/modern_http.h"

#include "base/caps.h"
#include "base/str.h"
#include "front/client_http.h"
#include "front/http_answer.h"
#include "front/listen.h"
#include "front/modern.h"
#include "mcp/modern.h"

#include <string.h>

static void answer_fault(struct conn *c, struct span id, const struct modern_fault *fault)
{
    struct buf body = BUF_INIT(CAP_BODY + 1000);
    if (modern_write_fault(&body, id, fault))
        conn_answer(c, fault->http, "", "application/json", (struct span){body.data, body.len});
    else
        conn_close(c);
    buf_release(&body);
}

/* Which project, for a client whose process is asked where it works when it begins, and then once
 * more with each server/discover. False: it was answered, or waits for the socket's owner. */
static bool route_of(struct conn *c, const struct request *request, const struct route_url *url,
                     const struct rpc_peek *peek, struct route *out)
{
    struct err err = {0};
    bool is_discover = modern_method_of(peek->method) == MODERN_DISCOVER;
    if (!route_by_request(c->front, url, &request->head, out, &err)) {
        client_answer_error(c, peek->id, &err);
        return false;
    }
    if (!c->owner || (is_discover && !c->owner->is_fresh)) {
        conn_find_owner(c);
        return false;
    }
    c->owner->is_fresh = false;
    if (out->rule != ROUTE_NONE)
        return true;
    struct project *pinned = is_discover ? NULL : modern_pinned(c->front, c->owner);
    if (pinned) {
        out->rule = ROUTE_OWNER;
        out->project = pinned;
        return true;
    }
    if (route_by_owner(c->front, c->owner, out, &err))
        return true;
    owner_free(c->owner); /* the next try looks again: the client may have moved */
    c->owner = NULL;
    client_answer_error(c, peek->id, &err);
    return false;
}

static struct session *session_of(struct conn *c, const struct request *request,
                                  const struct route_url *url, const struct rpc_peek *peek)
{
    struct route route;
    struct err err = {0};
    if (!route_of(c, request, url, peek, &route))
        return NULL;
    struct daemon *d =
        pool_slot(c->front->pool, route.project, route.server[0] ? route.server : NULL, &err);
    const struct modern_who who = {
        .daemon = d,
        .rule = route.rule,
        .owner = c->owner,
        .client_kind = CLIENT_HTTP,
        .is_lean_url = url->is_lean,
        .authorization = http_header(&request->head, "Authorization"),
    };
    struct session *s = d ? modern_session(c->front, &who, peek, &err) : NULL;
    if (!s)
        client_answer_error(c, peek->id, &err);
    return s;
}

static bool is_refused(struct conn *c, const struct request *request, const struct rpc_peek *peek)
{
    struct modern_fault fault = {.http = 400, .code = err_row(ERR_BAD_REQUEST)->rpc};
    if (peek->kind != RPC_REQUEST) {
        snprintf(fault.text, sizeof fault.text, "the body must be one request or notification");
    } else if (modern_check(peek, &request->head, &fault)) {
        enum modern_method method = modern_method_of(peek->method);
        if (method == MODERN_REMOVED)
            fault = (struct modern_fault){
                404, RPC_METHOD_NOT_FOUND, "there is no such method in " MODERN_REVISION, {0}};
        else if (method == MODERN_LISTEN && !listen_is_sound(peek))
            fault =
                (struct modern_fault){400,
                                      RPC_INVALID_PARAMS,
                                      "params.notifications must be an object, with at most 1000 "
                                      "resources",
                                      {0}};
        else
            return false;
    }
    answer_fault(c, peek->id, &fault);
    return true;
}

void modern_http_request(struct conn *c, const struct request *request, const struct route_url *url,
                         const struct rpc_peek *peek)
{
    if (peek->kind == RPC_NOTIFICATION) { /* there is none that would have to be acted on */
        conn_answer(c, 202, "", "", (struct span){0});
        return;
    }
    if (is_refused(c, request, peek))
        return;
    struct session *s = session_of(c, request, url, peek);
    if (!s)
        return;
    struct flight *f =
        modern_flight(s, &client_http_sink, c, request->body, peek, client_headers(&request->head));
    /* The revision has no resumption, but its clients resume by an event id: after a kill of poold
     * they are told at once, instead of waiting for ever. Calls only: what else is slow keeps the
     * HTTP status of its error. */
    if (peek->tool.p)
        http_answer_resumable(f);
    conn_take(c, &http_flight_user, f);
    modern_go(f);
}
