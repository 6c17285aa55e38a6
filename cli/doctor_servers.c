/* cli/doctor_servers.c - doctor's checks of the servers: can their commands be found as a daemon
 * would look for them, and the built-in one's language servers too? */
#include "cli/doctor.h"
#include "cli/say.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

char *doctor_which(const char *program, const char *path)
{
    if (strchr(program, '/'))
        return is_program(program) ? xstrdup(program) : NULL;
    for (const char *at = path; at && *at;) {
        size_t n = strcspn(at, ":");
        char *folder = xstrndup(at, n), *file = str_path(folder, program);
        bool is = n && is_program(file);
        free(folder);
        if (is)
            return file;
        free(file);
        at += n + (at[n] == ':');
    }
    return NULL;
}

/* --- Serena, the built-in one --- */

#define INSTALL_SERENA                                                                             \
    "./quickstart   (in poold's source; installs Serena and its language servers)"

/* Where quickstart puts it. New string. */
static char *serena_dir(void)
{
    const char *own = getenv("POOLD_SERENA_DIR"), *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    if (own && *own)
        return xstrdup(own);
    return data && *data == '/' ? str_path(data, "poold/serena")
                                : str_path(home ? home : "/", ".local/share/poold/serena");
}

static void check_language_server(struct doctor *d, const char *dir, const char *program,
                                  const char *language)
{
    char *file = str_path(dir, program);
    if (!is_program(file))
        doctor_add(d, "servers", DOCTOR_WARNING,
                   xasprintf("serena: %s projects will not work: %s is missing", language, file),
                   xstrdup(INSTALL_SERENA));
    free(file);
}

static void check_serena(struct doctor *d, bool is_default)
{
    char *dir = serena_dir(), *command = str_path(dir, "bin/serena");
    const char *own = getenv("POOLD_SERENA_DIR");
    char *other = is_program(command) || (own && *own) ? NULL : doctor_which("serena", d->path);
    if (is_program(command)) {
        doctor_add(d, "servers", DOCTOR_OK, xasprintf("serena: %s", command), NULL);
        check_language_server(d, dir, "bin/poold-pyright", "Python");
        check_language_server(d, dir, "bin/poold-typescript", "TypeScript and JavaScript");
        char *clangd = doctor_which("clangd", d->path);
        check_language_server(d, dir, "bin/poold-clangd", "C and C++");
        if (!clangd && !getenv("POOLD_CLANGD"))
            doctor_add(
                d, "servers", DOCTOR_WARNING,
                xstrdup("serena: C and C++ projects will not work: clangd is not in the PATH "
                        "of daemons"),
                xstrdup("sudo apt-get install clangd   (macOS: xcode-select --install)"));
        free(clangd);
    } else if (other) {
        doctor_add(
            d, "servers", DOCTOR_OK,
            xasprintf("serena: %s (not poold's own: it finds language servers its own way)", other),
            NULL);
    } else {
        doctor_add(d, "servers", is_default ? DOCTOR_PROBLEM : DOCTOR_WARNING,
                   xasprintf("serena: it is not installed (no %s%s)", command,
                             own && *own ? ", where POOLD_SERENA_DIR says" : ", none in PATH"),
                   xstrdup(INSTALL_SERENA));
    }
    free(other);
    free(dir);
    free(command);
}

/* --- configured ones --- */

/* What an entry may refer to: our environment, and what each start sets. */
static void fill_vars(struct strv *vars)
{
    static const char *const set[] = {"POOLD_PROJECT", "POOLD_PROJECT_KEY", "POOLD_SERVER",
                                      "POOLD_PORT",    "POOLD_SERENA",      "POOLD_SERENA_HOME"};
    for (char **at = environ; at && *at; at++)
        strv_add(vars, *at);
    for (size_t i = 0; i < sizeof set / sizeof *set; i++)
        strv_env_set(vars, set[i], "1");
}

/* The first mistake among the entry's references; true if there is none. */
static bool can_expand(const struct config_server *s, const struct strv *vars, struct err *err)
{
    const struct strv *lists[] = {&s->args, &s->env};
    bool ok = true;
    for (size_t l = 0; l < 2; l++) {
        for (size_t i = 0; ok && i < lists[l]->count; i++) {
            char *text = config_expand(lists[l]->items[i], vars, err);
            ok = text != NULL;
            free(text);
        }
    }
    return ok;
}

static void check_server(struct doctor *d, const struct config_server *s, const struct strv *vars)
{
    struct err err = {0};
    char *edit = say_quoted(d->dirs->config_file);
    char *command = config_expand(s->command, vars, &err);
    bool ok = command && can_expand(s, vars, &err);
    const char *own_path = strv_env_get(&s->env, "PATH");
    char *found = ok ? doctor_which(command, own_path ? own_path : d->path) : NULL;
    bool is_relative = ok && strchr(command, '/') && command[0] != '/';
    if (!ok)
        doctor_add(
            d, "servers", DOCTOR_PROBLEM, xasprintf("%s: %s", s->name, err_text(&err)),
            xasprintf("${EDITOR:-vi} %s   (give the variable a default: ${NAME:-value})", edit));
    else if (is_relative)
        doctor_add(d, "servers", DOCTOR_NOT_APPLICABLE,
                   xasprintf("%s: %s is looked for in each project", s->name, command), NULL);
    else if (found)
        doctor_add(d, "servers", DOCTOR_OK, xasprintf("%s: %s", s->name, found), NULL);
    else
        doctor_add(
            d, "servers", DOCTOR_PROBLEM,
            xasprintf("%s: the command %s is not %s", s->name, command,
                      strchr(command, '/') ? "there, or cannot be executed"
                                           : "in the PATH of daemons"),
            xasprintf("${EDITOR:-vi} %s; poolctl reload   (line %d: name the command that is "
                      "there)",
                      edit, s->line));
    free(edit);
    free(command);
    free(found);
}

void doctor_servers(struct doctor *d)
{
    struct strv vars = {0};
    if (!d->config) {
        doctor_add(d, "servers", DOCTOR_NOT_APPLICABLE, xstrdup("the configuration cannot be read"),
                   NULL);
        return;
    }
    fill_vars(&vars);
    const char *usual = d->config->settings.default_server;
    for (struct config_server **s = d->config->servers; *s; s++) {
        bool is_default = strcmp((*s)->name, usual) == 0;
        if ((*s)->is_builtin && (is_default || (*s)->line))
            check_serena(d, is_default);
        else if (!(*s)->is_builtin && (*s)->command)
            check_server(d, *s, &vars);
    }
    strv_finish(&vars);
    struct err err = {0};
    if (!config_find(d->config, NULL, &err))
        doctor_add(d, "servers", DOCTOR_PROBLEM,
                   xasprintf("the default server cannot be served: %s", err_text(&err)),
                   xstrdup("poolctl config   (defaultServer must be one of its servers)"));
}
