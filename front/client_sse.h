/* front/client_sse.h - clients that speak HTTP+SSE (MCP 2024-11-05): one stream for everything that
 * comes back, and a path to POST to that names the session. */
#pragma once
#include "front/conn.h"
#include "front/route.h"

/* GET .../sse */
void client_sse_open(struct conn *c, const struct request *request, const struct route_url *url);
/* POST /messages?session_id=ID */
void client_sse_message(struct conn *c, const struct request *request);
