/* connect/relay.h - MCP between a client's pipes and poold's mcp.sock. Lines go through as they
 * are; their ids are looked at, so that requests outlive a poold that is killed or started anew:
 * the relay comes back to its session and asks again for what was not answered. */
#pragma once
#include <stdbool.h>

struct relay_options {   /* borrowed */
    const char *socket;  /* path of mcp.sock */
    const char *project; /* path or key; NULL: of our working directory */
    const char *server;  /* NULL: the default one */
    bool is_lean;
    char *const *starter; /* command that starts poold and returns when it serves; NULL: none */
};

/* Relay between descriptors 0 and 1 and poold until the client ends. Returns the exit status. */
int relay_run(const struct relay_options *options);
