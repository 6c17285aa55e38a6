/* cli/cmd_restart.c - `poolctl restart`: a new life for a project's daemon. */
#include "base/clock.h"
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/daemon_text.h"
#include "cli/each_daemon.h"
#include "cli/output.h"
#include "cli/start_poold.h"
#include "cli/target.h"

static const struct opt options[] = {
    OPT_SERVER,
    {"timeout", 't', OPT_NUMBER, "SECONDS", 0, 3600,
     "Wait at most this long for the start (default: the setting startWaitSeconds)."},
    {0}};

static void print(const json_t *daemon, int64_t took_ms)
{
    char *took = say_duration(took_ms);
    output_did("restarted", daemon);
    printf("  ready after %s: %s\n", took, field_text(daemon, "url"));
    free(took);
}

static bool run(struct cli *cli, struct err *err)
{
    struct target t = {0};
    json_t *daemon = NULL, *body = json_object();
    int64_t began_ms = clock_ms();
    if (cli_has(cli, "timeout"))
        json_object_set_new(body, "waitMs", json_integer(cli_number(cli, "timeout", 0) * 1000));
    bool ok = poold_start(cli, err) && target_of(cli, &t, err);
    char *slot = ok ? target_slot(t.key, t.server, "/restart") : NULL;
    if (ok)
        ok = call_api(cli, "POST", slot, json_incref(body), EACH_WAIT_MS, &daemon, err);
    if (ok && !output_json(cli, daemon))
        print(daemon, clock_ms() - began_ms);
    if (ok && daemon_is_degraded(daemon)) {
        char *cause = daemon_cause(daemon);
        ok = err_set(err, ERR_DEGRADED, 0, "%s runs degraded: %s", t.server, cause);
        free(cause);
    }
    free(slot);
    json_decref(body);
    json_decref(daemon);
    target_finish(&t);
    return ok;
}

const struct cmd cmd_restart = {
    .name = "restart",
    .args = "[DIR]",
    .summary = "stop a project's daemon and start it again, also after a failed start",
    .text = "Returns when the new daemon is ready. Sessions go on with it. Starts poold if none "
            "runs. " DIR_TEXT,
    .options = options,
    .max_args = 1,
    .run = run,
};
