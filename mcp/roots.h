/* mcp/roots.h - what a client says to roots/list (MCP client/roots). */
#pragma once
#include "mcp/http_head.h"

#include <stdbool.h>

/* The absolute path of the first root in the raw result of roots/list ({"roots":[{"uri":..}]}),
 * with percent codes resolved. False: there is none, it is no file: URI of this machine, or it
 * does not fit; path is then as it was. */
bool roots_first_path(struct span result, char *path, size_t room) MUST_CHECK;
/* Do these raw params of initialize declare the capability `roots`? */
bool roots_declared(struct span initialize);
