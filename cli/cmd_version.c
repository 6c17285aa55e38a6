/* cli/cmd_version.c - `poolctl version`: of poolctl and of the poold that runs. */
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/output.h"

static bool run(struct cli *cli, struct err *err)
{
    json_t *poold = NULL;
    struct err why = {0};
    if (!call_get(cli, "/version", &poold, &why) && why.code != ERR_NOT_RUNNING)
        return err_set(err, why.code, 0, "%s", err_text(&why));
    json_t *both = json_pack("{s:s, s:O?}", "poolctl", POOLD_VERSION, "poold", poold);
    if (!output_json(cli, both)) {
        puts("poolctl " POOLD_VERSION);
        if (poold)
            printf("poold %s (pid %lld)\n", field_text(poold, "version"),
                   (long long)field_number(poold, "pid", 0));
        else
            puts("poold is not running");
    }
    json_decref(both);
    json_decref(poold);
    return true;
}

const struct cmd cmd_version = {
    .name = "version",
    .args = "",
    .summary = "versions of poolctl and of the poold that runs",
    .text = "Works while poold is down.",
    .run = run,
};
