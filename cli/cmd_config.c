/* cli/cmd_config.c - `poolctl config`: the configuration in force, a check, an example. */
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/config_file.h"
#include "cli/offline.h"
#include "cli/output.h"
#include "cli/table.h"
#include "config/config.h"

#include <string.h>

static const struct opt options[] = {
    {"check", 0, OPT_FLAG, NULL, 0, 0, "Read the file and say whether it has a mistake."},
    {"example", 0, OPT_FLAG, NULL, 0, 0, "Print a file with every setting at its default."},
    {0}};

static const struct column columns[] = {{"SETTING", false, 0, false},
                                        {"VALUE", false, 8, false},
                                        {"UNIT", false, 0, false},
                                        {"DEFAULT", false, 8, false}};

/* Any JSON value as a word. New string. */
static char *word_of(const json_t *value)
{
    if (json_is_string(value))
        return xstrdup(json_string_value(value));
    return value && !json_is_null(value) ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY)
                                         : xstrdup("");
}

static void print_settings(json_t *settings)
{
    struct table t = {.columns = columns, .count = sizeof columns / sizeof *columns};
    const char *name;
    json_t *row;
    json_object_foreach(settings, name, row)
    {
        char *value = word_of(json_object_get(row, "value"));
        char *standard = word_of(json_object_get(row, "default"));
        enum colour colour = strcmp(value, standard) == 0 ? PLAIN : BOLD;
        table_add(&t, xstrdup(name), PLAIN);
        table_add(&t, value, colour);
        table_add(&t, xstrdup(field_text(row, "unit")), DIM);
        table_add(&t, standard, DIM);
    }
    table_print(&t, stdout, say_columns(stdout));
    table_finish(&t);
}

/* "serena: /x/serena start-mcp-server ..." */
static void print_server(const char *name, const json_t *server)
{
    const json_t *args = json_object_get(server, "args"), *a;
    size_t i;
    char *shown = say_clean(name);
    printf("  %-10s %s", shown, field_text(server, "command"));
    free(shown);
    json_array_foreach(args, i, a)
    {
        char *word = say_clean(json_string_value(a) ? json_string_value(a) : "");
        printf(" %s", word);
        free(word);
    }
    puts(*field_text(server, "url") ? field_text(server, "url") : "");
}

static void print(const json_t *config)
{
    json_t *servers = json_object_get(config, "mcpServers"), *s;
    const json_t *warnings = json_object_get(config, "warnings"), *w;
    const char *name;
    size_t i;
    char *file = say_path(field_text(config, "file"));
    printf("%s%s\n", file, field_flag(config, "fileExists") ? "" : " (not there: all defaults)");
    free(file);
    print_settings(json_object_get(config, "settings"));
    puts("servers:");
    json_object_foreach(servers, name, s) print_server(name, s);
    json_array_foreach(warnings, i, w) printf("warning: %s\n", json_string_value(w));
}

static bool check(struct cli *cli, struct err *err)
{
    json_t *config = NULL;
    if (!config_file_read(cli, &config, err))
        return false;
    if (!output_json(cli, config)) {
        const json_t *warnings = json_object_get(config, "warnings"), *w;
        size_t i;
        printf("%s: %s\n", field_text(config, "file"),
               field_flag(config, "fileExists") ? "no mistake" : "not there, so all defaults");
        json_array_foreach(warnings, i, w) printf("warning: %s\n", json_string_value(w));
    }
    json_decref(config);
    return true;
}

static bool run(struct cli *cli, struct err *err)
{
    json_t *config = NULL;
    if (cli_has(cli, "example")) {
        settings_print_example(stdout);
        return true;
    }
    if (cli_has(cli, "check"))
        return check(cli, err);
    if (!call_get(cli, "/settings", &config, err)) {
        if (err->code != ERR_NOT_RUNNING)
            return false;
        fputs("poold is not running; this is what the file says:\n", stderr);
        err_clear(err);
        if (!config_file_read(cli, &config, err))
            return false;
    }
    if (!output_json(cli, config))
        print(config);
    json_decref(config);
    return true;
}

const struct cmd cmd_config = {
    .name = "config",
    .args = "",
    .summary = "the configuration in force; --check a file; --example prints one",
    .text = "Without an option: every setting with value, unit and default, and the servers; while "
            "poold is down, what the file says. --check names file, line, key and what was "
            "expected (exit status 9) and touches nothing that runs.",
    .options = options,
    .run = run,
};
