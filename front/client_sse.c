/* front/client_sse.c - see client_sse.h. */
#include "front/client_sse.h"

#include "front/client_http.h"
#include "front/client_stream.h"
#include "front/reopen.h"

#include <stdio.h>
#include <string.h>

void client_sse_open(struct conn *c, const struct request *request, const struct route_url *url)
{
    if (request->head.method != HTTP_GET_M) {
        conn_answer(c, 405, "Allow: GET\r\n", "", (struct span){0});
        return;
    }
    struct session *s = client_session(c, request, url, (struct span){0}, CLIENT_SSE);
    if (!s)
        return;
    known_authorize(s, http_header(&request->head, "Authorization"));
    session_enlist(s);
    session_stream_open(s, c);
    conn_begin_events(c, flight_headers(s, false), false);
    /* The port outlives poold, so a client that lost its stream may come back soon. */
    char endpoint[512];
    int n =
        snprintf(endpoint, sizeof endpoint,
                 "retry: 500\r\nevent: endpoint\r\ndata: /messages?session_id=%s\r\n\r\n", s->id);
    session_stream_events(s, endpoint, (size_t)n);
    if (s->stream) /* clients say the revision once they have agreed on one */
        reopen_begin(s, http_header(&request->head, "MCP-Protocol-Version").n != 0);
}

void client_sse_message(struct conn *c, const struct request *request)
{
    char id[512];
    struct rpc_peek peek;
    if (request->head.method != HTTP_POST_M) {
        conn_answer(c, 405, "Allow: POST\r\n", "", (struct span){0});
        return;
    }
    if (!http_query_get(request->head.query, "session_id", id, sizeof id)) {
        conn_answer_error(c, 400, (struct span){0}, err_row(ERR_BAD_REQUEST)->rpc,
                          "session_id is missing in the URL");
        return;
    }
    struct session *s = session_find(c->front, (struct span){id, strlen(id)});
    if (!s || s->client_kind != CLIENT_SSE || !session_stream_is_awaited(s)) {
        conn_answer_error(c, 404, (struct span){0}, err_row(ERR_NO_SESSION)->rpc,
                          "Could not find session: its event stream is closed; open /sse again");
        return;
    }
    rpc_peek(request->body.p, request->body.n, &peek);
    if (peek.kind == RPC_INVALID || peek.kind == RPC_BATCH) {
        conn_answer_error(c, 400, (struct span){0}, err_row(ERR_PARSE)->rpc,
                          "the body is not one JSON-RPC message");
        return;
    }
    conn_answer(c, 202, "", "", (struct span){0});
    if (peek.kind == RPC_REQUEST && rpc_text_is(peek.method, "initialize"))
        s->settle_at_ms = 0; /* a new client */
    else
        s = reopen_settle(s);
    known_authorize(s, http_header(&request->head, "Authorization"));
    client_stream_message(s, request->body, &peek, client_headers(&request->head));
}
