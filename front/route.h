/* front/route.h - which project and server is a request for? First match wins, and the answer says
 * which rule decided: URL path, X-Poold-Project header or ?project=, session, the working directory
 * of the process that owns the client's socket; the client's MCP roots (roots.h), which win over
 * such a directory. */
#pragma once
#include "front/state.h"
#include "mcp/http_head.h"
#include "platform/peer.h"

enum route_rule {
    ROUTE_NONE,
    ROUTE_PATH,
    ROUTE_HEADER,
    ROUTE_QUERY,
    ROUTE_LINE, /* the first line of a client that speaks JSON lines */
    ROUTE_SESSION,
    ROUTE_OWNER,
    ROUTE_ROOTS /* the client's MCP roots (roots.h) */
};
/* none path header query line session cwd roots */
const char *route_word(enum route_rule rule);
enum route_rule route_rule_from(const char *word); /* ROUTE_SESSION for what is none of them */

enum route_endpoint { ENDPOINT_API, ENDPOINT_MCP, ENDPOINT_SSE, ENDPOINT_MESSAGES };

/* What the URL alone says. Spans borrow from the path. */
struct route_url {
    enum route_endpoint endpoint;
    struct span key, server; /* of /p/KEY and /s/SERVER, empty if absent */
    bool is_lean;            /* under /lean */
};
/* Pure. [/p/KEY][/s/SERVER][/lean]/mcp | /sse | /messages; anything else is the API's. */
struct route_url route_parse(struct span path);

/* The process behind a client connection, as it was found (or why it was not). */
struct owner {
    bool is_found;
    bool is_fresh; /* found for the request that is dispatched now */
    pid_t pid;
    uint64_t start_time;
    char *program, *cwd, *why;
};
struct owner *owner_new(const struct peer_process *process, bool is_found);
void owner_free(struct owner *o);

struct route {
    enum route_rule rule;
    struct project *project;
    char server[80]; /* as the URL names it, "" for the default one */
};

/* Does the request itself name a project (path, header, query)? Then *out->project is set, or err.
 * True with rule ROUTE_NONE when it names none. The server is set in any case. */
bool route_by_request(struct front *f, const struct route_url *url, const struct http_head *head,
                      struct route *out, struct err *err) MUST_CHECK;
/* By a name that the client gives: an absolute path, or a project key. */
bool route_by_name(struct front *f, const char *name, enum route_rule rule, struct route *out,
                   struct err *err) MUST_CHECK;
/* By the owner of the socket. Err NO_PROJECT tells the user the ways to name one. */
bool route_by_owner(struct front *f, const struct owner *owner, struct route *out,
                    struct err *err) MUST_CHECK;
