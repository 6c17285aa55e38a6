/* cli/cmd_service.c - `poolctl service`: install, uninstall and look at poold as a service. */
#include "cli/commands.h"
#include "cli/offline.h"
#include "cli/output.h"
#include "cli/running.h"
#include "cli/service.h"
#include "cli/service_places.h"
#include "cli/tool.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define STEP_WAIT_MS 90000

static const struct opt options[] = {
    {"print", 0, OPT_FLAG, NULL, 0, 0, "Only show the files that install would write."},
    {"now", 0, OPT_FLAG, NULL, 0, 0,
     "Hand a poold that runs by itself over to the service: it ends, its daemons live on."},
    {"manager", 0, OPT_TEXT, "NAME", 0, 0, "systemd or launchd (default: this system's own)."},
    {0}};

struct service { /* one call */
    struct cli *cli;
    const struct service_manager *manager;
    struct service_places_kept kept;
    struct service_files files;
    struct service_look look;
    struct running running;
    json_t *commands, *notes; /* what was run or is to be run; what else is to be known */
};

static void note(struct service *s, char *text)
{
    json_array_append_new(s->notes, json_string(text));
    free(text);
}

static bool is_under_manager(const struct service *s)
{
    return s->running.pid && s->look.pid == s->running.pid;
}

/* --- install --- */

static void print_files(const struct service *s)
{
    json_t *all = json_array();
    for (size_t i = 0; i < s->files.count; i++)
        json_array_append_new(all, json_pack("{s:s, s:s}", "path", s->files.items[i].path, "text",
                                             s->files.items[i].text));
    json_t *out = json_pack("{s:s, s:o}", "manager", s->manager->name, "files", all);
    if (!output_json(s->cli, out))
        for (size_t i = 0; i < s->files.count; i++)
            printf("%s==> %s <==\n%s", i ? "\n" : "", s->files.items[i].path,
                   s->files.items[i].text);
    json_decref(out);
}

static bool write_files(const struct service *s, struct err *err)
{
    const struct dirs *dirs = s->kept.dirs;
    char *logs = str_path(dirs->state_dir, "logs");
    bool ok = dirs_make(dirs->state_dir, true, err) && dirs_make(dirs->run_dir, true, err) &&
              dirs_make(logs, true, err);
    free(logs);
    for (size_t i = 0; ok && i < s->files.count; i++) {
        const struct service_file *f = &s->files.items[i];
        char *dir = xstrndup(f->path, (size_t)(strrchr(f->path, '/') - f->path));
        if (f->state != SERVICE_CURRENT)
            ok = dirs_make(dir, false, err) &&
                 dirs_write_file(f->path, f->text, strlen(f->text), 0644, err);
        free(dir);
    }
    return ok;
}

/* Run the commands, or only note them where there is nobody to run them. */
static bool take_steps(struct service *s, struct strv *steps, size_t count, struct err *err)
{
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        char *text = service_step_text(&steps[i]), *said = NULL;
        int status = 0;
        json_array_append_new(s->commands, json_string(text));
        if (ok && s->look.can_ask) {
            ok = tool_run(steps[i].items, STEP_WAIT_MS, &said, &status, err);
            if (ok && status != 0)
                ok = err_set(err, ERR_START_FAILED, 0, "`%s` failed: %s", text,
                             *said ? said : "it says nothing");
        }
        free(said);
        free(text);
        strv_finish(&steps[i]);
    }
    return ok;
}

static json_t *files_view(const struct service *s, const char *const words[3])
{
    json_t *all = json_array();
    for (size_t i = 0; i < s->files.count; i++)
        json_array_append_new(all, json_pack("{s:s, s:s}", "path", s->files.items[i].path, "state",
                                             words[s->files.items[i].state]));
    return all;
}

static void say_result(struct service *s, json_t *files, const char *done)
{
    bool has_manager = s->look.can_ask;
    json_t *out = json_pack("{s:s, s:o, s:b, s:O, s:O}", "manager", s->manager->name, "files",
                            files, "managerReachable", has_manager, "commands", s->commands,
                            "notes", s->notes),
           *item;
    size_t i;
    if (!output_json(s->cli, out)) {
        json_array_foreach(files, i, item)
            printf("%-9s %s\n", field_text(item, "state"), field_text(item, "path"));
        if (!has_manager && json_array_size(s->commands)) {
            printf("%s cannot be asked from here (%s); where it can, run:\n", s->manager->name,
                   s->look.problem ? s->look.problem : "no reason is known");
            json_array_foreach(s->commands, i, item) printf("    %s\n", json_string_value(item));
        } else if (has_manager) {
            json_array_foreach(s->commands, i, item)
                printf("ran       %s\n", json_string_value(item));
            puts(done);
        }
        json_array_foreach(s->notes, i, item) printf("note: %s\n", json_string_value(item));
    }
    json_decref(out);
}

static void note_linger(struct service *s)
{
    if (s->manager->linger_note && s->look.is_linger_known && !s->look.does_linger)
        note(s, xasprintf("%s; to keep it from boot on: %s", s->manager->linger_note,
                          s->manager->linger_remedy));
}

/* A poold that runs by itself has the sockets: it must go before the manager can have them. */
static bool make_room(struct service *s, bool *has_room, struct err *err)
{
    *has_room = !s->running.pid || is_under_manager(s);
    if (*has_room || !s->look.can_ask)
        return true;
    if (!cli_has(s->cli, "now")) {
        note(s, xasprintf("poold (pid %ld) runs by itself and has the sockets; hand it over "
                          "(daemons live on): poolctl service install --now",
                          (long)s->running.pid));
        return true;
    }
    *has_room = running_end_keeping(s->cli, &s->running, err);
    return *has_room;
}

static bool install(struct service *s, struct err *err)
{
    static const char *const words[] = {"written", "updated", "unchanged"};
    struct strv steps[SERVICE_STEPS_MAX];
    bool has_room;
    if (!write_files(s, err) || !make_room(s, &has_room, err))
        return false;
    bool starts = has_room || !s->look.can_ask;
    if (!s->look.can_ask && s->running.holder)
        note(s, xstrdup("first end the poold that runs by itself (daemons live on): "
                        "poolctl shutdown --keep-daemons"));
    size_t count =
        starts ? s->manager->start(&s->files, s->look.is_active || s->look.does_listen, steps)
               : s->manager->enable_only(&s->files, steps);
    if (!take_steps(s, steps, count, err)) {
        s->cli->remedy = "poolctl doctor";
        return false;
    }
    note_linger(s);
    say_result(s, files_view(s, words),
               starts ? "poold runs as a service"
                      : "poold will run as a service from the next "
                        "login on");
    return true;
}

/* --- uninstall --- */

static bool remove_files(const struct service *s, struct err *err)
{
    for (size_t i = 0; i < s->files.count; i++)
        if (unlink(s->files.items[i].path) && errno != ENOENT)
            return err_set(err, ERR_SYSTEM, errno, "unable to remove %s", s->files.items[i].path);
    return true;
}

static bool uninstall(struct service *s, struct err *err)
{
    static const char *const words[] = {"not there", "removed", "removed"};
    struct strv steps[SERVICE_STEPS_MAX];
    bool is_there = false;
    for (size_t i = 0; i < s->files.count; i++)
        is_there = is_there || s->files.items[i].state != SERVICE_ABSENT;
    size_t count = is_there ? s->manager->stop(&s->files, steps) : 0;
    if (!take_steps(s, steps, count, err) || !remove_files(s, err))
        return false;
    count = is_there ? s->manager->after_removal(steps) : 0;
    if (!take_steps(s, steps, count, err))
        return false;
    if (offline_has_living(s->cli))
        note(s, xstrdup("daemons live on until orphanSeconds have passed, or the next poold takes "
                        "them back; to end them: poolctl shutdown"));
    note(s,
         xasprintf("registry, logs and the servers' own data stay in %s", s->kept.dirs->state_dir));
    say_result(s, files_view(s, words),
               is_there ? "poold is no service any more" : "poold was no service");
    return true;
}

/* --- status --- */

static json_t *status_view(struct service *s)
{
    static const char *const words[] = {"missing", "differs", "current"};
    const struct service_look *l = &s->look;
    return json_pack("{s:s, s:b, s:b, s:o, s:b, s:o?, s:o?, s:b, s:b, s:b, s:o?, s:b, s:o?}",
                     "manager", s->manager->name, "installed", service_is_installed(&s->files),
                     "current", service_is_current(&s->files), "files", files_view(s, words),
                     "managerReachable", l->can_ask, "managerProblem",
                     l->problem ? json_string(l->problem) : json_null(), "state",
                     l->state ? json_string(l->state) : json_null(), "active", l->is_active,
                     "enabled", l->is_enabled, "socketsHeld", l->does_listen, "pid",
                     s->running.pid ? json_integer(s->running.pid) : json_null(), "servesPlaces",
                     is_under_manager(s), "lingers",
                     l->is_linger_known ? json_boolean(l->does_linger) : json_null());
}

static void print_status(struct service *s)
{
    static const char *const words[] = {"missing", "not as it would be written now", "current"};
    const struct service_look *l = &s->look;
    for (size_t i = 0; i < s->files.count; i++)
        printf("%s: %s\n", s->files.items[i].path, words[s->files.items[i].state]);
    if (!l->can_ask)
        printf("%s cannot be asked from here: %s\n", s->manager->name,
               l->problem ? l->problem : "no reason is known");
    else
        printf("%s says: %s, %s, sockets %s\n", s->manager->name, l->state ? l->state : "unknown",
               l->is_enabled ? "enabled" : "not enabled", l->does_listen ? "held" : "not held");
    if (!s->running.pid)
        puts("no poold serves these places");
    else
        printf("poold (pid %ld) serves these places, %s\n", (long)s->running.pid,
               is_under_manager(s) ? "under this service"
               : s->running.holder ? "under a keeper of its own"
                                   : "and it is not this service's");
    note_linger(s);
    const char *text = json_string_value(json_array_get(s->notes, 0));
    if (text && service_is_installed(&s->files))
        printf("note: %s\n", text);
}

static bool status(struct service *s, struct err *err)
{
    json_t *view = status_view(s);
    if (!output_json(s->cli, view))
        print_status(s);
    json_decref(view);
    if (!service_is_installed(&s->files)) {
        s->cli->remedy = "poolctl service install";
        return err_set(err, ERR_NOT_FOUND, 0, "poold is not installed as a service");
    }
    if (!is_under_manager(s)) {
        s->cli->remedy =
            s->running.pid ? "poolctl service install --now" : "poolctl service install";
        return err_set(err, ERR_NOT_RUNNING, 0, "the service is installed, but does not run");
    }
    if (!service_is_current(&s->files))
        puts("to update the files: poolctl service install");
    return true;
}

/* --- all three --- */

static bool act(struct service *s, const char *what, struct err *err)
{
    if (cli_has(s->cli, "print")) {
        print_files(s);
        return true;
    }
    if (s->manager != service_native)
        return err_set(err, ERR_USAGE, 0,
                       "%s is not this system's service manager; only --print "
                       "works with it",
                       s->manager->name);
    s->manager->look(&s->look);
    if (!running_look(s->cli, &s->running, err))
        return false;
    if (strcmp(what, "install") == 0)
        return install(s, err);
    return strcmp(what, "status") == 0 ? status(s, err) : uninstall(s, err);
}

static bool run(struct cli *cli, struct err *err)
{
    const char *what = cli_arg(cli, 0, "");
    struct service s = {.cli = cli, .commands = json_array(), .notes = json_array()};
    bool ok = strcmp(what, "install") == 0 || strcmp(what, "uninstall") == 0 ||
              strcmp(what, "status") == 0 ||
              err_set(err, ERR_USAGE, 0, "\"%s\" is not install, uninstall or status", what);
    ok = ok && (s.manager = service_find(cli_text(cli, "manager"), err)) &&
         service_places_find(cli, &s.kept, err);
    if (ok)
        ok = service_files_make(s.manager, &s.kept.places, &s.files, err) && act(&s, what, err);
    service_files_finish(&s.files);
    service_look_finish(&s.look);
    service_places_finish(&s.kept);
    json_decref(s.commands);
    json_decref(s.notes);
    return ok;
}

const struct cmd cmd_service = {
    .name = "service",
    .args = "install | uninstall | status",
    .summary = "poold as a service of yours: from login on, started again, sockets held",
    .text = "install writes the unit files of systemd (poold.service, poold.socket) or launchd's "
            "plist with the places and the listen address given and the present PATH, and has "
            "them started; said again it updates them. It needs no root and is for this user "
            "alone. uninstall ends and removes the service; daemons and their data stay. status "
            "says whether the files are there and current, whether the manager runs them, and "
            "whether poold outlives a logout; exit status 14 when not installed, 7 when "
            "installed but not running. Where no manager can be asked, the commands to run are "
            "shown. See docs/service.md.",
    .options = options,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
