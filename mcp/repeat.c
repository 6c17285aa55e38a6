/* mcp/repeat.c - see repeat.h. */
#include "mcp/repeat.h"

#include <string.h>

static const char *const safe_methods[] = {
    "initialize",
    "server/discover",
    "subscriptions/listen",
    "ping",
    "tools/list",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/read",
    "completion/complete",
    "resources/templates/list",
    "logging/setLevel",
    "resources/subscribe",
    "resources/unsubscribe",
};

/* Are two raw string contents the same text? Names are ASCII in practice; one that is escaped in
 * two different ways counts as another. */
static bool is_same(struct span a, struct span quoted)
{
    return quoted.n == a.n + 2 && memcmp(quoted.p + 1, a.p, a.n) == 0;
}

static bool is_true(struct span raw)
{
    return raw.n == 4 && memcmp(raw.p, "true", 4) == 0;
}

static bool tool_is_safe(struct span name, struct span tools)
{
    struct span list = rpc_member(tools, "tools"), tool;
    const char *at = list.p, *end = span_end(list);
    while (list.n && rpc_batch_next(&at, end, &tool)) {
        if (!is_same(name, rpc_member(tool, "name")))
            continue;
        struct span hints = rpc_member(tool, "annotations");
        return is_true(rpc_member(hints, "readOnlyHint")) ||
               is_true(rpc_member(hints, "idempotentHint"));
    }
    return false;
}

bool repeat_is_safe(const struct rpc_peek *request, struct span tools)
{
    if (request->kind != RPC_REQUEST)
        return false;
    if (request->tool.p)
        return tool_is_safe(request->tool, tools);
    for (size_t i = 0; i < sizeof safe_methods / sizeof *safe_methods; i++)
        if (rpc_text_is(request->method, safe_methods[i]))
            return true;
    return false;
}
