/* cli/cmd_forget.c - `poolctl forget`: drop all that is remembered of a project. */
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/each_daemon.h"
#include "cli/output.h"
#include "cli/start_poold.h"

static bool run(struct cli *cli, struct err *err)
{
    struct target t = {0};
    json_t *answer = NULL;
    if (!poold_start(cli, err) || !target_of(cli, &t, err))
        return false;
    /* Stopped first, so that nothing of it runs any more when we return. */
    json_t *stopped = json_array();
    const struct each_daemon stop = {.tail = "/stop", .body = json_pack("{s:b}", "now", 1)};
    char *key = call_escape(t.key), *target = xasprintf("/projects/%s", key);
    bool ok = each_daemon_of(cli, &stop, &t, stopped, err);
    json_decref(stopped);
    ok = ok && call_api(cli, "DELETE", target, NULL, EACH_WAIT_MS, &answer, err);
    if (ok && !output_json(cli, answer)) {
        char *root = say_path(t.root);
        printf("forgot %s\n", root);
        free(root);
    }
    free(key);
    free(target);
    json_decref(answer);
    target_finish(&t);
    return ok;
}

const struct cmd cmd_forget = {
    .name = "forget",
    .args = "DIR",
    .summary = "stop a project's daemons and drop what is remembered of it",
    .text = "Registry rows, port lease, sessions, history and trust go; files of the project "
            "stay. DIR is any directory in the project, the root of one that is no longer there, "
            "or the project's key.",
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
