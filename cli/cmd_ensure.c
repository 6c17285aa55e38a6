/* cli/cmd_ensure.c - `poolctl ensure`: a ready daemon for a project, and its endpoint. */
#include "base/str.h"
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/daemon_text.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/start_poold.h"
#include "cli/target.h"
#include "cli/trust_files.h"

#include <string.h>

#define LINE_CAP (1024 * 1024)
#define LONGEST_WAIT_MS (3600 * 1000)
#define MARGIN_MS 15000
#define TICK_MS 100
#define TRIES 3

static const struct opt options[] = {
    OPT_SERVER,
    {"direct", 'd', OPT_FLAG, NULL, 0, 0, "Print the daemon's own URL instead of the front's."},
    {"no-wait", 0, OPT_FLAG, NULL, 0, 0, "Ask for the start and return at once."},
    {"timeout", 't', OPT_NUMBER, "SECONDS", 0, 3600,
     "Wait at most this long (default: the setting startWaitSeconds); the start goes on."},
    {"warm", 'w', OPT_FLAG, NULL, 0, 0, "Wait for the warm-up call too."},
    {"trust", 0, OPT_FLAG, NULL, 0, 0,
     "Trust the project first, after showing what that allows (see `poolctl help trust`)."},
    {"force", 'f', OPT_FLAG, NULL, 0, 0, "Try again at once even if the last start failed."},
    {0}};

static json_t *make_body(struct cli *cli, const struct target *t, const char *brought)
{
    json_t *body = json_object();
    const char *server = cli_text(cli, "server");
    target_to_body(t, body);
    if (server)
        json_object_set_new(body, "server", json_string(server));
    if (cli_has(cli, "timeout"))
        json_object_set_new(body, "waitMs", json_integer(cli_number(cli, "timeout", 0) * 1000));
    if (cli_has(cli, "no-wait"))
        json_object_set_new(body, "noWait", json_true());
    if (cli_has(cli, "warm"))
        json_object_set_new(body, "warm", json_true());
    if (cli_has(cli, "trust"))
        json_object_set_new(body, "trust", json_true());
    if (brought)
        json_object_set_new(body, "brought", json_string(brought));
    if (cli_has(cli, "force"))
        json_object_set_new(body, "force", json_true());
    return body;
}

/* One line of the stream. True until it is the last one. */
static bool take_line(struct cli *cli, struct progress *p, const char *text, size_t n,
                      json_t **daemon, struct err *err)
{
    json_t *line = json_loadb(text, n, 0, NULL), *problem;
    if (!line) {
        err_set(err, ERR_PARSE, 0, "poold's answer is not JSON");
        return false;
    }
    *daemon = json_incref(json_object_get(line, "daemon"));
    problem = json_object_get(line, "problem");
    if (problem)
        call_refused(cli, problem, 500, err);
    else if (!*daemon)
        progress_step(p, line);
    bool goes_on = !problem && !*daemon;
    json_decref(line);
    return goes_on;
}

/* All whole lines in b. True until the last one was taken. */
static bool take_lines(struct cli *cli, struct progress *p, struct buf *b, json_t **daemon,
                       struct err *err)
{
    char *end;
    while (b->len && (end = memchr(b->data, '\n', b->len))) {
        size_t n = (size_t)(end - b->data);
        if (n && !take_line(cli, p, b->data, n, daemon, err))
            return false;
        buf_consume(b, n + 1);
    }
    return true;
}

static bool follow(struct cli *cli, struct client *c, struct progress *p, json_t **daemon,
                   struct err *err)
{
    struct buf b = BUF_INIT(LINE_CAP);
    const char *data;
    size_t n;
    for (bool goes_on = true; goes_on;) {
        enum client_news news = client_read(c, p->is_shown ? TICK_MS : -1, &data, &n, err);
        if (news == CLIENT_QUIET) {
            progress_tick(p);
        } else if (news == CLIENT_DATA) {
            goes_on = buf_add(&b, data, n) ? take_lines(cli, p, &b, daemon, err)
                                           : err_set(err, ERR_TOO_BIG, 0, "a line is too long");
        } else {
            if (news == CLIENT_END)
                err_set(err, ERR_NOT_RUNNING, 0, "poold went away before the start was over");
            goes_on = false;
        }
    }
    buf_release(&b);
    return *daemon != NULL;
}

static bool ask(struct cli *cli, json_t *body, struct progress *p, json_t **daemon, struct err *err)
{
    struct client c;
    int64_t wait_ms = cli_number(cli, "timeout", LONGEST_WAIT_MS / 1000) * 1000 + MARGIN_MS;
    /* The head comes at once, whatever the start takes: a poold that hangs is noticed. */
    if (!call_stream(cli, "POST", "/ensure", "application/x-ndjson", json_incref(body),
                     CALL_WAIT_MS, &c, err))
        return false;
    c.channel.deadline_ms += wait_ms;
    bool ok;
    if (c.is_ndjson) {
        ok = follow(cli, &c, p, daemon, err);
    } else {
        char *text = NULL;
        ok = client_read_all(&c, LINE_CAP, &text, err);
        if (ok && !(*daemon = json_loads(text, 0, NULL)))
            ok = err_set(err, ERR_PARSE, 0, "poold's answer is not JSON");
        free(text);
    }
    client_close(&c);
    return ok;
}

/* Asking twice is harmless, so a poold that is absent, or dies under us, is started and asked
 * again. */
static bool ask_until_told(struct cli *cli, json_t *body, struct progress *p, json_t **daemon,
                           struct err *err)
{
    for (int i = 0; i < TRIES; i++) {
        struct err why = {0};
        if (ask(cli, body, p, daemon, &why))
            return true;
        if (why.code != ERR_NOT_RUNNING || cli->problem || i + 1 == TRIES)
            return err_set(err, why.code, 0, "%s", err_text(&why));
        if (!poold_start(cli, err))
            return false;
    }
    return false;
}

static bool print_url(struct cli *cli, const json_t *daemon, struct err *err)
{
    const char *url = field_text(daemon, cli_has(cli, "direct") ? "directUrl" : "url");
    if (output_json(cli, daemon))
        return true;
    if (!*url && cli_has(cli, "direct"))
        return err_set(err, ERR_METHOD, 0, "%s has no URL of its own (%s); use the front's",
                       field_text(daemon, "server"),
                       daemon_row_is_up(daemon) ? "it speaks stdio" : "it is not up yet");
    puts(url);
    return true;
}

static bool judge(const json_t *daemon, struct err *err)
{
    char *cause = daemon_cause(daemon);
    const char *state = field_text(daemon, "state");
    if (strcmp(state, "failed") == 0)
        err_set(err, ERR_START_FAILED, 0, "%s", cause);
    else if (daemon_is_degraded(daemon))
        err_set(err, ERR_DEGRADED, 0, "%s runs degraded: %s", field_text(daemon, "server"), cause);
    free(cause);
    return err->code == ERR_OK;
}

/* --trust: what that allows, before it is done. A folder that no project is found for becomes one.
 */
static bool show_trust(struct cli *cli, struct target *t, char **brought, struct err *err)
{
    struct err why = {0};
    if (!cli_has(cli, "trust"))
        return true;
    if (!poold_start(cli, err))
        return false;
    if (!target_resolve(cli, t, cli_text(cli, "server"), &why) && !t->path)
        return err_set(err, why.code, 0, "%s", err_text(&why));
    *brought = trust_files_show(t->root ? t->root : t->path, stderr);
    return true;
}

static bool run(struct cli *cli, struct err *err)
{
    struct target t = {0};
    struct progress p;
    json_t *daemon = NULL;
    char *brought = NULL;
    if (!target_from(cli_arg(cli, 0, "."), &t, err) || !show_trust(cli, &t, &brought, err)) {
        free(brought);
        target_finish(&t);
        return false;
    }
    char *place = say_path(t.path ? t.path : t.name);
    const char *server = cli_text(cli, "server");
    progress_begin(&p, server ? xasprintf("%s for %s", server, place) : xstrdup(place),
                   !cli->is_json && !cli_has(cli, "no-wait"));
    json_t *body = make_body(cli, &t, brought);
    bool ok = ask_until_told(cli, body, &p, &daemon, err);
    progress_end(&p, !ok ? "failed" : daemon_is_degraded(daemon) ? "degraded" : "ready");
    bool failed = ok && strcmp(field_text(daemon, "state"), "failed") == 0;
    if (ok && (!failed || cli->is_json))
        ok = print_url(cli, daemon, err);
    ok = ok && judge(daemon, err);
    json_decref(daemon);
    json_decref(body);
    free(brought);
    free(place);
    target_finish(&t);
    return ok;
}

const struct cmd cmd_ensure = {
    .name = "ensure",
    .args = "[DIR]",
    .summary = "have a ready daemon for a project; print its endpoint",
    .text = "Starts poold if none runs, finds the project of DIR, starts its daemon or joins a "
            "start that is under way, and returns after the MCP handshake. Stdout has the endpoint "
            "URL alone. A daemon that runs but whose tools do not work is printed too, with the "
            "cause on stderr and exit status 6. " DIR_TEXT,
    .options = options,
    .max_args = 1,
    .run = run,
};
