/* cli/cmd_stop.c - `poolctl stop`: end a project's daemons, or all. */
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/each_daemon.h"
#include "cli/output.h"

static const struct opt options[] = {
    {"all", 'a', OPT_FLAG, NULL, 0, 0, "Stop every daemon of the pool."},
    {"now", 0, OPT_FLAG, NULL, 0, 0, "Do not wait for calls that are under way."},
    OPT_EACH_SERVER,
    {0}};

static json_t *make_body(const struct cli *cli)
{
    json_t *body = json_object();
    if (cli_has(cli, "now"))
        json_object_set_new(body, "now", json_true());
    return body;
}

static bool stop_all(struct cli *cli, struct err *err)
{
    json_t *answer = NULL;
    if (!call_api(cli, "POST", "/stop", make_body(cli), EACH_WAIT_MS, &answer, err))
        return false;
    int64_t n = field_number(answer, "stopped", 0);
    if (!output_json(cli, answer))
        printf("stopped %lld daemon%s\n", (long long)n, n == 1 ? "" : "s");
    json_decref(answer);
    return true;
}

static bool run(struct cli *cli, struct err *err)
{
    bool all = cli_has(cli, "all"), is_there;
    if (all && cli->args.count)
        return err_set(err, ERR_USAGE, 0, "stop: either DIR or --all");
    if (!all && !cli->args.count)
        return err_set(err, ERR_USAGE, 0, "stop needs DIR (. for the present one) or --all");
    if (!each_daemon_can_live(cli, true, &is_there, err))
        return false;
    if (!is_there)
        return true;
    if (all)
        return stop_all(cli, err);
    const struct each_daemon what = {.tail = "/stop", .did = "stopped", .body = make_body(cli)};
    return each_daemon_do(cli, &what, err);
}

const struct cmd cmd_stop = {
    .name = "stop",
    .args = "DIR | --all",
    .summary = "stop a project's daemons, or all; waits until their trees are gone",
    .text = "Calls that are under way end first (setting drainSeconds) unless --now is given. A "
            "session's next call starts the daemon again. If poold is down but daemons live on, "
            "it is started to end them. DIR is any directory in the project, or the project's key.",
    .options = options,
    .max_args = 1,
    .run = run,
};
