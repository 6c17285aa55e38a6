/* cli/cmd_help.c - `poolctl help`. */
#include "cli/cmdline.h"
#include "cli/commands.h"
#include "cli/help.h"

static const struct opt options[] = {
    {"markdown", 0, OPT_FLAG, NULL, 0, 0, "Print the manual (docs/poolctl.md)."},
    {"bash", 0, OPT_FLAG, NULL, 0, 0, "Print the completions for bash."},
    {"zsh", 0, OPT_FLAG, NULL, 0, 0, "Print the completions for zsh."},
    {0}};

static bool run(struct cli *cli, struct err *err)
{
    const char *name = cli_arg(cli, 0, NULL);
    const struct cmd *cmd = name ? cmdline_find(commands, name) : NULL;
    const char *near = name && !cmd ? cmdline_nearest_command(commands, name) : NULL;
    if (name && !cmd)
        return err_set(err, ERR_USAGE, 0, "unknown command '%s'%s%s%s", name,
                       near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    if (cmd)
        help_print_command(cmd, stdout);
    else if (cli_has(cli, "markdown"))
        help_print_manual(stdout);
    else if (cli_has(cli, "bash"))
        help_print_bash(stdout);
    else if (cli_has(cli, "zsh"))
        help_print_zsh(stdout);
    else
        help_print(stdout);
    return true;
}

const struct cmd cmd_help = {
    .name = "help",
    .args = "[COMMAND]",
    .summary = "help for a command, or this list",
    .text = "Also prints what is made from the same tables: the manual and the completions.",
    .options = options,
    .max_args = 1,
    .run = run,
};
