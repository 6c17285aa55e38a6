/* cli/cmd_shutdown.c - `poolctl shutdown`: end poold, and unless told otherwise its daemons. */
#include "base/clock.h"
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/each_daemon.h"
#include "cli/output.h"
#include "platform/proc.h"

#include <time.h>

static const struct opt options[] = {{"keep-daemons", 'k', OPT_FLAG, NULL, 0, 0,
                                      "Leave the daemons running; the next poold takes them back."},
                                     {0}};

/* A poold that nobody waits for (a container without an init) has ended too. */
static bool wait_until_gone(struct proc_id poold, struct err *err)
{
    int64_t deadline = clock_ms() + EACH_WAIT_MS;
    while (proc_is_alive(poold)) {
        if (clock_ms() > deadline)
            return err_set(err, ERR_NOT_RUNNING, 0, "poold (pid %ld) does not end",
                           (long)poold.pid);
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
    }
    return true;
}

static bool run(struct cli *cli, struct err *err)
{
    json_t *version = NULL;
    bool keeps = cli_has(cli, "keep-daemons"), is_there;
    if (!each_daemon_can_live(cli, !keeps, &is_there, err))
        return false;
    if (!is_there)
        return true;
    bool ok = call_get(cli, "/version", &version, err);
    pid_t pid = (pid_t)field_number(version, "pid", 0);
    struct proc_id poold = {pid, pid > 0 ? proc_start_time(pid) : 0};
    json_decref(version);
    ok = ok && call_api(cli, "POST", "/shutdown", json_pack("{s:b}", "keepDaemons", keeps),
                        CALL_WAIT_MS, NULL, err);
    if (!ok || !wait_until_gone(poold, err))
        return false;
    json_t *done = json_pack("{s:i, s:b}", "pid", (int)pid, "keptDaemons", keeps);
    if (!output_json(cli, done))
        printf("poold (pid %ld) has ended%s\n", (long)pid, keeps ? "; its daemons live on" : "");
    json_decref(done);
    return true;
}

const struct cmd cmd_shutdown = {
    .name = "shutdown",
    .args = "",
    .summary = "end poold and all its daemons; waits until poold is gone",
    .text = "If poold is down but daemons live on, it is started to end them.",
    .options = options,
    .run = run,
};
