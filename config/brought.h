/* config/brought.h - the servers that a project brings itself: the command lines in its .mcp.json
 * (Claude Code and others), .cursor/mcp.json, .vscode/mcp.json and .codex/config.toml. Whoever
 * wrote the repository wrote them, so they are only offered once its user has said yes to them.
 *
 * Reading never fails: what is not understood is left out with a warning. Settings of poold in
 * these files are ignored, and so are remote servers, servers that lead back to poold, and those
 * that Claude Code's own settings in the project refuse (disabledMcpjsonServers). */
#pragma once
#include "config/config.h"

#define BROUGHT_CONTENT_SIZE 33 /* hash in base 32, with its end */

struct brought_server {
    struct config_server *server;
    const char *file; /* in the project, static */
};

struct brought {
    struct brought_server *servers;
    size_t count;
    struct strv warnings;               /* "FILE: what" */
    char content[BROUGHT_CONTENT_SIZE]; /* of all that would be run; "" if nothing would */
};

/* settings: the user's own, which these servers get. New; brought_free. */
struct brought *brought_read(const char *root, const struct settings *settings);
void brought_free(struct brought *b);
/* NULL: it brings none of this name. Borrowed. */
const struct brought_server *brought_find(const struct brought *b, const char *name);
/* The names of the files that are looked at, NULL-terminated; static. */
const char *const *brought_files(void);
