/* api/routes_print.c - docs/api.md from the table. See routes.h. */
#include "api/routes.h"
#include "api/shapes.h"
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
    "**Lines of progress** (ensure and restart with `Accept: application/x-ndjson`):\n"
    "`{\"step\":\"spawned\",\"ms\":120}`, steps in the order queued, spawned, port-open, "
    "handshake, warm\n"
    "with ms since the start was asked for; the last line is `{\"daemon\":Daemon}` or\n"
    "`{\"problem\":Problem}`. The HTTP status is 200 then, whatever the last line says.\n\n"
    "**Until poold has found what ran before it** (a fraction of a second after its start, 5 s at\n"
    "most) answers that show daemons wait. While it is shutting down with its daemons, what would\n"
    "start one is `not-running` with the detail \"poold is shutting down\".\n\n"
    "**Events** (`GET " API_PREFIX "/events`, server-sent events): each has an `id`, an `event` "
    "name and one\nline of JSON as `data`:\n\n"
    "| event | data | is told |\n|---|---|---|\n"
    "| `state` | EventState | each change of a daemon's state with its reason; an eviction is one "
    "to draining or "
    "stopping. Not ready <-> busy, which is once a call |\n"
    "| `step` | EventStep | each step of a start |\n"
    "| `health` | EventHealth | a layer of health is another |\n"
    "| `pin` | EventPin | pinned, or no longer |\n"
    "| `session` | EventSession | a client's session has come or gone |\n"
    "| `trust` | EventTrust | a project is trusted, or no longer |\n"
    "| `forget` | EventForget | a project is not known any more |\n"
    "| `config` | EventConfig | the configuration was read again |\n"
    "| `reset` | EventReset | events were missed: list again, then go on with what follows |\n\n"
    "A reader that comes back with `Last-Event-ID` gets what it missed, as far as the last 1,000 "
    "events\n(256 KiB) hold it; else, after a restart of poold too, a `reset`. Ids grow, also over "
    "restarts. One\nthat reads too slowly gets a `reset` as well; nothing is kept for it. A "
    "comment comes every 15 s.\n\n"
    "For programs: `GET " API_PREFIX "/openapi.json` is all of this as OpenAPI 3.1, `GET /metrics` "
    "numbers for\nPrometheus.\n";

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
    if (!buf_add_str(out, intro) || !buf_add_str(out, "\n## Routes\n"))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct route *r = &rows[i];
        if (!buf_printf(out, "\n### %s %s\n%s\n\nAnswers %d: %s.%s%s\n", r->method, r->path,
                        r->summary, r->status, r->answer, *r->errors ? " Errors: " : "",
                        r->errors) ||
            !print_params(r, out))
            return false;
    }
    return shapes_print(out);
}
