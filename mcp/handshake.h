/* mcp/handshake.h - the initialize exchange (MCP lifecycle): what poold reads out of a client's
 * request, and the answer it gives in place of the daemon's. Uses JSON trees: once per session. */
#pragma once
#include "base/buf.h"
#include "mcp/http_head.h"

/* "NAME VERSION" of clientInfo in the raw params; new string, "" if there is none. */
char *handshake_client_name(struct span params);
/* The initialize request with these raw params (empty: none were kept; then protocol, or the newest
 * legacy revision, and no capabilities). id is raw JSON. */
bool handshake_request(struct buf *out, struct span params, const char *protocol,
                       const char *id) MUST_CHECK;
/* Is it a result of initialize? Copies protocolVersion (room bytes). On an error answer: false
 * with its message in err. */
bool handshake_check(struct span message, char *protocol, size_t room, struct err *err) MUST_CHECK;
/* An answer to these raw params of initialize from a server that is not known yet: the revision
 * that they ask for, or the newest legacy one (also into protocol, room bytes), and lists that will
 * change. */
bool handshake_neutral(struct buf *out, struct span params, char *protocol, size_t room) MUST_CHECK;
/* The answer to server/discover (2026-07-28) under this id, with note added to the instructions,
 * out of a result (raw): that of a daemon's own server/discover, or, for one that knows only
 * sessions, that of its initialize. */
bool handshake_discover(struct buf *out, struct span result, struct span id,
                        const char *note) MUST_CHECK;
/* The whole answer to initialize, in this revision (raw, what the client has offered), out of a
 * daemon's result of server/discover: for a client with sessions before a daemon that knows none. */
bool handshake_from_discover(struct buf *out, struct span result, struct span protocol) MUST_CHECK;
/* initialize params of the front's own for a client that has no session: nothing is declared that a
 * daemon could ask for. client_info: raw object or empty. New string. */
char *handshake_params(struct span client_info);
/* The client's answer: message with this id, and note added to the instructions. */
bool handshake_answer(struct buf *out, struct span message, struct span id,
                      const char *note) MUST_CHECK;
/* A shared daemon's answer to initialize as one client may have it: in the client's own revision
 * where that is a legacy one that we speak (raw params of its initialize), and without what cannot
 * be shared (tasks: their ids and lists are one client's). Whole message; false: it is no result. */
bool handshake_share(struct buf *out, struct span message, struct span params) MUST_CHECK;
