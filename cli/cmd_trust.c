/* cli/cmd_trust.c - `poolctl trust` and `poolctl untrust`. */
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/start_poold.h"
#include "cli/target.h"
#include "cli/trust_files.h"

#include <string.h>
#include <unistd.h>

static const struct opt trust_options[] = {{"yes", 'y', OPT_FLAG, NULL, 0, 0, "Do not ask."}, {0}};

static bool is_confirmed(struct cli *cli, struct err *err)
{
    char answer[16] = "";
    if (cli_has(cli, "yes"))
        return true;
    if (!isatty(STDIN_FILENO)) {
        cli->remedy = "poolctl trust --yes {}";
        return err_set(err, ERR_DENIED, 0, "nobody is there to be asked");
    }
    fputs("Trust it? [y/N] ", stderr);
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return true;
    return err_set(err, ERR_DENIED, 0, "not trusted: the answer was not yes");
}

static bool set_trust(struct cli *cli, bool is_trusted, struct err *err)
{
    struct target t = {0};
    json_t *project = NULL, *body = json_object();
    bool ok = target_from(cli_arg(cli, 0, NULL), &t, err) && poold_start(cli, err);
    if (ok && is_trusted) {
        ok = target_resolve(cli, &t, NULL, err);
        if (ok)
            trust_files_show(t.root, stderr);
        ok = ok && is_confirmed(cli, err);
    }
    target_to_body(&t, body);
    json_object_set_new(body, "trusted", json_boolean(is_trusted));
    ok = ok && call_api(cli, "POST", "/trust", json_incref(body), CALL_WAIT_MS, &project, err);
    if (ok && !output_json(cli, project)) {
        char *root = say_path(field_text(project, "project"));
        printf("%s is %s\n", root, is_trusted ? "trusted" : "no longer trusted");
        free(root);
    }
    json_decref(body);
    json_decref(project);
    target_finish(&t);
    return ok;
}

static bool run_trust(struct cli *cli, struct err *err)
{
    return set_trust(cli, true, err);
}

static bool run_untrust(struct cli *cli, struct err *err)
{
    return set_trust(cli, false, err);
}

const struct cmd cmd_trust = {
    .name = "trust",
    .args = "DIR",
    .summary = "let a project's own files name commands that its servers run",
    .text = "Shows what that allows, then asks; without a terminal it needs --yes. No project is "
            "trusted until this is done: a client that opens a cloned repository runs nothing of "
            "it. Starts poold if none runs. DIR is any directory in the project, or its key.",
    .options = trust_options,
    .min_args = 1,
    .max_args = 1,
    .run = run_trust,
};

const struct cmd cmd_untrust = {
    .name = "untrust",
    .args = "DIR",
    .summary = "trust a project no longer",
    .text = "A running daemon is started anew without trust when it is idle. DIR is any directory "
            "in the project, or its key.",
    .min_args = 1,
    .max_args = 1,
    .run = run_untrust,
};
