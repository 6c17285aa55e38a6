/* connect/pending.c - see pending.h. */
#include "connect/pending.h"

#include "base/str.h"
#include "mcp/rewrite.h"

#include <string.h>

#define LINE_MAX_KEPT (64 * 1024)   /* of one request */
#define LINES_MAX_KEPT (256 * 1024) /* of all */

void pending_add(struct pending *p, struct span id, struct span line, uint64_t end_at)
{
    struct pending_request *r = &p->items[p->count++];
    *r = (struct pending_request){.id = xstrndup(id.p, id.n), .id_n = id.n, .end_at = end_at};
    if (line.n > LINE_MAX_KEPT || p->kept + line.n > LINES_MAX_KEPT)
        return;
    r->line = xstrndup(line.p, line.n);
    r->line_n = line.n;
    p->kept += line.n;
}

void pending_remove_at(struct pending *p, size_t at)
{
    p->kept -= p->items[at].line_n;
    free(p->items[at].id);
    free(p->items[at].line);
    memmove(&p->items[at], &p->items[at + 1], (--p->count - at) * sizeof p->items[0]);
}

bool pending_remove(struct pending *p, struct span id)
{
    for (size_t i = 0; i < p->count; i++) {
        if (!rpc_same_value((struct span){p->items[i].id, p->items[i].id_n}, id))
            continue;
        pending_remove_at(p, i);
        return true;
    }
    return false;
}

void pending_finish(struct pending *p)
{
    while (p->count)
        pending_remove_at(p, p->count - 1);
}
