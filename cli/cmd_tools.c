/* cli/cmd_tools.c - `poolctl tools`: the definitions of a server's tools, out of poold's memory. */
#include "cli/commands.h"
#include "cli/mcp_session.h"
#include "cli/output.h"
#include "cli/start_poold.h"
#include "cli/table.h"
#include "cli/tool_list.h"

#include <string.h>

#define START_WAIT_MS (5 * 60 * 1000)

static const struct opt options[] = {
    OPT_SERVER,
    {"format", 0, OPT_TEXT, "FORMAT", 0, 0,
     "JSON in the shape of mcp (the server's own), anthropic or openai."},
    {"start", 0, OPT_FLAG, NULL, 0, 0,
     "If they are not known yet, ask a daemon (and start it if need be)."},
    {0}};

/* A client that asks for the list makes poold remember it. */
static bool ask_daemon(struct cli *cli, const struct tool_place *place, json_t **tools,
                       struct err *err)
{
    struct mcp_session s = {0};
    json_t *result = NULL;
    if (!mcp_session_open(cli, place->project, place->server, START_WAIT_MS, &s, err))
        return false;
    bool ok = mcp_session_request(&s, "tools/list", NULL, NULL, NULL, &result, err);
    mcp_session_close(&s);
    if (ok)
        *tools = json_incref(json_object_get(result, "tools"));
    json_decref(result);
    return ok;
}

static void print_table(const json_t *tools)
{
    static const struct column columns[] = {{"TOOL", false, 0, false},
                                            {"WHAT IT DOES", false, 20, false}};
    struct table t = {.columns = columns, .count = 2};
    const json_t *tool;
    size_t i;
    json_array_foreach(tools, i, tool)
    {
        const char *text = field_text(tool, "description");
        text += strspn(text, " \t\r\n");
        char *first = xstrndup(text, strcspn(text, "\r\n"));
        table_add(&t, say_clean(field_text(tool, "name")), PLAIN);
        table_add(&t, say_clean(first), PLAIN);
        free(first);
    }
    table_print(&t, stdout, say_columns(stdout));
    table_finish(&t);
}

static void warn_of_names(const json_t *tools)
{
    const json_t *tool;
    size_t i;
    json_array_foreach(tools, i, tool)
    {
        char *name = say_clean(field_text(tool, "name"));
        if (!tool_name_is_callable(field_text(tool, "name")))
            fprintf(stderr, "warning: the name '%s' is not one that this service accepts\n", name);
        free(name);
    }
}

static bool print(struct cli *cli, const json_t *tools, struct err *err)
{
    const char *format = cli_text(cli, "format");
    json_t *out;
    if (!format && !cli->is_json) {
        print_table(tools);
        return true;
    }
    if (!tool_list_format(tools, format ? format : "mcp", &out, err))
        return false;
    if (format && strcmp(format, "mcp") != 0)
        warn_of_names(tools);
    json_dumpf(out, stdout, cli->is_json ? JSON_COMPACT : JSON_INDENT(2));
    putchar('\n');
    json_decref(out);
    return true;
}

static bool run(struct cli *cli, struct err *err)
{
    struct tool_place place = {0};
    struct err why = {0};
    json_t *tools = NULL;
    if (cli_has(cli, "start") && !poold_start(cli, err))
        return false;
    if (!tool_place_of(cli, cli_arg(cli, 0, "."), &place, err))
        return false;
    bool ok = tool_list_known(cli, &place, &tools, &why);
    if (!ok && why.code == ERR_NOT_FOUND && cli_has(cli, "start"))
        ok = ask_daemon(cli, &place, &tools, err);
    else if (!ok)
        err_set(err, why.code, 0, "%s", err_text(&why));
    if (!ok && why.code == ERR_NOT_FOUND && !cli_has(cli, "start"))
        cli->remedy = "poolctl tools --start {}";
    ok = ok && print(cli, tools, err);
    json_decref(tools);
    tool_place_finish(&place);
    return ok;
}

const struct cmd cmd_tools = {
    .name = "tools",
    .args = "[DIR]",
    .summary = "the definitions of a server's tools, from memory, for programs",
    .text = "What the server's daemon told last, without starting anything; works while poold is "
            "down. Without --format and --json a table for people. With `--format anthropic` the "
            "output is the value of `tools` for the Messages API, with `--format openai` for the "
            "Chat Completions API; `poolctl call` makes the calls. " DIR_TEXT,
    .options = options,
    .max_args = 1,
    .run = run,
};
