/* cli/doctor_service.c - doctor's checks of the service manager and of the environment that daemons
 * get. */
#include "base/clock.h"
#include "cli/doctor.h"
#include "cli/say.h"
#include "cli/service_places.h"
#include "platform/shell_env.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

/* Would install write other files now? PATH apart, which the environment's check looks at. */
static bool is_outdated(struct doctor *d)
{
    struct service_places_kept kept = {0};
    struct service_files files = {0};
    struct err ignored = {0};
    char *recorded = service_installed_path(service_native);
    if (!service_places_find(d->cli, &kept, &ignored)) {
        free(recorded);
        return false;
    }
    if (recorded)
        strv_env_set(&kept.environment, "PATH", recorded);
    bool is = service_files_make(service_native, &kept.places, &files, &ignored) &&
              !service_is_current(&files);
    service_files_finish(&files);
    service_places_finish(&kept);
    free(recorded);
    return is;
}

void doctor_service(struct doctor *d)
{
    const struct service_look *l = &d->service;
    const char *name = service_native->name;
    bool is_ours = d->running.pid && l->pid == d->running.pid;
    if (!d->is_service_installed) {
        doctor_add(
            d, "service", DOCTOR_NOT_APPLICABLE,
            xasprintf("poold is not installed under %s; poolctl starts it when it is needed", name),
            xstrdup("poolctl service install   (to have it from login on)"));
        return;
    }
    if (!l->can_ask) {
        doctor_add(d, "service", DOCTOR_WARNING,
                   xasprintf("it is installed, but %s cannot be asked: %s", name,
                             l->problem ? l->problem : "no reason is known"),
                   xstrdup("poolctl service install   (shows what to run where it can)"));
    } else if (!l->does_listen || (d->running.pid && !is_ours)) {
        doctor_add(
            d, "service", DOCTOR_PROBLEM,
            d->running.pid ? xasprintf("it is installed, but a poold that runs by itself (pid %ld) "
                                       "serves",
                                       (long)d->running.pid)
                           : xasprintf("it is installed, but %s does not hold its sockets (%s)",
                                       name, l->state ? l->state : "unknown"),
            xstrdup(d->running.pid ? "poolctl service install --now" : "poolctl service install"));
    } else {
        doctor_add(d, "service", DOCTOR_OK,
                   xasprintf("%s has it: %s", name, l->state ? l->state : "unknown"), NULL);
    }
    if (is_outdated(d))
        doctor_add(d, "service", DOCTOR_WARNING,
                   xstrdup("its files are not as this poolctl would write them"),
                   xstrdup("poolctl service install"));
    if (service_native->linger_note && l->is_linger_known && !l->does_linger)
        doctor_add(d, "service", DOCTOR_WARNING, xstrdup(service_native->linger_note),
                   xstrdup(service_native->linger_remedy));
}

/* --- environment --- */

/* What the login shell says PATH is. New string, or NULL with err. */
static char *ask_shell(struct err *err)
{
    struct shell_env *s = NULL;
    struct strv said = {0};
    int64_t until = clock_ms() + SHELL_ENV_LIMIT_MS;
    if (!shell_env_start(NULL, &s, err))
        return NULL;
    for (int64_t left; (left = until - clock_ms()) > 0;) {
        struct pollfd p = {.fd = shell_env_fd(s), .events = POLLIN};
        if (poll(&p, 1, (int)left) > 0 && shell_env_feed(s) == SHELL_ENV_DONE)
            break;
    }
    bool ok = shell_env_finish(s, &said, err);
    char *path = ok ? xstrdup(strv_env_get(&said, "PATH")) : NULL;
    strv_finish(&said);
    return path;
}

static bool has_entry(const char *path, const char *entry, size_t n)
{
    for (const char *at = path; *at;) {
        size_t len = strcspn(at, ":");
        if (len == n && strncmp(at, entry, n) == 0)
            return true;
        at += len + (at[len] == ':');
    }
    return false;
}

/* The entries of `of` that `in` lacks, "a, b". New string, "" if none. */
static char *missing_in(const char *in, const char *of)
{
    char *out = xstrdup("");
    for (const char *at = of; *at;) {
        size_t n = strcspn(at, ":");
        if (n && *at == '/' && !has_entry(in, at, n)) {
            char *more = xasprintf("%s%s%.*s", out, *out ? ", " : "", (int)n, at);
            free(out);
            out = more;
        }
        at += n + (at[n] == ':');
    }
    return out;
}

static char *kept_path(const struct doctor *d)
{
    char *file = str_path(d->dirs->state_dir, "terminal-path"), *text = NULL;
    struct err ignored = {0};
    if (dirs_read_file(file, 64 * 1024, &text, NULL, &ignored))
        text[strcspn(text, "\n")] = '\0';
    free(file);
    return text;
}

/* Does poold give daemons another PATH than a new terminal has? */
static void compare_kept(struct doctor *d, const char *shell)
{
    char *kept = kept_path(d);
    char *missing = kept ? missing_in(kept, shell) : xstrdup("");
    char *gone = kept ? missing_in(shell, kept) : xstrdup("");
    if (!d->answers)
        doctor_add(d, "environment", DOCTOR_OK,
                   xstrdup("your shell answers; poold asks it anew "
                           "when it starts"),
                   NULL);
    else if (*missing || *gone)
        doctor_add(d, "environment", DOCTOR_WARNING,
                   xasprintf("the PATH that daemons get is not that of a new terminal:%s%s%s%s",
                             *missing ? " it lacks " : "", missing, *gone ? " it still has " : "",
                             gone),
                   xstrdup("poolctl reload"));
    else
        doctor_add(d, "environment", DOCTOR_OK, xstrdup("daemons get the PATH of a new terminal"),
                   NULL);
    free(kept);
    free(missing);
    free(gone);
}

static void compare_recorded(struct doctor *d, const char *shell)
{
    char *recorded = service_installed_path(service_native);
    char *missing = recorded ? missing_in(recorded, shell) : xstrdup("");
    if (*missing)
        doctor_add(d, "environment", DOCTOR_WARNING,
                   xasprintf("the PATH recorded for the service lacks %s", missing),
                   xstrdup("poolctl service install   (from a new terminal)"));
    free(recorded);
    free(missing);
}

void doctor_environment(struct doctor *d)
{
    struct err err = {0};
    char *shell = ask_shell(&err);
    if (!shell) {
        doctor_add(d, "environment", DOCTOR_WARNING,
                   xasprintf("your shell does not say its PATH: %s", err_text(&err)),
                   xstrdup("time ${SHELL:-/bin/sh} -lic 'echo $PATH' </dev/null   (it must end "
                           "within 5 s)"));
        return;
    }
    compare_kept(d, shell);
    if (d->is_service_installed)
        compare_recorded(d, shell);
    if (!d->answers) { /* what the next poold will give them */
        free(d->path);
        d->path = xstrdup(shell);
    }
    free(shell);
}
