/* mcp/modern.h - the stateless revision, 2026-07-28: telling its messages from those of the
 * revisions with sessions ("legacy"), checking them as the final server must, and translating
 * between the two. Pure functions on bytes, without JSON trees: what is changed is put into the
 * raw message. Sections are those of the specification of 2026-07-28.
 *
 * Spans called raw are JSON text as it stands in a message. */
#pragma once
#include "mcp/jsonrpc.h"

#define MODERN_REVISION "2026-07-28"

/* Error codes of the revision (basic, error codes). */
enum {
    MODERN_HEADER_MISMATCH = -32020,
    MODERN_MISSING_CAPABILITY = -32021,
    MODERN_UNSUPPORTED_VERSION = -32022,
    RPC_METHOD_NOT_FOUND = -32601,
    RPC_INVALID_PARAMS = -32602
};

/* --- telling the eras apart --- */

/* Is it a modern client's? By the claim in its _meta, else by its version header (p NULL: none).
 * Without both it never is. */
bool modern_is(const struct rpc_peek *peek, struct span version_header);

/* --- what the final server must check --- */

struct modern_fault { /* why a request is refused */
    int http, code;   /* HTTP status, JSON-RPC code */
    char text[200];
    struct span requested; /* raw text content of an unsupported version; borrowed */
};

/* Check a request: _meta complete (basic, _meta), mirrored headers equal to the body (transports,
 * server validation), version known (versioning). head NULL: the transport has no headers. */
bool modern_check(const struct rpc_peek *peek, const struct http_head *head,
                  struct modern_fault *out);
/* The error answer that says so. Whole message. */
bool modern_write_fault(struct buf *out, struct span id,
                        const struct modern_fault *fault) MUST_CHECK;
/* The HTTP status of an answer: of an error with this code, or 200. */
int modern_http_status(int code);

enum modern_method {
    MODERN_OTHER,
    MODERN_REMOVED,  /* what earlier revisions had and this one has not */
    MODERN_DISCOVER, /* server/discover */
    MODERN_LISTEN,   /* subscriptions/listen */
    MODERN_CACHED    /* its result says how long it may be kept: lists, resources/read */
};
enum modern_method modern_method_of(struct span method);

/* --- towards a legacy server, and back --- */

/* The request as a legacy server takes it: without what it cannot know, and with id (raw) as its id
 * and, where it has one, its progress token. */
bool modern_write_legacy(struct buf *out, const struct rpc_peek *peek, struct span id) MUST_CHECK;
/* An answer of a legacy server, or one that the front made, as a modern client takes it: under its
 * own id (raw), with a resultType and, if is_cached, with ttlMs 0 for this client alone. *code gets
 * that of an error, 0 for a result. */
bool modern_write_answer(struct buf *out, struct span message, struct span id, bool is_cached,
                         int *code) MUST_CHECK;
/* A progress notification under another token (raw). */
bool modern_write_progress(struct buf *out, struct span message, struct span token) MUST_CHECK;
/* Is a log level (raw, as in notifications/message) at least as grave as another? */
bool modern_level_reaches(struct span level, struct span least);

/* --- subscriptions/listen (basic, subscriptions) --- */

/* Does its filter (raw) ask for this notification? */
bool modern_listen_wants(struct span filter, const struct rpc_peek *notification);
/* The acknowledgement of the listen request id (raw) with this filter. */
bool modern_write_acknowledged(struct buf *out, struct span id, struct span filter) MUST_CHECK;
/* A notification, tagged with the id of the listen request that it belongs to. */
bool modern_write_tagged(struct buf *out, struct span message, struct span id) MUST_CHECK;
/* The graceful end: the listen request's result. */
bool modern_write_listen_end(struct buf *out, struct span id) MUST_CHECK;

/* --- requests of our own --- */

/* params (raw object or empty, without _meta) with the required _meta; capabilities: raw object of
 * the client for whom it is asked. */
bool modern_write_params(struct buf *out, struct span params, struct span capabilities) MUST_CHECK;
