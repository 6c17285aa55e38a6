/* mcp/lean.h - lean lists: three tools (search, describe, call) in the place of all that a server
 * has, for clients that load every definition into the model's context. Pure functions on bytes;
 * search and describe use JSON trees, the call that is passed on does not. */
#pragma once
#include "base/err.h"
#include "mcp/jsonrpc.h"

enum lean_tool { LEAN_NONE, LEAN_SEARCH, LEAN_DESCRIBE, LEAN_CALL };

/* Which of the three is a tools/call of this tool (raw string content)? */
enum lean_tool lean_tool_of(struct span raw_name);

/* The answer to tools/list: the three. */
bool lean_write_list(struct buf *out, struct span id) MUST_CHECK;

/* The answer to a call of search_tools or describe_tool with these params, out of the server's own
 * list (the answer to its tools/list, or the result in it). A request that makes no sense is answered with a tool
 * error, as a model expects it. Whole message. */
bool lean_write_answer(struct buf *out, enum lean_tool tool, struct span id, struct span params,
                       struct span tools) MUST_CHECK;

/* The call that a call_tool request (body, peeked) stands for: everything as it is, but for the
 * tool's name and arguments. name gets the raw content of the tool's name, in out. False with err
 * USAGE when the request names no tool or its arguments are no object. */
bool lean_unwrap(struct buf *out, struct span body, const struct rpc_peek *peek, struct span *name,
                 struct err *err) MUST_CHECK;
/* A tool error (isError) as the answer to a call. Whole message. */
bool lean_write_failure(struct buf *out, struct span id, const char *text) MUST_CHECK;
