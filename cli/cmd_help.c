/* cli/cmd_help.c - `poolctl help`. */
#include "cli/cmdline.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/manual_text.h"
#include "config/nearest.h"

static const struct opt options[] = {
    {"markdown", 0, OPT_FLAG, NULL, 0, 0, "Print the manual (docs/poolctl.md)."},
    {"bash", 0, OPT_FLAG, NULL, 0, 0, "Print the completions for bash."},
    {"zsh", 0, OPT_FLAG, NULL, 0, 0, "Print the completions for zsh."},
    {0}};

/* The command or topic that may have been meant, or NULL. */
static const char *nearest(const char *word)
{
    const char *names[120];
    size_t count = 0;
    for (const struct topic *t = topics; t->name && count < 40; t++)
        names[count++] = t->name;
    for (const struct cmd *const *c = commands; *c && count < 120; c++)
        names[count++] = (*c)->name;
    return nearest_name(word, names, count);
}

static bool run(struct cli *cli, struct err *err)
{
    const char *name = cli_arg(cli, 0, NULL);
    const struct cmd *cmd = name ? cmdline_find(commands, name) : NULL;
    const struct topic *topic = name ? topic_find(name) : NULL;
    const char *near = name ? nearest(name) : NULL;
    if (name && !cmd && !topic)
        return err_set(err, ERR_USAGE, 0, "unknown command or topic '%s'%s%s%s", name,
                       near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    if (cmd)
        help_print_command(cmd, stdout);
    if (cmd && topic)
        putchar('\n');
    if (topic && !topic_print(topic, stdout))
        return err_set(err, ERR_INTERNAL, 0, "the manual has no %s in %s", topic->sections,
                       topic->file);
    if (name)
        return true;
    if (cli_has(cli, "markdown"))
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
    .args = "[COMMAND | TOPIC]",
    .summary = "help for a command or a topic, or this list",
    .text = "Topics are config, errors, exit-codes, api, environment, files, signals, routing, "
            "states, reasons, trust and logs; poold, poolctl, poold.conf and poold-api are the "
            "manual pages as a whole. Also prints what is made from the same tables: the manual "
            "as Markdown and the completions.",
    .options = options,
    .max_args = 1,
    .run = run,
};
