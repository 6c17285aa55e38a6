/* config/settings_print.c - the tables as the example file and as items of the manual. See settings.h. */
#include "config/settings.h"

#include "base/str.h"

#include <string.h>

/* Words as comment lines of at most 96 columns, each behind indent and "// ". */
static void comment(FILE *out, const char *indent, const char *words)
{
    size_t room = 96 - strlen(indent) - 3;
    while (*words) {
        size_t n = strlen(words);
        if (n > room)
            for (n = room; n > 1 && words[n] != ' ';)
                n--;
        fprintf(out, "%s// %.*s\n", indent, (int)n, words);
        words += n + (words[n] == ' ');
    }
}

/* "Expected: a whole number of seconds, 0 to 600; a server may have its own." New string. */
static char *setting_limits(const struct setting *row)
{
    char *expected = setting_expected(row);
    char *words = xasprintf("Expected: %s%s%s.", expected,
                            row->scope == SCOPE_BOTH ? "; a server may have its own" : "",
                            row->is_reloadable ? "" : "; read at start only");
    free(expected);
    return words;
}

static char *key_limits(const struct server_key *key)
{
    return *key->standard
               ? xasprintf("Expected: %s; default: %s.", key->shape, key->standard)
               : xasprintf("Expected: %s.", key->shape);
}

void settings_print_example(FILE *out)
{
    size_t count;
    fputs("// poold's configuration: JSON with comments. Every setting stands here with its\n"
          "// default, so that an empty object {}, or no file at all, means the same.\n"
          "// After a change: poolctl config --check, then poolctl reload. A file with a mistake\n"
          "// changes nothing. This example is printed from the table in config/settings.h.\n"
          "{\n",
          out);
    const struct setting *rows = setting_rows(&count);
    for (size_t i = 0; i < count; i++) {
        const char *quote = rows[i].type == SETTING_INT ? "" : "\"";
        comment(out, "    ", rows[i].sentence);
        char *limits = setting_limits(&rows[i]);
        comment(out, "    ", limits);
        free(limits);
        fprintf(out, "    \"%s\": %s%s%s,\n\n", rows[i].name, quote, rows[i].standard, quote);
    }
    comment(out, "    ",
            "Servers, in the shape of clients' own files. \"serena\" is built in; an entry of "
            "that name without a command changes it, with a command replaces it. The keys of an "
            "entry, and beside them any setting that says so above:");
    fputs("    //\n    //   \"my-server\": {\n", out);
    const struct server_key *keys = server_key_rows(&count);
    for (size_t i = 0; i < count; i++) {
        char *limits = key_limits(&keys[i]);
        comment(out, "    //       ", keys[i].sentence);
        comment(out, "    //       ", limits);
        free(limits);
        fprintf(out, "    //       %s\"%s\": %s%s\n", keys[i].is_alternative ? "// " : "",
                keys[i].name, keys[i].example, i + 1 < count ? "," : "");
    }
    fputs("    //   }\n    \"mcpServers\": {\n    }\n}\n", out);
}

void settings_print_page(FILE *out)
{
    size_t count;
    const struct setting *rows = setting_rows(&count);
    for (size_t i = 0; i < count; i++) {
        char *limits = setting_limits(&rows[i]);
        fprintf(out, "- `%s`: %s %s Default: %s.\n", rows[i].name, rows[i].sentence, limits,
                rows[i].standard);
        free(limits);
    }
}

void server_keys_print_page(FILE *out)
{
    size_t count;
    const struct server_key *keys = server_key_rows(&count);
    for (size_t i = 0; i < count; i++) {
        char *limits = key_limits(&keys[i]);
        fprintf(out, "- `%s`: %s %s Example: %s\n", keys[i].name, keys[i].sentence, limits,
                keys[i].example);
        free(limits);
    }
}
