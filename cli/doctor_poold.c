/* cli/doctor_poold.c - doctor's checks of poold itself: running, port, configuration, registry,
 * daemons. */
#include "base/clock.h"
#include "cli/call.h"
#include "cli/daemon_text.h"
#include "cli/doctor.h"
#include "cli/offline.h"
#include "cli/say.h"
#include "platform/net.h"
#include "platform/peer.h"
#include "platform/proc.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *doctor_process(pid_t pid)
{
    static struct peer_process process; /* large; one thread */
    if (pid <= 0)
        return xstrdup("a process that is not yours");
    process.name[0] = '\0';
    peer_of_pid(pid, &process);
    return process.name[0] ? xasprintf("%s (pid %ld)", process.name, (long)pid)
                           : xasprintf("the process %ld", (long)pid);
}

/* The command that starts poold here and now. */
static char *start_command(const struct doctor *d)
{
    if (d->is_service_installed && d->service.can_ask)
        return xstrdup("poolctl service install");
    char *at = say_quoted(d->at), *text = xasprintf("poolctl ensure %s", at);
    free(at);
    return text;
}

void doctor_poold(struct doctor *d)
{
    pid_t pid = d->running.pid;
    if (d->answers) {
        char *up = say_duration(field_number(d->health, "uptimeMs", 0));
        doctor_add(
            d, "poold", DOCTOR_OK,
            xasprintf("%s runs (pid %ld), up %s", field_text(d->version, "version"), (long)pid, up),
            NULL);
        free(up);
        return;
    }
    if (!pid && d->service.does_listen) {
        doctor_add(d, "poold", DOCTOR_OK,
                   xasprintf("it is not running; %s starts it when a client connects",
                             service_native->name),
                   NULL);
        return;
    }
    if (!pid) {
        doctor_add(d, "poold", DOCTOR_PROBLEM,
                   xstrdup("it is not running: clients that have its URL are refused"),
                   start_command(d));
        return;
    }
    struct proc_id id = {pid, 0};
    if (proc_is_stopped(id))
        doctor_add(d, "poold", DOCTOR_PROBLEM,
                   xasprintf("it is stopped (pid %ld) and answers nobody", (long)pid),
                   xasprintf("kill -CONT %ld", (long)pid));
    else
        doctor_add(d, "poold", DOCTOR_PROBLEM,
                   xasprintf("it does not answer (pid %ld): %s", (long)pid, err_text(&d->down)),
                   xasprintf("kill -KILL %ld   (it is started again; daemons live on)", (long)pid));
}

void doctor_port(struct doctor *d)
{
    pid_t who = 0;
    if (d->answers || d->service.does_listen || d->running.pid) {
        doctor_add(d, "port", DOCTOR_OK, xasprintf("%s is poold's", d->listen), NULL);
        return;
    }
    if (d->port == 0 || net_port_is_free(d->port)) {
        doctor_add(d, "port", DOCTOR_OK, xasprintf("%s is free", d->listen), NULL);
        return;
    }
    proc_port_owner(d->port, 0, &who);
    char *name = doctor_process(who);
    doctor_add(d, "port", DOCTOR_PROBLEM,
               xasprintf("%s is taken by %s, so that poold cannot start", d->listen, name),
               who > 0 ? xasprintf("kill %ld   (or give poold another port: --listen, "
                                   "POOLD_LISTEN, and clients that URL)",
                                   (long)who)
                       : xstrdup("export POOLD_LISTEN=127.0.0.1:7338   (and give clients that "
                                 "URL)"));
    free(name);
}

/* --- configuration --- */

static void check_reloaded(struct doctor *d)
{
    struct stat st;
    int64_t loaded = field_time(d->settings, "loadedAt");
    if (!loaded || stat(d->dirs->config_file, &st) || (int64_t)st.st_mtime * 1000 <= loaded)
        return;
    doctor_add(d, "config", DOCTOR_WARNING, xstrdup("the file was changed after poold had read it"),
               xstrdup("poolctl reload"));
}

void doctor_config(struct doctor *d)
{
    char *file = say_path(d->dirs->config_file);
    if (!d->config) {
        char *quoted = say_quoted(d->dirs->config_file);
        doctor_add(d, "config", DOCTOR_PROBLEM, xstrdup(err_text(&d->config_err)),
                   xasprintf("${EDITOR:-vi} %s; poolctl config --check", quoted));
        free(quoted);
    } else {
        doctor_add(d, "config", DOCTOR_OK,
                   xasprintf("%s: %s", file,
                             d->config->file_exists ? "no mistake" : "not there, all defaults"),
                   NULL);
        for (size_t i = 0; i < d->config->warnings.count; i++)
            doctor_add(d, "config", DOCTOR_WARNING, xstrdup(d->config->warnings.items[i]), NULL);
        check_reloaded(d);
    }
    free(file);
}

/* --- registry --- */

static void add_damaged(struct doctor *d)
{
    DIR *dir = opendir(d->dirs->state_dir);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (!str_starts(e->d_name, "registry.db.damaged") || str_ends(e->d_name, "-wal") ||
            str_ends(e->d_name, "-shm"))
            continue;
        char *file = str_path(d->dirs->state_dir, e->d_name), *quoted = say_quoted(file);
        doctor_add(d, "registry", DOCTOR_WARNING,
                   xasprintf("it was damaged once, put aside and rebuilt from the living keepers: "
                             "%s",
                             e->d_name),
                   xasprintf("rm -f %s*", quoted));
        free(file);
        free(quoted);
    }
    if (dir)
        closedir(dir);
}

void doctor_registry(struct doctor *d)
{
    const char *problem = field_text(d->health, "registryProblem");
    char *state = say_quoted(d->dirs->state_dir);
    json_t *daemons = NULL;
    struct err err = {0};
    if (*problem)
        doctor_add(d, "registry", DOCTOR_PROBLEM,
                   xasprintf("what happens is not remembered: %s", problem),
                   xasprintf("df -h %s; ls -la %s", state, state));
    else if (!d->answers && !offline_daemons(d->cli, &daemons, &err))
        doctor_add(d, "registry", DOCTOR_PROBLEM, xstrdup(err_text(&err)),
                   xasprintf("mv %s/registry.db %s/registry.db.aside   (poold makes a new one)",
                             state, state));
    else
        doctor_add(d, "registry", DOCTOR_OK, xstrdup("it can be read"), NULL);
    json_decref(daemons);
    free(state);
    add_damaged(d);
}

/* --- daemons --- */

void doctor_daemons(struct doctor *d)
{
    const json_t *one;
    size_t i, bad = 0;
    json_array_foreach(d->daemons, i, one)
    {
        if (!daemon_is_bad(one))
            continue;
        bad++;
        char *where = say_path(field_text(one, "project")), *cause = daemon_cause(one);
        bool is_failed = strcmp(field_text(one, "state"), "failed") == 0;
        doctor_add(d, "daemons", DOCTOR_PROBLEM,
                   xasprintf("%s for %s %s: %s", field_text(one, "server"), where,
                             is_failed ? "could not be started" : "runs, but does not work", cause),
                   daemon_remedy(one));
        free(where);
        free(cause);
    }
    if (!bad)
        doctor_add(d, "daemons", DOCTOR_OK,
                   xasprintf("%zu known, none has failed", json_array_size(d->daemons)), NULL);
}
