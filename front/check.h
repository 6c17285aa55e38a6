/* front/check.h - may this request be answered at all? Before anything else is done with it, and
 * above all before a daemon is started. Pure functions of a head and of who asks. */
#pragma once
#include "mcp/http_head.h"
#include "platform/peer.h"

struct check_result {
    int status;     /* 0: may pass; else the HTTP status to refuse with */
    char text[200]; /* why, for a person */
};

/* is_mcp: the stricter or looser browser rules. port: ours, for Host and Origin.
 * Host must be a name of loopback (DNS rebinding), Origin absent or loopback on MCP paths and
 * absent or exactly ours on the API's; without Origin, Sec-Fetch-Site other than none or
 * same-origin is refused; API changes need POST, PUT or DELETE with application/json. */
struct check_result check_request(const struct http_head *head, const struct peer_id *peer,
                                  uid_t our_uid, bool is_mcp, int port);
