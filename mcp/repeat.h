/* mcp/repeat.h - may a request be asked a second time without knowing whether the first one was
 * carried out? */
#pragma once
#include "mcp/jsonrpc.h"

/* request: peeked. tools: the server's list as remembered (raw result of tools/list), or empty.
 * True for the methods of MCP that only read or set, and for tools that are annotated with
 * readOnlyHint or idempotentHint; everything else may change something twice. */
bool repeat_is_safe(const struct rpc_peek *request, struct span tools);
