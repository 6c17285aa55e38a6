/* front/client_http.h - clients that speak Streamable HTTP, and the message path of HTTP+SSE
 * clients: what a POST, GET or DELETE on an MCP path means. */
#pragma once
#include "front/conn.h"
#include "front/route.h"
#include "front/session.h"

void client_http_request(struct conn *c, const struct request *request,
                         const struct route_url *url);
/* A JSON-RPC error for the request with this id, in the form that every client survives. */
void client_answer_error(struct conn *c, struct span id, const struct err *err);
/* Headers of the client's that go on to the daemon, as lines; new string or NULL. */
char *client_headers(const struct http_head *head);
/* A new session for who asks. id: of the request, for errors. NULL: it was answered, or waits for
 * the owner of the socket to be found and is dispatched again. */
struct session *client_session(struct conn *c, const struct request *request,
                               const struct route_url *url, struct span id,
                               enum session_client client_kind);
