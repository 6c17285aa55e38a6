/* cli/cmd_list.c - `poolctl list`: one row per project and server. */
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/daemon_list.h"
#include "cli/offline.h"
#include "cli/output.h"

static bool run(struct cli *cli, struct err *err)
{
    json_t *daemons = NULL, *settings = NULL;
    struct err ignored = {0};
    bool is_there = call_synced(cli, NULL, err) && call_get(cli, "/daemons", &daemons, err);
    if (!is_there && !(offline_take_over(err) && offline_daemons(cli, &daemons, err)))
        return false;
    if (!output_json(cli, daemons)) {
        if (json_array_size(daemons) == 0) {
            puts("no project is known yet; try: poolctl ensure DIR");
        } else {
            if (is_there && !call_get(cli, "/settings", &settings, &ignored))
                settings = NULL; /* then without the limits */
            daemon_list_print(daemons);
            daemon_list_totals(daemons, settings);
        }
    }
    json_decref(daemons);
    json_decref(settings);
    return true;
}

const struct cmd cmd_list = {
    .name = "list",
    .args = "",
    .summary = "all daemons: state, health, memory, clients, and when each will go",
    .text = "MEMORY is that of the whole process tree, CLIENTS the sessions, GOES when an idle "
            "daemon will be stopped, or why it will not. Where each session has its own daemon, "
            "SERVER is NAME#1, NAME#2, ..., and (spare) waits for a session. A bad row is followed "
            "by its cause and by the command to copy. While poold is down the registry is read: what was last known.",
    .run = run,
};
