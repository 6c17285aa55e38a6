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

static bool is_confirmed(struct cli *cli, bool *is_refused, struct err *err)
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
    *is_refused = true;
    return err_set(err, ERR_DENIED, 0, "not trusted: the answer was not yes");
}

/* *project is new, NULL unless it worked. */
static bool ask(struct cli *cli, const struct target *t, bool is_trusted, const char *brought,
                json_t **project, struct err *err)
{
    json_t *body = json_object();
    target_to_body(t, body);
    json_object_set_new(body, "trusted", json_boolean(is_trusted));
    if (brought)
        json_object_set_new(body, "brought", json_string(brought));
    return call_api(cli, "POST", "/trust", body, CALL_WAIT_MS, project, err);
}

/* A no takes an earlier yes back. */
static void withdraw(struct cli *cli, const struct target *t)
{
    struct err ignored = {0};
    json_t *project = NULL;
    if (ask(cli, t, false, NULL, &project, &ignored))
        json_decref(project); /* else it was not known: nothing to take back */
}

static bool set_trust(struct cli *cli, bool is_trusted, struct err *err)
{
    struct target t = {0};
    char *brought = NULL;
    json_t *project = NULL;
    bool ok = target_from(cli_arg(cli, 0, NULL), &t, err) && poold_start(cli, err);
    if (ok && is_trusted) {
        ok = target_resolve(cli, &t, NULL, err);
        if (ok)
            brought = trust_files_show(t.root, stderr);
        bool is_refused = false;
        ok = ok && is_confirmed(cli, &is_refused, err);
        if (is_refused)
            withdraw(cli, &t);
    }
    ok = ok && ask(cli, &t, is_trusted, brought, &project, err);
    if (ok && !output_json(cli, project)) {
        char *root = say_path(field_text(project, "project"));
        printf("%s is %s\n", root, is_trusted ? "trusted" : "no longer trusted");
        free(root);
    }
    free(brought);
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
            "it. The servers that it brings itself (.mcp.json, .cursor/mcp.json, .vscode/mcp.json, "
            ".codex/config.toml) are shown with their commands, and are offered as they are "
            "written then: an edit needs a new yes, and a no withdraws an earlier one. Starts "
            "poold if none runs. DIR is any directory in the project, or its key.",
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
