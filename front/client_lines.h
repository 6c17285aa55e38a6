/* front/client_lines.h - clients that speak MCP as JSON lines over mcp.sock (mcp/lines.h): the
 * stdio transport without a process of its own behind it. Without a first line of poold's the
 * project is that of the client's working directory and the session ends with the connection; with
 * one, the session outlives it and is gone on with by naming it. */
#pragma once
#include "front/conn.h"

/* A connection to mcp.sock was accepted. */
void client_lines_accept(struct front *f, int fd);
/* Append one message as a line; the caller flushes. */
void lines_write(struct conn *c, struct span json);
/* Write a JSON-RPC error. id: raw, or empty. */
void lines_write_error(struct conn *c, struct span id, int code, const char *text);
/* Append the messages of whole SSE events. */
void lines_write_events(struct conn *c, const char *bytes, size_t n);
