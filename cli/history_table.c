/* cli/history_table.c - see history_table.h. */
#include "cli/history_table.h"

#include "base/str.h"
#include "cli/field.h"
#include "cli/table.h"

#include <string.h>
#include <time.h>

static const struct column with_project[] = {
    {"WHEN", false, 0, false},   {"PROJECT", false, 12, true}, {"SERVER", false, 6, false},
    {"EVENT", false, 0, false},  {"REASON", false, 0, false},  {"TOOK", true, 0, false},
    {"DETAIL", false, 10, false}};
static const struct column without_project[] = {{"    WHEN", false, 0, false},
                                                {"EVENT", false, 0, false},
                                                {"REASON", false, 0, false},
                                                {"TOOK", true, 0, false},
                                                {"DETAIL", false, 10, false}};

/* In the local time zone, as people read clocks. */
static char *local_time(int64_t unix_ms)
{
    time_t at = (time_t)(unix_ms / 1000);
    struct tm tm;
    char text[32] = "";
    if (localtime_r(&at, &tm))
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
    return xstrdup(text);
}

static void add_row(struct table *t, const json_t *h, bool has_project)
{
    const char *event = field_text(h, "event");
    char *when = local_time(field_time(h, "at"));
    table_add(t, has_project ? xstrdup(when) : xasprintf("    %s", when), PLAIN);
    free(when);
    if (has_project) {
        const char *root = field_text(h, "project");
        table_add(t, *root ? say_path(root) : xstrdup(field_text(h, "projectKey")), PLAIN);
        table_add(t, xstrdup(field_text(h, "server")), PLAIN);
    }
    table_add(t, xstrdup(event), strcmp(event, "fail") == 0 ? RED : PLAIN);
    table_add(t, xstrdup(field_text(h, "reason")), PLAIN);
    table_add(t, say_duration(field_number(h, "tookMs", -1)), PLAIN);
    table_add(t, xstrdup(field_text(h, "detail")), PLAIN);
}

void history_table_print(const json_t *rows, bool has_project)
{
    struct table t = {.columns = has_project ? with_project : without_project,
                      .count = has_project ? sizeof with_project / sizeof *with_project
                                           : sizeof without_project / sizeof *without_project};
    const json_t *h;
    size_t i;
    json_array_foreach(rows, i, h) add_row(&t, h, has_project);
    table_print(&t, stdout, say_columns(stdout));
    table_finish(&t);
}
