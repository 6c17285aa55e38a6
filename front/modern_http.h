/* front/modern_http.h - modern clients over Streamable HTTP: POSTs without a session. */
#pragma once
#include "front/conn.h"
#include "front/route.h"
#include "mcp/jsonrpc.h"

/* A POST that modern_is says is one. */
void modern_http_request(struct conn *c, const struct request *request, const struct route_url *url,
                         const struct rpc_peek *peek);
