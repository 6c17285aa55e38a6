/* mcp/jsonrpc.h - JSON-RPC messages as bytes: a peek that finds what routing needs by one scan
 * over the depth-1 keys without building a tree, and the few messages poold writes itself. Spans
 * point into the given bytes. Writers append all or, past the buffer's cap, nothing. */
#pragma once
#include "base/buf.h"
#include "mcp/http_head.h"

enum rpc_kind {
    RPC_INVALID,      /* not one JSON object or array, or no JSON-RPC message */
    RPC_REQUEST,      /* method and id */
    RPC_NOTIFICATION, /* method, no id */
    RPC_RESPONSE,     /* result or error */
    RPC_BATCH         /* an array */
};

struct rpc_peek {
    enum rpc_kind kind;
    struct span id;             /* raw JSON, type kept ("7", "\"a\"", "null"), empty if absent */
    struct span method;         /* content between the quotes, raw (escapes not resolved) */
    struct span params;         /* raw JSON of params, empty if absent */
    struct span meta;           /* raw JSON of params._meta, empty if absent */
    struct span progress_token; /* raw JSON of params._meta.progressToken, empty if absent */
    struct span progress_of;    /* raw JSON of params.progressToken: the call that a progress
                                   notification belongs to */
    struct span protocol;       /* raw content of params.protocolVersion or
                                   params._meta["io.modelcontextprotocol/protocolVersion"] */
    struct span tool;           /* raw content of params.name, only for tools/call */
    bool is_modern;             /* _meta carries a protocol version claim: 2026-07-28 era */
    bool is_error;              /* a response with "error" */
};

/* Scan a whole message. Structure is checked as far as the scan goes (brackets match, at most 512
 * deep; strings closed and without raw control bytes; nothing behind the end); grammar inside
 * values is the daemon's business. Keys with escapes are compared resolved. "jsonrpc":"2.0" must
 * be there, and an id must be a string, a number or null. A duplicate of a member that is looked
 * at (jsonrpc, id, method, params, result, error; params' _meta, name, progressToken and
 * protocolVersion; the two of _meta) makes it INVALID: two readers could differ. So does an empty
 * batch. For a batch only the kind is set. */
void rpc_peek(const char *json, size_t n, struct rpc_peek *out);

/* The raw value of one member of a raw object, empty if it has none. */
struct span rpc_member(struct span object, const char *name);

/* Is this raw string content (method, tool, protocol, ...) this ASCII text, once escapes are
 * resolved? Some clients write "tools\/call". */
bool rpc_text_is(struct span raw, const char *text);

/* Iterate over a message that rpc_peek called a batch: *at starts at its first byte and is moved
 * behind each element; false at the end (also for bytes that are no array). */
bool rpc_batch_next(const char **at, const char *end, struct span *element);

/* The same over the members of an object; key is what is between its quotes. */
bool rpc_member_next(const char **at, const char *end, struct span *key, struct span *value);

/* Does a message that starts with these bytes (possibly cut anywhere) show by its first depth-1
 * keys that it is a response? 1 yes, 0 no, -1 not decidable yet. Stops at the first of method,
 * result, error: for the forwarding path. 0 as well for
 * bytes that are no JSON object. */
int rpc_is_response(const char *json, size_t n);

/* Write {"jsonrpc":"2.0","id":ID,"error":{"code":..,"message":..,"data":{...}}}; id is raw JSON
 * (empty: null). data is raw JSON or empty. message is escaped. */
bool rpc_write_error(struct buf *out, struct span id, int code, const char *message,
                     struct span data) MUST_CHECK;
/* Write {"jsonrpc":"2.0","id":ID,"result":RESULT}; id and result are raw JSON. */
bool rpc_write_result(struct buf *out, struct span id, const char *result) MUST_CHECK;
/* Write the answer to a ping: {"jsonrpc":"2.0","id":ID,"result":{}}. */
bool rpc_write_empty(struct buf *out, struct span id) MUST_CHECK;
/* Append text as a JSON string with quotes; invalid UTF-8 becomes U+FFFD. */
bool json_write_string(struct buf *out, const char *text, size_t n) MUST_CHECK;
