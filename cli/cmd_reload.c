/* cli/cmd_reload.c - `poolctl reload`: poold reads its configuration again. */
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/output.h"

static bool run(struct cli *cli, struct err *err)
{
    json_t *answer = NULL;
    if (!call_api(cli, "POST", "/reload", NULL, CALL_WAIT_MS, &answer, err))
        return false;
    if (!output_json(cli, answer)) {
        const json_t *warnings = json_object_get(answer, "warnings"), *w;
        size_t i;
        printf("%s is in force\n", field_text(answer, "file"));
        json_array_foreach(warnings, i, w) printf("  warning: %s\n", json_string_value(w));
    }
    json_decref(answer);
    return true;
}

const struct cmd cmd_reload = {
    .name = "reload",
    .args = "",
    .summary = "have poold read its configuration again",
    .text = "With a mistake in the file nothing changes: the mistake is shown and the exit status "
            "is 9. The same as SIGHUP to poold.",
    .run = run,
};
