/* front/client_sse.c - see client_sse.h. */
#include "front/client_sse.h"

#include "base/caps.h"
#include "base/str.h"
#include "front/client_http.h"
#include "front/flight.h"
#include "mcp/handshake.h"

#include <stdio.h>
#include <string.h>

/* --- answers go to the session's stream, whole messages only --- */

static void json_end(struct flight *f)
{
    session_stream_message(f->session, (struct span){f->held.data, f->held.len});
}

static void events(struct flight *f, const char *bytes, size_t n)
{
    struct sse_splitter split = {0};
    for (size_t at = 0, len; at < n && (len = sse_first(&split, bytes + at, n - at)) > 0;
         at += len) {
        struct sse_event event;
        sse_event_parse(bytes + at, len, &event);
        if (event.data_lines) /* comments keep nothing alive here: the stream has its own */
            session_stream_events(f->session, bytes + at, len);
    }
}

static void message(struct flight *f, struct span json, bool is_answer)
{
    (void)is_answer;
    session_stream_message(f->session, json);
}

static void nothing(struct flight *f)
{
    (void)f;
}

static bool is_full(struct flight *f)
{
    return f->session->stream && conn_is_full(f->session->stream);
}

const struct flight_client client_sse_sink = {
    flight_hold_begin, flight_hold_data, json_end, events, message,
    nothing,           nothing,          is_full,  nothing};

/* --- requests --- */

void client_sse_open(struct conn *c, const struct request *request, const struct route_url *url)
{
    if (request->head.method != HTTP_GET_M) {
        conn_answer(c, 405, "Allow: GET\r\n", "", (struct span){0});
        return;
    }
    struct session *s = client_session(c, request, url, (struct span){0}, CLIENT_SSE);
    if (!s)
        return;
    session_publish(s);
    session_stream_open(s, c);
    conn_begin_events(c, flight_headers(s, false), false);
    /* The port outlives poold, so a client that lost its stream may come back soon. */
    char endpoint[512];
    int n =
        snprintf(endpoint, sizeof endpoint,
                 "retry: 500\r\nevent: endpoint\r\ndata: /messages?session_id=%s\r\n\r\n", s->id);
    session_stream_events(s, endpoint, (size_t)n);
}

static void begin(struct session *s, const struct request *request, const struct rpc_peek *peek)
{
    known_close(s);
    free(s->initialize);
    s->initialize = peek->params.n ? xstrndup(peek->params.p, peek->params.n) : xstrdup("{}");
    free(s->client);
    s->client = handshake_client_name(peek->params);
    link_reset(&s->link); /* a handshake made without the client's own parameters is made again */
    flight_go(flight_new(s, FLIGHT_INITIALIZE, &client_sse_sink, NULL, request->body, peek, NULL));
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
    if (!s || !s->stream) {
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
    char *headers = client_headers(&request->head);
    conn_answer(c, 202, "", "", (struct span){0});
    if (peek.kind == RPC_REQUEST && rpc_text_is(peek.method, "initialize")) {
        free(headers);
        begin(s, request, &peek);
    } else if (peek.kind == RPC_REQUEST && rpc_text_is(peek.method, "ping")) {
        free(headers);
        struct buf body = BUF_INIT(CAP_HEAD + peek.id.n);
        if (rpc_write_empty(&body, peek.id))
            session_stream_message(s, (struct span){body.data, body.len});
        buf_release(&body);
    } else if (peek.kind == RPC_REQUEST) {
        flight_go(
            flight_new(s, FLIGHT_CALL, &client_sse_sink, NULL, request->body, &peek, headers));
    } else if (!rpc_text_is(peek.method, "notifications/initialized") && link_is_open(&s->link)) {
        flight_go(
            flight_new(s, FLIGHT_ONEWAY, &flight_client_none, NULL, request->body, &peek, headers));
    } else {
        free(headers);
    }
}
