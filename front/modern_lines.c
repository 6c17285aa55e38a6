/* front/modern_lines.c - see modern_lines.h. */
#include "front/modern_lines.h"

#include "base/caps.h"
#include "base/str.h"
#include "front/client_lines.h"
#include "front/listen.h"
#include "front/modern.h"
#include "mcp/modern.h"
#include "mcp/modern_upgrade.h"
#include "mcp/rewrite.h"

#include <stdio.h>
#include <string.h>

/* --- who asks --- */

static bool route_of(struct front *f, const struct lines_who *who, const struct rpc_peek *peek,
                     struct route *out, struct err *err)
{
    bool is_discover = modern_method_of(peek->method) == MODERN_DISCOVER;
    const struct session *named = who->named;
    if (named && session_has_project(named)) {
        out->rule = named->rule;
        out->project = named->daemon->project;
        snprintf(out->server, sizeof out->server, "%s", named->daemon->server);
        return true;
    }
    snprintf(out->server, sizeof out->server, "%s", who->hello->server ? who->hello->server : "");
    if (who->hello->project)
        return route_by_name(f, who->hello->project, ROUTE_LINE, out, err);
    struct project *pinned = is_discover ? NULL : modern_pinned(f, who->owner);
    if (!pinned)
        return route_by_owner(f, who->owner, out, err);
    out->rule = ROUTE_OWNER;
    out->project = pinned;
    return true;
}

struct session *modern_lines_session(struct front *f, const struct lines_who *who,
                                     const struct rpc_peek *peek, struct err *err)
{
    struct route route = {0};
    if (!route_of(f, who, peek, &route, err))
        return NULL;
    struct daemon *d =
        pool_slot(f->pool, route.project, route.server[0] ? route.server : NULL, err);
    const struct modern_who modern = {.daemon = d,
                                      .rule = route.rule,
                                      .owner = who->owner,
                                      .client_kind = CLIENT_LINES,
                                      .is_lean_url = who->hello->is_lean};
    return d ? modern_session(f, &modern, peek, err) : NULL;
}

/* --- requests --- */

static bool is_refused(struct conn *c, const struct rpc_peek *peek)
{
    struct modern_fault fault = {0};
    if (modern_check(peek, NULL, &fault)) {
        enum modern_method method = modern_method_of(peek->method);
        if (method == MODERN_REMOVED)
            fault = (struct modern_fault){
                404, RPC_METHOD_NOT_FOUND, "there is no such method in " MODERN_REVISION, {0}};
        else if (method == MODERN_LISTEN && !listen_is_sound(peek))
            fault = (struct modern_fault){
                400, RPC_INVALID_PARAMS, "params.notifications must be an object", {0}};
        else
            return false;
    }
    struct buf body = BUF_INIT(CAP_BODY + 1000);
    if (modern_write_fault(&body, peek->id, &fault))
        lines_write(c, (struct span){body.data, body.len});
    buf_release(&body);
    conn_flush(c);
    return true;
}

/* What a daemon of the same era behind HTTP wants mirrored in headers: lines, new; NULL where the
 * method is no name that a header can carry. */
static char *mirrors(const struct rpc_peek *peek)
{
    struct buf out = BUF_INIT(CAP_HEAD);
    char *lines = upgrade_write_headers(&out, peek) ? buf_take(&out) : NULL;
    buf_release(&out);
    return lines;
}

void modern_lines_request(struct conn *c, const struct lines_who *who, struct span line,
                          const struct rpc_peek *peek)
{
    struct err err = {0};
    if (is_refused(c, peek))
        return;
    struct session *s = modern_lines_session(c->front, who, peek, &err);
    if (!s) {
        lines_write_error(c, peek->id, err_row(err.code)->rpc, err_text(&err));
        return;
    }
    modern_go(modern_flight(s, &client_stream_sink, c, line, peek, mirrors(peek)));
}

/* --- what is under way --- */

bool modern_lines_cancel(struct conn *c, struct span id)
{
    struct list *const lists[] = {&c->front->flights, &c->front->listens};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        list_each(node, after, lists[i])
        {
            struct flight *f = container_of(node, struct flight, node);
            if (f->conn != c || !rpc_same_value(f->modern ? modern_id(f) : f->id, id))
                continue;
            flight_client_gone(f);
            front_look_soon(c->front);
            return true;
        }
    }
    return false;
}

int modern_lines_calls(const struct conn *c)
{
    int calls = 0;
    list_each(node, after, &c->front->flights) calls +=
        container_of(node, const struct flight, node)->conn == c;
    return calls;
}

void modern_lines_resume(struct conn *c)
{
    list_each(node, after, &c->front->flights)
    {
        struct flight *f = container_of(node, struct flight, node);
        if (f->conn == c && f->up && !f->client->is_full(f))
            upstream_resume(f->up);
    }
}

void modern_lines_gone(struct conn *c)
{
    struct list *const lists[] = {&c->front->listens, &c->front->flights};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        list_each(node, after, lists[i])
        {
            struct flight *f = container_of(node, struct flight, node);
            if (f->conn == c)
                flight_client_gone(f);
        }
    }
    front_look_soon(c->front);
}
