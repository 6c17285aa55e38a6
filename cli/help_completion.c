/* cli/help_completion.c - completions for bash and zsh, from the tables. See help.h. */
#include "cli/help.h"

#include "cli/cmdline.h"
#include "cli/commands.h"
#include "cli/manual_text.h"

#include <string.h>

static void print_words(const struct opt *options, FILE *out)
{
    for (const struct opt *o = options; o && o->name; o++)
        fprintf(out, " --%s", o->name);
}

static void add_once(struct strv *words, char *word)
{
    for (size_t i = 0; i < words->count; i++) {
        if (strcmp(words->items[i], word) == 0) {
            free(word);
            return;
        }
    }
    strv_add_take(words, word);
}

/* Options whose value nothing is known about. */
static void add_blind(const struct opt *options, struct strv *words)
{
    for (const struct opt *o = options; o && o->name; o++) {
        if (!o->value || strcmp(o->value, "FILE") == 0 || strcmp(o->value, "DIR") == 0)
            continue;
        add_once(words, xasprintf("--%s", o->name));
        if (o->letter)
            add_once(words, xasprintf("-%c", o->letter));
    }
}

static void print_blind(FILE *out)
{
    struct strv words = {0};
    add_blind(cmdline_globals, &words);
    for (const struct cmd *const *c = commands; *c; c++)
        add_blind((*c)->options, &words);
    for (size_t i = 0; i < words.count; i++)
        fprintf(out, "%s%s", i ? "|" : "", words.items[i]);
    strv_finish(&words);
}

void help_print_bash(FILE *out)
{
    fputs("# bash completion for poolctl, printed by `poolctl help --bash`\n"
          "_poolctl() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= w\n"
          "    COMPREPLY=()\n"
          "    case $before in\n"
          "    --config) compopt -o filenames; COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n"
          "    --state-dir|--run-dir) compopt -o filenames; COMPREPLY=($(compgen -d -- "
          "\"$word\")); return ;;\n"
          "    ",
          out);
    print_blind(out);
    fputs(") return ;;\n    esac\n    for w in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
          "        case $w in\n        ",
          out);
    for (const struct cmd *const *c = commands; *c; c++)
        fprintf(out, "%s%s", c == commands ? "" : "|", (*c)->name);
    fputs(") command=$w; break ;;\n        esac\n    done\n    local options=\"", out);
    print_words(cmdline_globals, out);
    fputs("\" commands=\"", out);
    for (const struct cmd *const *c = commands; *c; c++)
        fprintf(out, "%s%s", c == commands ? "" : " ", (*c)->name);
    fputs("\" topics=\"", out);
    for (const struct topic *t = topics; t->name; t++)
        fprintf(out, "%s%s", t == topics ? "" : " ", t->name);
    fputs("\"\n    case $command in\n", out);
    for (const struct cmd *const *c = commands; *c; c++) {
        if (!(*c)->options || !(*c)->options->name)
            continue;
        fprintf(out, "    %s) options+=\"", (*c)->name);
        print_words((*c)->options, out);
        fputs("\" ;;\n", out);
    }
    fputs("    esac\n"
          "    if [[ $word == -* ]]; then\n"
          "        COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
          "    elif [[ -z $command ]]; then\n"
          "        COMPREPLY=($(compgen -W \"$commands\" -- \"$word\"))\n"
          "    elif [[ $command == help ]]; then\n"
          "        COMPREPLY=($(compgen -W \"$commands $topics\" -- \"$word\"))\n"
          "    else\n"
          "        compopt -o filenames\n"
          "        COMPREPLY=($(compgen -d -- \"$word\"))\n"
          "    fi\n"
          "}\n"
          "complete -F _poolctl poolctl\n",
          out);
}

/* Text within '...' and [...] of an _arguments specification. */
static void zsh_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr("[]:`\\", *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

static void zsh_options(const struct opt *options, FILE *out)
{
    for (const struct opt *o = options; o && o->name; o++) {
        fprintf(out, " \\\n        '--%s%s[", o->name, o->value ? "=" : "");
        zsh_text(out, o->help);
        fputc(']', out);
        if (o->value) {
            bool is_dir = strcmp(o->value, "DIR") == 0, is_file = strcmp(o->value, "FILE") == 0;
            fprintf(out, ":%s:%s", is_dir || is_file ? "place" : "value",
                    is_dir    ? "_files -/"
                    : is_file ? "_files"
                              : "");
        }
        fputc('\'', out);
    }
}

void help_print_zsh(FILE *out)
{
    fputs("#compdef poolctl\n# zsh completion for poolctl, printed by `poolctl help --zsh`\n"
          "_poolctl() {\n    local -a commands\n    commands=(\n",
          out);
    for (const struct cmd *const *c = commands; *c; c++) {
        fprintf(out, "        '%s:", (*c)->name);
        zsh_text(out, (*c)->summary);
        fputs("'\n", out);
    }
    fputs("    )\n    local -a topics\n    topics=(\n", out);
    for (const struct topic *t = topics; t->name; t++) {
        fprintf(out, "        '%s:", t->name);
        zsh_text(out, t->summary);
        fputs("'\n", out);
    }
    fputs("    )\n    local command=${words[(r)(", out);
    for (const struct cmd *const *c = commands; *c; c++)
        fprintf(out, "%s%s", c == commands ? "" : "|", (*c)->name);
    fputs(")]}\n    local -a options\n    options=(", out);
    zsh_options(cmdline_globals, out);
    fputs("\n    )\n    case $command in\n", out);
    for (const struct cmd *const *c = commands; *c; c++) {
        if (!(*c)->options || !(*c)->options->name)
            continue;
        fprintf(out, "    %s) options+=(", (*c)->name);
        zsh_options((*c)->options, out);
        fputs("\n    ) ;;\n", out);
    }
    fputs("    esac\n"
          "    if [[ -z $command || $command == help ]]; then\n"
          "        _arguments \"${options[@]}\" '1:command:->command' '*:command:->command' && "
          "return\n"
          "        _describe command commands\n"
          "        [[ $command == help ]] && _describe topic topics\n"
          "    else\n"
          "        _arguments \"${options[@]}\" '1:command:' '*:directory:_files -/'\n"
          "    fi\n"
          "}\n"
          "_poolctl \"$@\"\n",
          out);
}
