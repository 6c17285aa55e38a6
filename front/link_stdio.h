/* front/link_stdio.h - links to stdio daemons. A shared daemon has one MCP connection, made by the
 * pool: a session's link opens by joining it, and its requests go under ids of the front's own
 * (mcp/rewrite.h). A private one is its session's alone: the link makes the handshake, and messages
 * go through as they are. */
#pragma once
#include "front/link.h"

#include <stdbool.h>
#include <stddef.h>

struct daemon;
struct front;

/* A message of a stdio daemon (pool_listener.on_line). */
void link_stdio_line(struct front *f, struct daemon *d, const char *json, size_t n);
/* There is room for messages to it again. */
void link_stdio_room(struct front *f, struct daemon *d);
/* What may not happen inside of what caused it: links that open, calls that were cancelled. */
void link_stdio_turn(struct front *f);
/* Does its daemon serve other sessions over the same connection? */
bool link_is_shared(const struct link *l);
/* A link of an earlier poold goes on. */
void link_stdio_resume(struct link *l);
