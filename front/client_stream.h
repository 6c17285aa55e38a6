/* front/client_stream.h - what clients of HTTP+SSE and of JSON lines have in common: one stream
 * carries all that comes back, and each message they send stands for itself. */
#pragma once
#include "front/flight.h"

/* One message of the client of s (not a batch), answered on the session's stream by and by.
 * headers_take: of the client's for the daemon (lines), or NULL. */
void client_stream_message(struct session *s, struct span message, const struct rpc_peek *peek,
                           char *headers_take);
