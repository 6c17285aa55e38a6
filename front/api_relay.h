/* front/api_relay.h - requests that are not MCP go to the management API behind api.sock, each with
 * a head of ours; the answer comes back through the same connection of the client's. */
#pragma once
#include "front/conn.h"

void api_relay_request(struct conn *c, const struct request *request);
