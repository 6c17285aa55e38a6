/* api/routes_print.c - docs/api.md from the table. See routes.h. */
#include "api/routes.h"
#include "api/wire.h"

#include <inttypes.h>

static const char *const intro =
    "# The HTTP API\n\n"
    "<!-- Printed from the table in api/routes.c; a test compares. "
    "POOLD_PRINT_API_DOC=docs/api.md\n"
    "     with test_api_routes writes it anew. -->\n\n"
    "Under `" API_PREFIX "` on the front port and on `api.sock` (0600, in the run directory):\n\n"
    "    curl --unix-socket \"$POOLD_RUN_DIR/api.sock\" http://localhost" API_PREFIX "/daemons\n\n"
    "- JSON in and out. Times are RFC 3339 UTC, durations integers of milliseconds (`...Ms`), "
    "sizes\n"
    "  integers of bytes (`...Bytes`). What does not apply is `null`.\n"
    "- Errors are `application/problem+json` (RFC 9457) with `code`, a name from the table of "
    "errors\n"
    "  (`base/err.h`), and `detail`, a sentence for people. Any route may answer `bad-request`,\n"
    "  `parse`, `denied`, `too-big`, `method`, `not-found`, `internal`. `start-failed` and\n"
    "  `start-timeout` have `daemon`; `start-failed` also `tail`, the last lines of its output.\n"
    "- POST and DELETE need `Content-Type: application/json`, also with an empty body (415 else).\n"
    "  Unknown members and parameters are refused, so that a slip does not pass unnoticed.\n"
    "- A client that hangs up while it waits ends its wait, and nothing else: a start goes on.\n"
    "- Browsers' requests are checked by the front (docs/decisions), before they come here.\n\n"
    "## Shapes\n\n"
    "**DAEMON**: `project projectKey server state health{process accepts mcp useful cause} "
    "daemonId\n"
    "generation pid keeperPid port url directUrl sessions inFlight memoryBytes cpuMs idleMs "
    "evictInMs\n"
    "evictWhy startedAt readyAt reason detail tail retryInMs pinned trusted transport step\n"
    "steps{queuedMs spawnedMs portOpenMs handshakeMs warmMs} starts usualStartMs logFile`. `state` "
    "is\n"
    "one of down, starting, ready, busy, draining, stopping, failed; each layer of `health` is\n"
    "unknown, ok or failed. `url` is the front's, `directUrl` the daemon's own. `clients`: "
    "`client\n"
    "transport pid cwd program route inFlight oldestCallMs lastUseAt hasStream`. `lastExits`: rows "
    "of\n"
    "the history.\n\n"
    "**PROJECT**: `project projectKey trusted firstUsedAt lastUsedAt daemons[DAEMON]`.\n\n"
    "**Lines of progress** (ensure and restart with `Accept: application/x-ndjson`):\n"
    "`{\"step\":\"spawned\",\"ms\":120}`, steps in the order queued, spawned, port-open, "
    "handshake, warm\n"
    "with ms since the start was asked for; the last line is `{\"daemon\":DAEMON}` or\n"
    "`{\"problem\":PROBLEM}`. The HTTP status is 200 then, whatever the last line says.\n\n"
    "## Routes\n";

static const char *const place_words[] = {"path", "query", "body"};

static bool print_range(const struct param *p, struct buf *out)
{
    if (p->type == PARAM_BOOL)
        return buf_add_str(out, p->place == IN_BODY ? "true or false" : "1 or 0");
    if (p->type == PARAM_INT)
        return buf_printf(out, "%" PRId64 " to %" PRId64, p->min, p->max);
    return buf_add_str(out, "text");
}

static bool print_params(const struct route *route, struct buf *out)
{
    if (!route->params->name)
        return true;
    if (!buf_add_str(out, "\n| parameter | in | value | is |\n|---|---|---|---|\n"))
        return false;
    for (const struct param *p = route->params; p->name; p++)
        if (!buf_printf(out, "| `%s`%s | %s | ", p->name, p->is_required ? " (required)" : "",
                        place_words[p->place]) ||
            !print_range(p, out) || !buf_printf(out, " | %s |\n", p->help))
            return false;
    return true;
}

bool routes_print(struct buf *out)
{
    size_t count;
    const struct route *rows = route_rows(&count);
    if (!buf_add_str(out, intro))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct route *r = &rows[i];
        if (!buf_printf(out, "\n### %s %s\n%s\n\nAnswers %d: %s.%s%s\n", r->method, r->path,
                        r->summary, r->status, r->answer, *r->errors ? " Errors: " : "",
                        r->errors) ||
            !print_params(r, out))
            return false;
    }
    return true;
}
