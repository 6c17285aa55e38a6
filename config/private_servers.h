/* config/private_servers.h - the table of servers that are known to keep state per client or to
 * need callbacks: "share" is "session" for them unless the configuration says otherwise. */
#pragma once
#include "base/str.h"

#include <stdio.h>

struct private_server {
    const char *package; /* as it stands in a command or an argument: a path's part, or two */
    const char *why;     /* for the manual: why sessions do not share it */
};
const struct private_server *private_server_rows(size_t *count);
/* The row of what this command line starts, or NULL. A package is found as a part of a path, with a
 * version or tag behind it ("@scope/name@1.2", "name:latest"), with _ for - (Python's modules). */
const struct private_server *private_server_find(const char *command, const struct strv *args);
/* The table as items of the manual, in the marks of manual/page.h. */
void private_servers_print_page(FILE *out);
