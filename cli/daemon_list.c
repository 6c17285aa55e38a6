/* cli/daemon_list.c - see daemon_list.h. */
#include "cli/daemon_list.h"

#include "base/clock.h"
#include "base/str.h"
#include "cli/daemon_text.h"
#include "cli/table.h"

#include <string.h>

static const struct column columns[] = {{"PROJECT", false, 12, true}, {"SERVER", false, 6, false},
                                        {"STATE", false, 14, false},  {"HEALTH", false, 8, false},
                                        {"MEMORY", true, 0, false},   {"CLIENTS", true, 0, false},
                                        {"GOES", false, 8, false}};

static void add_row(struct table *t, const json_t *d, int64_t now)
{
    enum colour colour = daemon_colour(d);
    int64_t sessions = field_number(d, "sessions", 0);
    int64_t memory = field_number(d, "memoryBytes", -1);
    bool is_up = daemon_row_is_up(d);
    table_add(t, say_path(field_text(d, "project")), PLAIN);
    table_add(t, daemon_server_text(d), PLAIN);
    table_add(t, daemon_state_text(d, now), colour);
    table_add(t, daemon_health_text(d), is_up ? colour : DIM);
    table_add(t, memory >= 0 ? say_bytes(memory) : xstrdup("-"), PLAIN);
    table_add(t, sessions ? xasprintf("%lld", (long long)sessions) : xstrdup("-"), PLAIN);
    table_add(t, daemon_goes_text(d), PLAIN);
    char *cause = daemon_cause(d), *remedy = daemon_remedy(d);
    if (cause)
        table_note(t, xasprintf("  ! %s", cause), colour);
    if (remedy)
        table_note(t, xasprintf("    try: %s", remedy), DIM);
    free(cause);
    free(remedy);
}

void daemon_list_print(const json_t *daemons)
{
    struct table t = {.columns = columns, .count = sizeof columns / sizeof *columns};
    int64_t now = clock_unix_ms();
    const json_t *d;
    size_t i;
    json_array_foreach(daemons, i, d) add_row(&t, d, now);
    table_print(&t, stdout, say_columns(stdout));
    table_finish(&t);
}

static int64_t setting(const json_t *settings, const char *name)
{
    const json_t *all = json_object_get(settings, "settings");
    return field_number(json_object_get(all, name), "value", 0);
}

void daemon_list_totals(const json_t *daemons, const json_t *settings)
{
    const json_t *d;
    size_t i;
    int64_t memory = 0, up = 0, sessions = 0;
    int64_t most = setting(settings, "maxDaemons"), mib = setting(settings, "memoryBudgetMiB");
    json_array_foreach(daemons, i, d)
    {
        int64_t bytes = field_number(d, "memoryBytes", -1);
        const char *state = field_text(d, "state");
        memory += bytes > 0 ? bytes : 0;
        up += strcmp(state, "down") != 0 && strcmp(state, "failed") != 0;
        sessions += field_number(d, "sessions", 0);
    }
    char *used = say_bytes(memory), *budget = mib > 0 ? say_bytes(mib * 1024 * 1024) : NULL;
    printf("%lld", (long long)up);
    if (most > 0)
        printf(" of at most %lld", (long long)most);
    printf(" daemons up, %lld session%s, %s of memory%s%s\n", (long long)sessions,
           sessions == 1 ? "" : "s", used,
           budget     ? " of "
           : settings ? ", no budget"
                      : "",
           budget ? budget : "");
    free(used);
    free(budget);
}
