/* mcp/lines.h - MCP as JSON lines (the framing of the stdio transport) over mcp.sock, and the
 * control messages that poold adds to it. A control message is an object whose first key is
 * "poold"; MCP has none such.
 *
 *   client, first line, optional:  {"poold":{"project":PATH or KEY,"server":NAME,"session":ID,
 *                                            "lean":true}}            all optional
 *   poold, in answer:  {"poold":{"session":ID,"initialized":BOOL,"project":PATH,"projectKey":KEY,
 *                                "server":NAME}}
 *              without the last three where the client's roots have to name the project
 *              or      {"poold":{"error":{"code":NAME,"message":TEXT}}}
 *   client, after it came back to its session:  {"poold":{"again":REQUEST or its ID}}
 *              for each request whose answer it has not had */
#pragma once
#include "base/err.h"
#include "mcp/jsonrpc.h"

/* Is it a control message? By its first key alone. */
bool lines_is_control(struct span line);
/* What {"poold":{"again":...}} asks for again, raw; empty if it is no such message. */
struct span lines_again(struct span line);

struct lines_hello { /* a client's first line; strings are new or NULL */
    char *project, *server, *session;
    bool is_lean;
};
/* Err BAD_REQUEST says what is wrong with it. lines_hello_finish afterwards (only on success). */
bool lines_hello_read(struct span line, struct lines_hello *out, struct err *err) MUST_CHECK;
void lines_hello_finish(struct lines_hello *hello);

struct lines_welcome {
    const char *session;
    const char *project, *project_key, *server; /* NULL: not known yet, all three */
    bool is_initialized;                        /* the session knows its client's handshake */
};
bool lines_welcome_write(struct buf *out, const struct lines_welcome *welcome) MUST_CHECK;
bool lines_refusal_write(struct buf *out, const struct err *err) MUST_CHECK;
