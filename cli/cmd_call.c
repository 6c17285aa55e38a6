/* cli/cmd_call.c - `poolctl call`: one call of a tool, its content on stdout. */
#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "cli/commands.h"
#include "cli/mcp_session.h"
#include "cli/output.h"
#include "cli/target.h"
#include "cli/tool_arguments.h"
#include "cli/tool_content.h"
#include "cli/tool_list.h"

#include <string.h>
#include <unistd.h>

#define USUAL_WAIT_S 600

static const struct opt options[] = {
    OPT_SERVER,
    {"project", 'C', OPT_TEXT, "DIR", 0, 0,
     "Any directory in the project, or its key (default: the present directory)."},
    {"output", 'o', OPT_TEXT, "DIR", 0, 0,
     "Where images and other binary content are written (default: the present directory)."},
    {"timeout", 't', OPT_NUMBER, "SECONDS", 1, 86400,
     "Give up after this long, a start included (default: 600)."},
    {0}};

/* "-" stands for a JSON object on stdin. New string. */
static bool read_stdin(char **out, struct err *err)
{
    struct buf all = BUF_INIT(CAP_BODY);
    for (;;) {
        char *room = buf_reserve(&all, 4096);
        size_t n = room ? fread(room, 1, 4096, stdin) : 0;
        if (!room) {
            buf_release(&all);
            return err_set(err, ERR_TOO_BIG, 0, "the arguments are larger than 4 MiB");
        }
        if (!n)
            break;
        buf_commit(&all, n);
    }
    *out = buf_take(&all);
    return true;
}

/* The input schema as far as it is remembered; new reference or NULL. */
static json_t *known_schema(struct cli *cli, const char *project, const char *tool)
{
    struct tool_place place = {0};
    struct err ignored = {0};
    json_t *tools = NULL, *schema = NULL;
    if (tool_place_of(cli, project, &place, &ignored) &&
        tool_list_known(cli, &place, &tools, &ignored))
        schema = json_incref(json_object_get(tool_list_find(tools, tool), "inputSchema"));
    json_decref(tools);
    tool_place_finish(&place);
    return schema;
}

static bool read_arguments(struct cli *cli, const char *project, json_t **out, struct err *err)
{
    char **words = cli->args.items + 1, *text = NULL;
    size_t count = cli->args.count - 1;
    bool is_stdin = count == 1 && strcmp(words[0], "-") == 0;
    if (is_stdin && !read_stdin(&text, err))
        return false;
    json_t *schema = is_stdin ? NULL : known_schema(cli, project, cli->args.items[0]);
    bool ok = tool_arguments_read(is_stdin ? &text : words, count, schema, out, err);
    json_decref(schema);
    free(text);
    if (ok && !json_is_object(*out)) {
        json_decref(*out);
        ok = err_set(err, ERR_USAGE, 0, "the arguments are not a JSON object");
    }
    return ok;
}

static void on_progress(void *arg, const char *message, double progress, double total)
{
    char *text = say_clean(message);
    (void)arg;
    if (total > 0)
        fprintf(stderr, "\r\033[K%.0f %% %s", progress / total * 100, text);
    else
        fprintf(stderr, "\r\033[K%s", text);
    fflush(stderr);
    free(text);
}

static bool call(struct cli *cli, const char *project, json_t *arguments, json_t **result,
                 struct err *err)
{
    struct mcp_session s = {0};
    int64_t wait_ms = cli_number(cli, "timeout", USUAL_WAIT_S) * 1000;
    int64_t until_ms = clock_ms() + wait_ms;
    bool is_shown = isatty(STDERR_FILENO) && !cli->is_json;
    if (!mcp_session_open(cli, project, cli_text(cli, "server"), wait_ms, &s, err))
        return false;
    bool ok;
    for (;;) { /* a start may take longer than poold lets a call wait: nothing was handed over */
        struct err why = {0};
        json_t *params =
            json_pack("{s:s, s:O}", "name", cli->args.items[0], "arguments", arguments);
        ok = mcp_session_request(&s, "tools/call", params, is_shown ? on_progress : NULL, NULL,
                                 result, &why);
        if (ok || why.code != ERR_START_TIMEOUT || clock_ms() >= until_ms) {
            if (!ok)
                err_set(err, why.code, 0, "%s", err_text(&why));
            break;
        }
    }
    if (is_shown)
        fputs("\r\033[K", stderr);
    mcp_session_close(&s);
    return ok;
}

static bool print(struct cli *cli, const json_t *result, struct err *err)
{
    bool is_error = field_flag(result, "isError");
    bool ok = output_json(cli, result) ||
              tool_content_write(result, cli->args.items[0],
                                 cli_text(cli, "output") ? cli_text(cli, "output") : ".",
                                 is_error ? stderr : stdout, err);
    if (ok && is_error)
        ok = err_set(err, ERR_TOOL, 0, "%s reported an error", cli->args.items[0]);
    return ok;
}

static bool run(struct cli *cli, struct err *err)
{
    struct target t = {0};
    json_t *arguments = NULL, *result = NULL;
    if (!target_from(cli_text(cli, "project") ? cli_text(cli, "project") : ".", &t, err))
        return false;
    const char *where = t.path ? t.path : t.name;
    bool ok = read_arguments(cli, where, &arguments, err) &&
              call(cli, where, arguments, &result, err) && print(cli, result, err);
    json_decref(arguments);
    json_decref(result);
    target_finish(&t);
    return ok;
}

const struct cmd cmd_call = {
    .name = "call",
    .args = "TOOL ['{JSON}' | KEY=VALUE... | -]",
    .summary = "call a tool and print what it answers",
    .text = "Starts what is needed. The arguments are one JSON object, or KEY=VALUE for each "
            "(VALUE is read by the tool's schema where that is known, else it is a string; "
            "KEY:=JSON is always JSON), or - for a JSON object on stdin. Text goes to stdout, "
            "images and other binary content into new files whose paths are printed. With --json "
            "the whole result is printed. A tool that reports an error (its content is then on "
            "stderr) ends with exit status 25.",
    .options = options,
    .min_args = 1,
    .max_args = 64,
    .run = run,
};
