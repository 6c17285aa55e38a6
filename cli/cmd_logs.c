/* cli/cmd_logs.c - `poolctl logs`: what a project's daemon said. */
#include "base/buf.h"
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/log_file.h"
#include "cli/offline.h"
#include "cli/output.h"
#include "cli/target.h"

#include <string.h>

static const struct opt options[] = {
    {"follow", 'f', OPT_FLAG, NULL, 0, 0, "Go on with what comes."},
    {"lines", 'n', OPT_NUMBER, "N", 0, 1000000, "So many last lines (default: 100)."},
    OPT_SERVER,
    {0}};

/* With --json the text becomes {"lines":[...]}, so that every answer is JSON. */
static void print_text(const struct cli *cli, char *text)
{
    json_t *lines = json_array();
    if (!cli->is_json) {
        fputs(text, stdout);
    } else {
        for (char *line = text; *line;) {
            size_t n = strcspn(line, "\n");
            char *one = xstrndup(line, n), *clean = say_clean(one);
            json_array_append_new(lines, json_string(clean));
            free(one);
            free(clean);
            line += n + (line[n] == '\n');
        }
        json_t *answer = json_pack("{s:O}", "lines", lines);
        output_json(cli, answer);
        json_decref(answer);
    }
    json_decref(lines);
}

static bool copy_stream(struct client *c, struct err *err)
{
    const char *data;
    size_t n;
    enum client_news news;
    while ((news = client_read(c, -1, &data, &n, err)) == CLIENT_DATA)
        if (fwrite(data, 1, n, stdout) != n || fflush(stdout) != 0)
            return true; /* nobody reads any more */
    return news == CLIENT_END;
}

static bool ask(struct cli *cli, bool *is_told, struct err *err)
{
    struct target t = {0};
    struct client c;
    bool follow = cli_has(cli, "follow");
    if (!target_of(cli, &t, err))
        return false;
    char *key = call_escape(t.key), *server = call_escape(t.server);
    char *target = xasprintf("/logs?project=%s&server=%s&lines=%lld%s", key, server,
                             (long long)cli_number(cli, "lines", 100), follow ? "&follow=1" : "");
    bool ok =
        call_stream(cli, "GET", target, "text/plain", NULL, follow ? -1 : CALL_WAIT_MS, &c, err);
    *is_told = ok;
    if (ok && follow) {
        ok = copy_stream(&c, err);
        client_close(&c);
    } else if (ok) {
        char *text = NULL;
        ok = client_read_all(&c, 512u << 20, &text, err);
        client_close(&c);
        if (ok)
            print_text(cli, text);
        free(text);
    }
    free(key);
    free(server);
    free(target);
    target_finish(&t);
    return ok;
}

/* The server of the project's last life, if --server does not say. New string or NULL. */
static char *last_server(struct cli *cli, const char *key, struct err *err)
{
    const char *named = cli_text(cli, "server");
    json_t *all = NULL, *d;
    size_t i;
    char *server = named ? xstrdup(named) : NULL;
    const char *latest = "";
    if (named || !offline_daemons(cli, &all, err))
        return server;
    json_array_foreach(all, i, d)
    {
        if (strcmp(field_text(d, "projectKey"), key) == 0 &&
            strcmp(field_text(d, "startedAt"), latest) >= 0) {
            latest = field_text(d, "startedAt");
            str_replace(&server, field_text(d, "server"));
        }
    }
    json_decref(all);
    if (!server)
        err_set(err, ERR_NOT_FOUND, 0, "no daemon of %s ever ran", key);
    return server;
}

static bool read_offline(struct cli *cli, struct err *err)
{
    const struct dirs *dirs;
    char *key = NULL, *server = NULL;
    if (!cli_dirs(cli, &dirs, err) || !offline_key(cli, cli_arg(cli, 0, "."), &key, err) ||
        !(server = last_server(cli, key, err))) {
        free(key);
        return false;
    }
    char *path = xasprintf("%s/logs/%s.%s.log", dirs->state_dir, key, server);
    bool ok = log_file_show(path, cli_number(cli, "lines", 100), cli_has(cli, "follow"), err);
    free(path);
    free(key);
    free(server);
    return ok;
}

static bool run(struct cli *cli, struct err *err)
{
    bool is_told = false;
    if (cli->is_json && cli_has(cli, "follow"))
        return err_set(err, ERR_USAGE, 0, "logs: --follow is a stream of text; leave --json out");
    if (ask(cli, &is_told, err))
        return true;
    if (is_told || cli->is_json || !offline_take_over(err))
        return false;
    return read_offline(cli, err);
}

const struct cmd cmd_logs = {
    .name = "logs",
    .args = "[DIR]",
    .summary = "what a project's daemon said",
    .text = "Its stdout and stderr, with the notes of its keeper. Works while poold is down (not "
            "with --json, which answers {\"lines\":[...]}). " DIR_TEXT,
    .options = options,
    .max_args = 1,
    .run = run,
};
