/* cli/cmd_connect.c - `poolctl connect`: a stdio MCP server for clients that only start commands.
 * It becomes the small program poold-connect (connect/). */
#include "cli/commands.h"
#include "cli/start_poold.h"
#include "cli/target.h"
#include "platform/self.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct opt options[] = {
    OPT_SERVER,
    {"project", 'p', OPT_TEXT, "DIR", 0, 0,
     "Any directory in the project, or its key (default: CLAUDE_PROJECT_DIR if that is a "
     "directory, "
     "else the present directory)."},
    {"lean", 'l', OPT_FLAG, NULL, 0, 0,
     "Show three tools that find, describe and call the others."},
    {"start", 0, OPT_FLAG, NULL, 0, 0,
     "Only see that poold runs, and return: what connect does for itself when it is needed."},
    {0}};

static void add(struct strv *argv, const char *flag, const char *value)
{
    if (!value)
        return;
    strv_add(argv, flag);
    strv_add(argv, value);
}

/* The project, if it is named. A target that is not there is left for poold to say. */
static bool find_project(struct cli *cli, struct target *t, struct err *err)
{
    const char *named = cli_text(cli, "project"), *claude = getenv("CLAUDE_PROJECT_DIR");
    struct stat st;
    if (named)
        return target_from(named, t, err);
    /* Where its client works, no more: the client's roots win over it. */
    if (claude && *claude && stat(claude, &st) == 0 && S_ISDIR(st.st_mode) && chdir(claude) < 0)
        return err_set(err, ERR_SYSTEM, errno, "unable to go to %s", claude);
    return true;
}

/* poolctl itself, with the same places. */
static void add_starter(struct cli *cli, const struct dirs *dirs, struct strv *argv)
{
    char *poolctl = self_sibling("poolctl");
    const char *env = getenv("POOLD_CONFIG");
    strv_add(argv, "--");
    strv_add_take(argv, poolctl ? poolctl : xstrdup("poolctl"));
    strv_add(argv, "connect");
    strv_add(argv, "--start");
    if (cli_has(cli, "config") || (env && *env))
        add(argv, "--config", dirs->config_file);
    add(argv, "--state-dir", dirs->state_dir);
    add(argv, "--run-dir", dirs->run_dir);
    add(argv, "--listen", cli_text(cli, "listen"));
}

static char *find_program(void)
{
    char *program = self_sibling("poold-connect");
    if (program && access(program, X_OK) == 0)
        return program;
    free(program);
    return xstrdup(POOLD_LIBEXEC "/poold-connect");
}

static bool run(struct cli *cli, struct err *err)
{
    const struct dirs *dirs;
    struct target t = {0};
    if (cli_has(cli, "start"))
        return poold_start(cli, err);
    if (!cli_dirs(cli, &dirs, err) || !find_project(cli, &t, err))
        return false;
    struct strv argv = {0};
    strv_add_take(&argv, find_program());
    strv_add(&argv, "--socket");
    strv_add_take(&argv, str_path(dirs->run_dir, "mcp.sock"));
    add(&argv, "--project", t.path ? t.path : t.name);
    add(&argv, "--server", cli_text(cli, "server"));
    if (cli_has(cli, "lean"))
        strv_add(&argv, "--lean");
    add_starter(cli, dirs, &argv);
    execv(argv.items[0], argv.items);
    err_set(err, ERR_SYSTEM, errno, "unable to run %s", argv.items[0]);
    strv_finish(&argv);
    target_finish(&t);
    return false;
}

const struct cmd cmd_connect = {
    .name = "connect",
    .args = "",
    .summary = "a stdio MCP server for clients that only start commands",
    .text = "For any mcpServers file: \"command\": \"poolctl\", \"args\": [\"connect\"]. MCP goes "
            "from stdin to the project's daemon and back to stdout; poold is started where it does "
            "not run. It outlives poold: when poold is started anew, connect comes back to its "
            "session and asks again for what was not answered (a call that may have run, and that "
            "its tool does not call harmless to repeat, is answered with an error that says so). "
            "Ends with its client, with status 0.",
    .options = options,
    .run = run,
};
