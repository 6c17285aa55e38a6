/* cli/mcp_session.h - poolctl as an MCP client: one session with a project's server, as JSON lines
 * over mcp.sock. Declares no capabilities; what the server asks is refused (but ping).
 *
 * Owns its channel. A session ends with it. */
#pragma once
#include "cli/channel.h"
#include "cli/cmd.h"

struct mcp_session { /* zero; mcp_session_close */
    struct channel channel;
    int last_id;
};

/* Told of each progress message of the request under way. */
typedef void mcp_progress_fn(void *arg, const char *message, double progress, double total);

/* Start poold if none runs, name project (a path or a key) and server (NULL: the default one), and
 * make the handshake. wait_ms: for all that follows. */
bool mcp_session_open(struct cli *cli, const char *project, const char *server, int64_t wait_ms,
                      struct mcp_session *out, struct err *err) MUST_CHECK;
void mcp_session_close(struct mcp_session *s);
/* Send a request and wait for its result (new reference). params is taken over (NULL: none).
 * on_progress may be NULL: then none is asked for. A JSON-RPC error becomes an err: poold's own
 * kinds by their name, else DEGRADED with the server's message. */
bool mcp_session_request(struct mcp_session *s, const char *method, json_t *params,
                         mcp_progress_fn *on_progress, void *arg, json_t **result,
                         struct err *err) MUST_CHECK;
