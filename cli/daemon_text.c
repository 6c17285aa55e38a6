/* cli/daemon_text.c - see daemon_text.h. */
#include "cli/daemon_text.h"

#include "base/str.h"

#include <string.h>

static const char *const layers[] = {"process", "accepts", "mcp", "useful"};
#define LAYERS (sizeof layers / sizeof *layers)

static bool state_is(const json_t *d, const char *state)
{
    return strcmp(field_text(d, "state"), state) == 0;
}

bool daemon_row_is_up(const json_t *d)
{
    return state_is(d, "ready") || state_is(d, "busy");
}

/* The lowest layer that has failed, or NULL. */
static const char *failed_layer(const json_t *d)
{
    const json_t *health = json_object_get(d, "health");
    for (size_t i = 0; i < LAYERS; i++)
        if (strcmp(field_text(health, layers[i]), "failed") == 0)
            return layers[i];
    return NULL;
}

bool daemon_is_degraded(const json_t *d)
{
    return daemon_row_is_up(d) && failed_layer(d);
}

bool daemon_is_bad(const json_t *d)
{
    return state_is(d, "failed") || daemon_is_degraded(d);
}

static char *starting_text(const json_t *d, int64_t now_unix_ms)
{
    int64_t since = field_time(d, "startedAt"), usual = field_number(d, "usualStartMs", 0);
    if (strcmp(field_text(d, "step"), "queued") == 0)
        return xstrdup("starting: queued");
    if (!since)
        return xstrdup("starting");
    char *now = say_duration(now_unix_ms > since ? now_unix_ms - since : 0);
    char *whole = usual > 0 ? say_duration(usual) : NULL;
    char *text =
        whole ? xasprintf("starting %s of ~%s", now, whole) : xasprintf("starting %s", now);
    free(now);
    free(whole);
    return text;
}

char *daemon_state_text(const json_t *d, int64_t now_unix_ms)
{
    int64_t calls = field_number(d, "inFlight", 0), retry = field_number(d, "retryInMs", -1);
    if (state_is(d, "starting"))
        return starting_text(d, now_unix_ms);
    if (state_is(d, "busy") && calls > 0)
        return xasprintf("busy: %lld call%s", (long long)calls, calls == 1 ? "" : "s");
    if (state_is(d, "failed") && retry > 0) {
        char *in = say_duration(retry), *text = xasprintf("failed: next try in %s", in);
        free(in);
        return text;
    }
    if (state_is(d, "down"))
        return xstrdup("down (known)");
    return xstrdup(field_text(d, "state"));
}

enum colour daemon_colour(const json_t *d)
{
    if (state_is(d, "failed"))
        return RED;
    if (daemon_is_degraded(d) || state_is(d, "starting") || state_is(d, "draining"))
        return YELLOW;
    return daemon_row_is_up(d) ? GREEN : DIM;
}

char *daemon_health_text(const json_t *d)
{
    const json_t *health = json_object_get(d, "health");
    const char *failed = failed_layer(d);
    if (!daemon_row_is_up(d))
        return xstrdup("-");
    if (failed)
        return xasprintf("%s failed", failed);
    for (size_t i = 0; i + 1 < LAYERS; i++)
        if (strcmp(field_text(health, layers[i]), "ok") != 0)
            return xasprintf("%s unknown", layers[i]);
    bool is_proven = strcmp(field_text(health, "useful"), "ok") == 0;
    return xstrdup(is_proven ? "ok" : "ok, no call yet");
}

char *daemon_goes_text(const json_t *d)
{
    int64_t in = field_number(d, "evictInMs", -1);
    const char *why = field_text(d, "evictWhy");
    if (!daemon_row_is_up(d))
        return xstrdup("-");
    if (in < 0)
        return xstrdup(*why ? why : field_flag(d, "pinned") ? "pinned" : "-");
    char *when = say_duration(in), *text = xasprintf("in %s", when);
    free(when);
    return text;
}

char *daemon_cause(const json_t *d)
{
    if (!daemon_is_bad(d))
        return NULL;
    const char *cause = field_text(json_object_get(d, "health"), "cause");
    const char *detail = field_text(d, "detail"), *reason = field_text(d, "reason");
    const char *best = daemon_is_degraded(d) && *cause ? cause
                       : *detail                       ? detail
                       : *cause                        ? cause
                                                       : reason;
    return say_clean(*best ? best : "no cause is known");
}

char *daemon_server_text(const json_t *d)
{
    int64_t instance = field_number(d, "instance", 0);
    const char *spare = field_flag(d, "spare") && daemon_row_is_up(d) ? " (spare)" : "";
    char *server = say_clean(field_text(d, "server"));
    char *text = instance ? xasprintf("%s#%lld%s", server, (long long)instance, spare)
                          : xasprintf("%s%s", server, spare);
    free(server);
    return text;
}

char *daemon_remedy(const json_t *d)
{
    const char *key = field_text(d, "projectKey"), *server = field_text(d, "server");
    char *name = say_quoted(server);
    bool is_usual = strcmp(server, "serena") == 0 || !*server;
    char *who = is_usual ? xstrdup(key) : xasprintf("-s %s %s", name, key);
    char *text = NULL;
    if (state_is(d, "failed"))
        text = xasprintf("poolctl logs %s; poolctl ensure -f %s", who, who);
    else if (daemon_is_degraded(d))
        text = xasprintf("poolctl logs %s; poolctl restart %s", who, who);
    free(who);
    free(name);
    return text;
}

char *daemon_step_text(const char *step)
{
    char *text = say_clean(step);
    for (char *p = text; *p; p++)
        if (*p == '-')
            *p = ' ';
    return text;
}
