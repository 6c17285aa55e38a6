/* cli/cmd_history.c - `poolctl history`: starts and ends with their reasons. */
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/history_table.h"
#include "cli/offline.h"
#include "cli/output.h"
#include "cli/target.h"

static const struct opt options[] = {
    {"lines", 'n', OPT_NUMBER, "N", 1, 100000, "At most so many rows (default: 50)."}, {0}};

static bool ask(struct cli *cli, const char *dir, json_t **rows, struct err *err)
{
    struct target t = {0};
    bool ok = !dir || (target_from(dir, &t, err) && target_resolve(cli, &t, NULL, err));
    if (ok) {
        char *key = t.key ? call_escape(t.key) : NULL;
        char *target = xasprintf("/history?limit=%lld%s%s", (long long)cli_number(cli, "lines", 50),
                                 key ? "&project=" : "", key ? key : "");
        ok = call_get(cli, target, rows, err);
        free(key);
        free(target);
    }
    target_finish(&t);
    return ok;
}

static bool read_offline(struct cli *cli, const char *dir, json_t **rows, struct err *err)
{
    char *key = NULL;
    bool ok = offline_take_over(err) && (!dir || offline_key(cli, dir, &key, err)) &&
              offline_history(cli, key, cli_number(cli, "lines", 50), rows, err);
    free(key);
    return ok;
}

static bool run(struct cli *cli, struct err *err)
{
    const char *dir = cli_arg(cli, 0, NULL);
    json_t *rows = NULL;
    if (!ask(cli, dir, &rows, err) && !read_offline(cli, dir, &rows, err))
        return false;
    if (!output_json(cli, rows)) {
        if (json_array_size(rows))
            history_table_print(rows, true);
        else
            puts("nothing has happened yet");
    }
    json_decref(rows);
    return true;
}

const struct cmd cmd_history = {
    .name = "history",
    .args = "[DIR]",
    .summary = "starts and ends of daemons with their reasons, newest first",
    .text = "Without DIR: of all projects. TOOK is the time until ready for a start, and how long "
            "it lived for an end. Works while poold is down. DIR is any directory in the project, "
            "or the project's key.",
    .options = options,
    .max_args = 1,
    .run = run,
};
