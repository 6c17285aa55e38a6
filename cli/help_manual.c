/* cli/help_manual.c - the manual as Markdown, from the tables. See help.h. */
#include "cli/help.h"

#include "cli/cmdline.h"
#include "cli/commands.h"
#include "cli/problem.h"

#include <string.h>

/* What stands between `|` in a table must not hold one. */
static void cell(FILE *out, const char *text)
{
    for (; *text; text++)
        fprintf(out, *text == '|' ? "\\|" : "%c", *text);
}

static void print_options(const struct opt *options, FILE *out)
{
    if (!options || !options->name)
        return;
    fputs("\n| option | meaning |\n|---|---|\n", out);
    for (const struct opt *o = options; o->name; o++) {
        fputs("| `", out);
        if (o->letter)
            fprintf(out, "-%c`, `", o->letter);
        fprintf(out, "--%s%s%s` | ", o->name, o->value ? " " : "", o->value ? o->value : "");
        cell(out, o->help);
        fputs(" |\n", out);
    }
}

static void print_exits(FILE *out)
{
    fputs("\n## Exit status\n\n"
          "Each means one thing. `code` is the word in the problem object of `--json` and of the\n"
          "API's errors.\n\n| status | code | meaning | what to do |\n|---|---|---|---|\n",
          out);
    for (int i = 0; i < ERR_COUNT; i++) {
        const struct err_row *row = err_row((enum err_code)i);
        char *remedy = problem_remedy((enum err_code)i, "DIR");
        fprintf(out, "| %d | `%s` | %s | ", row->exit, row->name, row->meaning);
        cell(out, remedy ? remedy : "");
        fputs(" |\n", out);
        free(remedy);
    }
}

static void print_commands(FILE *out)
{
    for (const struct cmd *const *c = commands; *c; c++) {
        fprintf(out, "\n### poolctl %s%s%s\n\n", (*c)->name, *(*c)->args ? " " : "", (*c)->args);
        fprintf(out, "%c%s.\n\n%s\n", (*c)->summary[0] & ~0x20, (*c)->summary + 1, (*c)->text);
        print_options((*c)->options, out);
    }
}

void help_print_manual(FILE *out)
{
    fputs(
        "# poolctl(1)\n\n"
        "<!-- Printed by `poolctl help --markdown` from the tables in cli/; a test compares. "
        "-->\n\n"
        "    poolctl [OPTION]... COMMAND [DIR]\n\n"
        "Asks poold, over `api.sock` in its run directory, and starts it where a command needs\n"
        "it. Options stand before or after the command and its arguments; `--` ends them.\n"
        "`list`, `status`, `history`, `logs`, `config` and `version` work while poold is down:\n"
        "they read the registry, the log files and the configuration file.\n\n"
        "With `--json` the answer on stdout is JSON, mostly what the API gives (docs/api.md). An\n"
        "error is then one line on stderr: a problem object (RFC 9457) with `code`, `detail`\n"
        "and, where there is one, `remedy`; the exit status is the same as without.\n\n"
        "Colours are used on terminals only, and not with NO_COLOR in the environment.\n\n"
        "## Options of every command\n",
        out);
    print_options(cmdline_globals, out);
    fputs("\n## Commands\n", out);
    print_commands(out);
    print_exits(out);
}
