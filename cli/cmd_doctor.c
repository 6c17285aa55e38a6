/* cli/cmd_doctor.c - `poolctl doctor`: what commonly goes wrong, each with its remedy. */
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/doctor.h"
#include "cli/offline.h"
#include "cli/output.h"

#include <string.h>
#include <unistd.h>

#define DEFAULT_LISTEN "127.0.0.1:7337"
#define ANSWER_MS 5000

/* Stands for the built-in server, which only poold knows. */
static const char builtin[] = "{\"command\": \"serena\"}";

static const char *const words[DOCTOR_COUNT] = {"ok", "warning", "problem", "not-applicable"};
static const enum colour colours[DOCTOR_COUNT] = {GREEN, YELLOW, RED, DIM};

void doctor_add(struct doctor *d, const char *check, enum finding finding, char *text, char *remedy)
{
    char *clean = say_clean(text);
    d->counts[finding]++;
    json_array_append_new(d->checks, json_pack("{s:s, s:s, s:s, s:o}", "check", check, "state",
                                               words[finding], "text", clean, "remedy",
                                               remedy ? json_string(remedy) : json_null()));
    free(clean);
    free(text);
    free(remedy);
}

/* --- gathering --- */

/* Ask poold if a process claims to serve: a connect alone could start one under systemd. */
static void ask_poold(struct doctor *d)
{
    struct err ignored = {0};
    if (!d->running.pid) {
        err_set(&d->down, ERR_NOT_RUNNING, 0, "poold is not running");
        return;
    }
    d->answers = call_api(d->cli, "GET", "/health", NULL, ANSWER_MS, &d->health, &d->down) &&
                 call_api(d->cli, "GET", "/version", NULL, ANSWER_MS, &d->version, &d->down) &&
                 call_api(d->cli, "GET", "/daemons", NULL, ANSWER_MS, &d->daemons, &d->down);
    if (d->answers && !call_get(d->cli, "/settings", &d->settings, &ignored))
        d->settings = NULL;
}

static void find_listen(struct doctor *d)
{
    const char *given = cli_text(d->cli, "listen"), *env = getenv("POOLD_LISTEN");
    const char *served = field_text(d->version, "listen");
    const char *listen = *served           ? served
                         : given && *given ? given
                         : env && *env     ? env
                                           : DEFAULT_LISTEN;
    const char *colon;
    int64_t port;
    d->listen_kept = xstrdup(listen);
    d->listen = d->listen_kept;
    colon = strrchr(d->listen, ':');
    if (colon && str_to_int(colon + 1, 0, 65535, &port))
        d->port = (int)port;
}

/* PATH for daemons: what poold was told by the shell, else our own. */
static void find_path(struct doctor *d)
{
    char *file = str_path(d->dirs->state_dir, "terminal-path");
    struct err ignored = {0};
    if (dirs_read_file(file, 64 * 1024, &d->path, NULL, &ignored))
        d->path[strcspn(d->path, "\n")] = '\0';
    else
        d->path = xstrdup(getenv("PATH") ? getenv("PATH") : "/usr/local/bin:/usr/bin:/bin");
    free(file);
}

static bool gather(struct doctor *d, struct err *err)
{
    struct service_files files = {0};
    struct err ignored = {0};
    if (!cli_dirs(d->cli, &d->dirs, err) || !running_look(d->cli, &d->running, err))
        return false;
    d->is_asked = d->cli->args.count > 0;
    d->at = cli_arg(d->cli, 0, ".");
    ask_poold(d);
    if (!d->daemons && !offline_daemons(d->cli, &d->daemons, &ignored))
        d->daemons = json_array();
    d->config = config_load(d->dirs->config_file, builtin, &d->config_err);
    find_listen(d);
    find_path(d);
    service_native->look(&d->service);
    if (service_native->list(&files, &ignored)) {
        d->is_service_installed = true;
        for (size_t i = 0; i < files.count; i++)
            if (access(files.items[i].path, F_OK))
                d->is_service_installed = false;
    }
    service_files_finish(&files);
    return true;
}

static void finish(struct doctor *d)
{
    json_decref(d->health);
    json_decref(d->version);
    json_decref(d->daemons);
    json_decref(d->settings);
    json_decref(d->checks);
    config_free(d->config);
    service_look_finish(&d->service);
    free(d->listen_kept);
    free(d->path);
}

/* --- the report --- */

static void print(const struct doctor *d)
{
    const json_t *c;
    size_t i;
    json_array_foreach(d->checks, i, c)
    {
        const char *state = field_text(c, "state"), *remedy = field_text(c, "remedy");
        size_t n = 0;
        while (n + 1 < DOCTOR_COUNT && strcmp(words[n], state) != 0)
            n++;
        const char *shown = n == DOCTOR_NOT_APPLICABLE ? "-" : words[n];
        say_coloured(stdout, colours[n], shown);
        printf("%*s%-12s %s\n", (int)(9 - strlen(shown)), "", field_text(c, "check"),
               field_text(c, "text"));
        if (*remedy)
            printf("%22stry: %s\n", "", remedy);
    }
}

static bool run(struct cli *cli, struct err *err)
{
    static void (*const checks[])(struct doctor *) = {
        doctor_poold,       doctor_port,    doctor_config,  doctor_registry, doctor_service,
        doctor_environment, doctor_servers, doctor_clients, doctor_project,  doctor_daemons,
        doctor_limits,      doctor_ports,   doctor_orphans};
    struct doctor d = {.cli = cli, .checks = json_array()};
    bool ok = gather(&d, err);
    for (size_t i = 0; ok && i < sizeof checks / sizeof *checks; i++)
        checks[i](&d);
    json_decref(cli->problem); /* a check's, not ours */
    cli->problem = NULL;
    if (ok) {
        json_t *out =
            json_pack("{s:I, s:I, s:O}", "problems", (json_int_t)d.counts[DOCTOR_PROBLEM],
                      "warnings", (json_int_t)d.counts[DOCTOR_WARNING], "checks", d.checks);
        if (!output_json(cli, out))
            print(&d);
        json_decref(out);
        if (d.counts[DOCTOR_PROBLEM])
            ok = err_set(
                err, ERR_UNHEALTHY, 0, "%lld problem%s, %lld warning%s",
                (long long)d.counts[DOCTOR_PROBLEM], d.counts[DOCTOR_PROBLEM] == 1 ? "" : "s",
                (long long)d.counts[DOCTOR_WARNING], d.counts[DOCTOR_WARNING] == 1 ? "" : "s");
    }
    finish(&d);
    return ok;
}

const struct cmd cmd_doctor = {
    .name = "doctor",
    .args = "[DIR]",
    .summary = "look for what commonly goes wrong, with the command that helps",
    .text = "Checks poold itself, its port, configuration, registry, service manager, "
            "environment, servers and language servers, the clients' configuration (read only), "
            "the project of DIR (default: the present directory), daemons, limits, strangers on "
            "its ports and orphans. Changes and starts nothing, and works while poold is down. "
            "Exit status 0 when there is no problem (warnings are none), else 24. JSON: "
            "{problems, warnings, checks[{check, state, text, remedy}]}, state being ok, "
            "warning, problem or not-applicable.",
    .options = NULL,
    .max_args = 1,
    .run = run,
};
