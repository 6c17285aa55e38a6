/* mcp/roots.c - see roots.h. */
#include "mcp/roots.h"

#include "mcp/jsonrpc.h"

#include <jansson.h>
#include <string.h>

/* The path of a file: URI (RFC 8089): file:/path, file:///path or file://localhost/path. */
static struct span path_of(const char *uri)
{
    static const char host[] = "localhost";
    if (!uri || strncmp(uri, "file:", 5) != 0)
        return (struct span){0};
    const char *p = uri + 5;
    if (strncmp(p, "//", 2) == 0) {
        p += 2;
        if (strncmp(p, host, sizeof host - 1) == 0)
            p += sizeof host - 1;
    }
    return (struct span){p, *p == '/' ? strcspn(p, "?#") : 0};
}

bool roots_first_path(struct span result, char *path, size_t room)
{
    json_t *root = json_loadb(result.p ? result.p : "", result.n, 0, NULL);
    const json_t *first = json_array_get(json_object_get(root, "roots"), 0);
    struct span raw = path_of(json_string_value(json_object_get(first, "uri")));
    char text[4200];
    bool ok = raw.n && http_decode(raw, false, text, sizeof text) && strlen(text) < room;
    if (ok)
        memcpy(path, text, strlen(text) + 1);
    json_decref(root);
    return ok;
}

bool roots_declared(struct span initialize)
{
    struct span roots = rpc_member(rpc_member(initialize, "capabilities"), "roots");
    return roots.n > 0 && roots.p[0] == '{';
}
