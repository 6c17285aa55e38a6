/* cli/help.c - help texts on the terminal. See help.h. */
#include "cli/help.h"

#include "cli/cmdline.h"
#include "cli/commands.h"
#include "cli/manual_text.h"
#include "cli/say.h"

#include <string.h>

/* Words in lines of at most 90 columns, each behind indent blanks; the first line has begun. */
static void wrap(FILE *out, const char *words, int indent)
{
    size_t room = 90 - (size_t)indent;
    while (*words) {
        size_t n = strlen(words);
        if (n > room)
            for (n = room; n > 1 && words[n] != ' ';)
                n--;
        fprintf(out, "%.*s\n", (int)n, words);
        words += n + (words[n] == ' ');
        if (*words)
            fprintf(out, "%*s", indent, "");
    }
}

static void print_option(const struct opt *o, FILE *out)
{
    char *left =
        xasprintf("%c%c%s--%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                  o->letter ? ", " : "  ", o->name, o->value ? " " : "", o->value ? o->value : "");
    fprintf(out, "  %-24s ", left);
    wrap(out, o->help, 27);
    free(left);
}

static void print_options(const char *title, const struct opt *options, FILE *out)
{
    if (!options || !options->name)
        return;
    fprintf(out, "\n%s:\n", title);
    for (const struct opt *o = options; o->name; o++)
        print_option(o, out);
}

static void print_topics(FILE *out)
{
    size_t column = 0;
    fputs("\ntopics:", out);
    for (const struct topic *t = topics; t->name; t++) {
        if (column > 60)
            fputs("\n       ", out);
        column = column > 60 ? 0 : column;
        fprintf(out, " %s", t->name);
        column += strlen(t->name) + 1;
    }
    fputc('\n', out);
}

void help_print(FILE *out)
{
    fputs("poolctl keeps one warm MCP daemon per project, shared by all sessions.\n\n"
          "usage: poolctl [OPTION]... COMMAND [DIR]\n\n",
          out);
    for (const struct cmd *const *c = commands; *c; c++)
        fprintf(out, "  %-10s %s\n", (*c)->name, (*c)->summary);
    print_options("options of every command", cmdline_globals, out);
    print_topics(out);
    fputs("\n`poolctl help COMMAND` and `poolctl help TOPIC` say more.\n"
          "First use: poolctl ensure ~/a/project\n",
          out);
}

void help_print_command(const struct cmd *cmd, FILE *out)
{
    fprintf(out, "poolctl %s - %s\n\nusage: poolctl %s%s%s%s\n\n", cmd->name, cmd->summary,
            cmd->name, cmd->options && cmd->options->name ? " [OPTION]..." : "",
            *cmd->args ? " " : "", cmd->args);
    wrap(out, cmd->text, 0);
    print_options("options", cmd->options, out);
    print_options("options of every command", cmdline_globals, out);
}
