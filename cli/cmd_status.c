/* cli/cmd_status.c - `poolctl status`: poold itself; `poolctl status DIR`: all about a project. */
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/daemon_detail.h"
#include "cli/daemon_list.h"
#include "cli/daemon_text.h"
#include "cli/offline.h"
#include "cli/output.h"
#include "cli/target.h"

#include <string.h>

static const struct opt options[] = {OPT_EACH_SERVER, {0}};

/* "3: 2 ready, 1 failed" from {"ready":2,"failed":1,"down":0}. */
static char *counts(const json_t *daemons)
{
    const char *state;
    json_t *n, *all = json_incref((json_t *)daemons);
    json_int_t sum = 0;
    char *text = xstrdup("");
    json_object_foreach(all, state, n)
    {
        json_int_t count = json_integer_value(n);
        sum += count;
        if (!count)
            continue;
        char *more = xasprintf("%s%s%lld %s", text, *text ? ", " : "", (long long)count, state);
        free(text);
        text = more;
    }
    json_decref(all);
    char *out = xasprintf("%lld%s%s", (long long)sum, *text ? ": " : "", text);
    free(text);
    return out;
}

static void print_poold(const json_t *status)
{
    const json_t *version = json_object_get(status, "version");
    const json_t *health = json_object_get(status, "health");
    const char *registry = field_text(health, "registry"), *listen = field_text(version, "listen");
    char *up = say_duration(field_number(health, "uptimeMs", 0));
    int64_t orphans = field_number(health, "orphans", 0);
    printf("poold %s is %s (pid %lld, up %s)\n", field_text(version, "version"),
           strcmp(field_text(health, "status"), "ok") == 0 ? "running" : "running, with problems",
           (long long)field_number(health, "pid", 0), up);
    free(up);
    output_fact("front", *listen ? xasprintf("http://%s/mcp", listen) : xstrdup(""));
    output_fact("daemons", counts(json_object_get(health, "daemons")));
    output_fact("sessions", xasprintf("%lld", (long long)field_number(health, "sessions", 0)));
    output_fact("registry", strcmp(registry, "ok") == 0
                                ? xstrdup("ok")
                                : xasprintf("%s: what happens is not remembered (%s)", registry,
                                            field_text(health, "registryProblem")));
    output_fact("orphans", orphans > 0 ? xasprintf("%lld", (long long)orphans) : xstrdup("none"));
    output_fact("config", say_path(field_text(version, "configFile")));
    output_fact("state", say_path(field_text(version, "stateDir")));
    output_fact("run", say_path(field_text(version, "runDir")));
}

static void print_problems(const json_t *daemons)
{
    json_t *bad = json_array();
    const json_t *d;
    size_t i;
    json_array_foreach(daemons, i, d) if (daemon_is_bad(d)) json_array_append(bad, (json_t *)d);
    if (json_array_size(bad)) {
        puts("\nneeds attention:");
        daemon_list_print(bad);
    }
    json_decref(bad);
}

/* poold is down: the last known state on stdout; the exit status says that it is down. */
static bool show_last_known(struct cli *cli, const char *dir, struct err *err)
{
    json_t *daemons = NULL, *d;
    char *key = NULL;
    size_t i;
    struct err down = *err;
    err_clear(err);
    if ((dir && !offline_key(cli, dir, &key, err)) || !offline_daemons(cli, &daemons, err)) {
        free(key);
        return false;
    }
    for (i = json_array_size(daemons); key && i > 0; i--) {
        d = json_array_get(daemons, i - 1);
        if (strcmp(field_text(d, "projectKey"), key) != 0)
            json_array_remove(daemons, i - 1);
    }
    json_t *status = json_pack("{s:b, s:O}", "running", 0, "daemons", daemons);
    if (!output_json(cli, status)) {
        puts("poold is not running; last known state:");
        if (json_array_size(daemons))
            daemon_list_print(daemons);
        else
            puts("  nothing is known");
    }
    json_decref(status);
    json_decref(daemons);
    free(key);
    return err_set(err, down.code, 0, "%s", err_text(&down));
}

static bool show_poold(struct cli *cli, struct err *err)
{
    json_t *health = NULL, *version = NULL, *daemons = NULL, *settings = NULL;
    struct err ignored = {0};
    if (!call_synced(cli, &health, err))
        return err->code == ERR_NOT_RUNNING ? show_last_known(cli, NULL, err) : false;
    bool ok = call_get(cli, "/version", &version, err) && call_get(cli, "/daemons", &daemons, err);
    json_t *status =
        json_pack("{s:b, s:o, s:o, s:o}", "running", 1, "version", version ? version : json_null(),
                  "health", health, "daemons", daemons ? daemons : json_null());
    if (ok && !output_json(cli, status)) {
        if (!call_get(cli, "/settings", &settings, &ignored))
            settings = NULL; /* then without the limits */
        print_poold(status);
        daemon_list_totals(daemons, settings);
        print_problems(daemons);
    }
    json_decref(status);
    json_decref(settings);
    return ok;
}

/* The full view of each daemon of the project. */
static bool fetch_details(struct cli *cli, const struct target *t, json_t *out, struct err *err)
{
    json_t *mine = NULL, *d, *full;
    size_t i;
    bool ok = target_daemons(cli, t, &mine, err);
    json_array_foreach(mine, i, d)
    {
        char *slot = target_slot(t->key, field_text(d, "server"), "");
        ok = ok && call_get(cli, slot, &full, err);
        if (ok)
            json_array_append_new(out, full);
        free(slot);
    }
    json_decref(mine);
    return ok;
}

static bool show_project(struct cli *cli, struct err *err)
{
    struct target t = {0};
    if (!target_of(cli, &t, err))
        return err->code == ERR_NOT_RUNNING ? show_last_known(cli, cli_arg(cli, 0, "."), err)
                                            : false;
    json_t *daemons = json_array(), *d;
    size_t i;
    bool ok = fetch_details(cli, &t, daemons, err);
    json_t *status =
        json_pack("{s:s, s:s, s:O}", "project", t.root, "projectKey", t.key, "daemons", daemons);
    if (ok && !output_json(cli, status)) {
        json_array_foreach(daemons, i, d) daemon_detail_print(d);
        if (json_array_size(daemons) == 0)
            printf("%s has no daemon yet; try: poolctl ensure %s\n", t.root, t.key);
    }
    json_decref(status);
    json_decref(daemons);
    target_finish(&t);
    return ok;
}

static bool run(struct cli *cli, struct err *err)
{
    return cli->args.count || cli_has(cli, "server") ? show_project(cli, err)
                                                     : show_poold(cli, err);
}

const struct cmd cmd_status = {
    .name = "status",
    .args = "[DIR]",
    .summary = "poold itself, or all about one project's daemons",
    .text = "Without DIR: poold's process, places, counts and what needs attention. With DIR "
            "(any directory in the project, or the project's key): endpoints, health by layer, "
            "the last start's steps, clients with their calls, last exits. While poold is down "
            "the last known state is shown and the exit status is 7. JSON: {running, version, "
            "health, daemons}, with DIR {project, projectKey, daemons}.",
    .options = options,
    .max_args = 1,
    .run = run,
};
