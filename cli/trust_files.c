/* cli/trust_files.c - see trust_files.h. */
#include "cli/trust_files.h"

#include "base/err.h"
#include "base/str.h"
#include "cli/say.h"
#include "config/brought.h"
#include "platform/dirs.h"

#include <string.h>

#define FILE_CAP (1024 * 1024)
#define LINES_MAX 20

/* Files of a project that servers we know may take commands from. */
static const char *const names[] = {".serena/project.yml", ".serena/project.local.yml"};
/* Words of their lines that lead to something being run. */
static const char *const words[] = {
    "ls_specific_settings", "ls_path", "command", "_path:", "args:", "exec", "run:"};

static bool looks_like_command(const char *line)
{
    const char *start = line + strspn(line, " \t");
    if (*start == '#')
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(line, words[i]))
            return true;
    return false;
}

static void show_lines(char *text, FILE *out)
{
    int shown = 0, number = 0;
    for (char *line = text; line && shown < LINES_MAX; number++) {
        char *end = strchr(line, '\n');
        if (end)
            *end = '\0';
        if (looks_like_command(line)) {
            char *clean = say_clean(line);
            fprintf(out, "    %d: %s\n", number + 1, clean);
            free(clean);
            shown++;
        }
        line = end ? end + 1 : NULL;
    }
    if (!shown)
        fputs("    (no line in it looks like a command now; it may change later)\n", out);
}

/* One word of a command line as a shell would want it. */
static void show_word(const char *word, FILE *out)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@%+,-";
    char *clean = say_clean(word);
    bool is_plain = *clean && clean[strspn(clean, plain)] == '\0';
    fprintf(out, "%s%s%s", is_plain ? " " : " '", clean, is_plain ? "" : "'");
    free(clean);
}

static void show_server(const struct brought_server *b, FILE *out)
{
    const struct config_server *s = b->server;
    fprintf(out, "  %s (%s):", s->name, b->file);
    for (size_t i = 0; i < s->env.count; i++)
        show_word(s->env.items[i], out);
    show_word(s->command, out);
    for (size_t i = 0; i < s->args.count; i++)
        show_word(s->args.items[i], out);
    if (s->cwd) {
        fputs("\n    in", out);
        show_word(s->cwd, out);
    }
    fputc('\n', out);
}

/* The servers that the project brings itself. */
static char *show_brought(const char *root, FILE *out)
{
    struct settings settings;
    settings_defaults(&settings);
    struct brought *b = brought_read(root, &settings);
    if (b->count)
        fputs("It brings these servers, which are offered as they are written now; an edit asks "
              "anew:\n",
              out);
    for (size_t i = 0; i < b->count; i++)
        show_server(&b->servers[i], out);
    for (size_t i = 0; i < b->warnings.count; i++) {
        char *clean = say_clean(b->warnings.items[i]);
        fprintf(out, "  note: %s\n", clean);
        free(clean);
    }
    char *content = b->content[0] ? xstrdup(b->content) : NULL;
    brought_free(b);
    settings_finish(&settings);
    return content;
}

char *trust_files_show(const char *root, FILE *out)
{
    char *shown = say_path(root);
    int found = 0;
    fprintf(out,
            "Trust lets files of %s name commands that its servers run as you,\n"
            "now and after any later change to them:\n",
            shown);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = str_path(root, names[i]), *text = NULL;
        struct err ignored = {0};
        if (dirs_read_file(path, FILE_CAP, &text, NULL, &ignored)) {
            fprintf(out, "  %s\n", names[i]);
            show_lines(text, out);
            found++;
        } else if (ignored.code != ERR_NOT_FOUND) {
            fprintf(out, "  %s (%s)\n", names[i], err_text(&ignored));
            found++;
        }
        free(text);
        free(path);
    }
    if (!found)
        fprintf(out, "  (none of %s and %s is there yet)\n", names[0], names[1]);
    free(shown);
    return show_brought(root, out);
}
