/* cli/cmd_pin.c - `poolctl pin` and `poolctl unpin`: keep a daemon when it is idle, or no longer.
 */
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/start_poold.h"
#include "cli/target.h"

static const struct opt options[] = {OPT_SERVER, {0}};

static bool set_pin(struct cli *cli, bool is_pinned, struct err *err)
{
    struct target t = {0};
    json_t *daemon = NULL;
    if (!poold_start(cli, err) || !target_of(cli, &t, err))
        return false;
    char *slot = target_slot(t.key, t.server, "/pin");
    bool ok = call_api(cli, "POST", slot, json_pack("{s:b}", "pinned", is_pinned), CALL_WAIT_MS,
                       &daemon, err);
    if (ok && !output_json(cli, daemon))
        output_did(is_pinned ? "pinned" : "unpinned", daemon);
    free(slot);
    json_decref(daemon);
    target_finish(&t);
    return ok;
}

static bool run_pin(struct cli *cli, struct err *err)
{
    return set_pin(cli, true, err);
}

static bool run_unpin(struct cli *cli, struct err *err)
{
    return set_pin(cli, false, err);
}

const struct cmd cmd_pin = {
    .name = "pin",
    .args = "[DIR]",
    .summary = "keep a project's daemon when it is idle",
    .text = "A pinned daemon is never evicted, neither for idleness nor to make room. It is not "
            "started by this. Starts poold if none runs. " DIR_TEXT,
    .options = options,
    .max_args = 1,
    .run = run_pin,
};

const struct cmd cmd_unpin = {
    .name = "unpin",
    .args = "[DIR]",
    .summary = "let a pinned daemon go again when it is idle",
    .text = "Its idle time counts from the end of its last work. Starts poold if none "
            "runs. " DIR_TEXT,
    .options = options,
    .max_args = 1,
    .run = run_unpin,
};
