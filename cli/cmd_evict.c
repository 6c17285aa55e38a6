/* cli/cmd_evict.c - `poolctl evict`: end a project's daemons unless somebody needs them. */
#include "cli/commands.h"
#include "cli/each_daemon.h"

static const struct opt options[] = {OPT_EACH_SERVER, {0}};

static bool run(struct cli *cli, struct err *err)
{
    bool is_there;
    if (!each_daemon_can_live(cli, true, &is_there, err))
        return false;
    const struct each_daemon what = {.tail = "/evict", .did = "evicted", .body = json_object()};
    if (is_there)
        return each_daemon_do(cli, &what, err);
    json_decref(what.body);
    return true;
}

const struct cmd cmd_evict = {
    .name = "evict",
    .args = "[DIR]",
    .summary = "stop a project's idle daemons; refused while busy or pinned",
    .text =
        "Like stop, but a daemon that is busy or pinned stays and the exit status is 17. " DIR_TEXT,
    .options = options,
    .max_args = 1,
    .run = run,
};
