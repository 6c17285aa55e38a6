/* mcp/modern_upgrade.h - a legacy client's messages for a server that knows only 2026-07-28, and
 * back. Pure functions on bytes without JSON trees (but for the handshake, once per session); the
 * opposite direction is in mcp/modern.h. Spans called raw are JSON text as it stands in a message.
 */
#pragma once
#include "mcp/jsonrpc.h"

/* What the client said of itself when it initialized, and has set since. */
struct upgrade_client {
    struct span initialize; /* raw params of its initialize, may be empty */
    const char *level;      /* raw log level, NULL: none */
};

/* The answers to what a server has asked (basic, patterns, multi round-trip requests); empty: it
 * has asked nothing. */
struct upgrade_retry {
    struct span responses; /* raw object */
    struct span state;     /* raw requestState */
};

/* The request under another id (raw), with what the revision requires in its _meta. */
bool upgrade_write_request(struct buf *out, const struct rpc_peek *peek, struct span id,
                           const struct upgrade_client *client,
                           const struct upgrade_retry *retry) MUST_CHECK;
/* The header lines that mirror it (transports, mirrored headers). A name that no header can carry
 * is given in base64. False: its method is no name that a header can carry. */
bool upgrade_write_headers(struct buf *out, const struct rpc_peek *peek) MUST_CHECK;
/* An answer as the client takes it, under its own id (raw): without what the revision has added to
 * each result. */
bool upgrade_write_answer(struct buf *out, struct span message, struct span id) MUST_CHECK;
/* A notification without the tag of the listen request that it came on. */
bool upgrade_write_notification(struct buf *out, struct span message) MUST_CHECK;

/* server/discover and subscriptions/listen of our own, for this client; uris: raw JSON texts. */
bool upgrade_write_discover(struct buf *out, const char *id,
                            const struct upgrade_client *client) MUST_CHECK;
bool upgrade_write_listen(struct buf *out, const char *id, const struct upgrade_client *client,
                          char *const *uris, size_t uri_count) MUST_CHECK;

/* Does this answer ask for input (resultType "input_required")? */
bool upgrade_asks(struct span answer);
