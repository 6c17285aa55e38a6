/* pool/serena.c - see serena.h. The configuration is written as YAML whose strings are quoted the
 * JSON way, which YAML allows. */
#include "pool/serena.h"

#include "base/buf.h"
#include "platform/dirs.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_CAP (256 * 1024)

/* claude-code is a single-project context: no tool to change the project, file and shell tools left
 * to the client, which every coding agent has. max_answer_chars keeps the warm-up's answer small
 * should a project really have such a symbol. */
static const char builtin[] =
    "{\n"
    "  \"command\": \"${POOLD_SERENA}\",\n"
    "  \"args\": [\"start-mcp-server\", \"--project\", \"${POOLD_PROJECT}\",\n"
    "           \"--context\", \"claude-code\", \"--agent-interface\", \"tools\",\n"
    "           \"--transport\", \"streamable-http\", \"--host\", \"127.0.0.1\",\n"
    "           \"--port\", \"${POOLD_PORT}\",\n"
    "           \"--enable-web-dashboard\", \"false\", \"--open-web-dashboard\", \"false\",\n"
    "           \"--enable-gui-log-window\", \"false\"],\n"
    "  \"type\": \"http\",\n"
    "  \"env\": {\"SERENA_HOME\": \"${POOLD_SERENA_HOME}\", \"SERENA_USAGE_REPORTING\": "
    "\"false\"},\n"
    "  \"warmup\": {\"tool\": \"find_symbol\",\n"
    "             \"arguments\": {\"name_path_pattern\": \"poold_warm_up_no_such_symbol\",\n"
    "                           \"max_answer_chars\": 1000}}\n"
    "}\n";

const char *serena_builtin_json(void)
{
    return builtin;
}

static bool is_executable(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Takes dir; true if Serena is in it. */
static bool take_dir(char *dir, struct serena_install *out)
{
    char *command = str_path(dir, "bin/serena");
    if (!is_executable(command)) {
        free(command);
        free(dir);
        return false;
    }
    *out = (struct serena_install){.command = command, .dir = dir};
    return true;
}

static char *find_in_path(const char *name)
{
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t n = strcspn(path, ":");
        char *folder = xstrndup(path, n);
        char *file = str_path(folder, name);
        free(folder);
        if (n > 0 && *file == '/' && is_executable(file)) {
            return file;
        }
        free(file);
        path += n + (path[n] == ':');
    }
    return NULL;
}

bool serena_find(struct serena_install *out, struct err *err)
{
    const char *given = getenv("POOLD_SERENA_DIR");
    if (given && *given) {
        if (take_dir(xstrdup(given), out)) {
            return true;
        }
        return err_set(err, ERR_START_FAILED, 0,
                       "Serena is not in POOLD_SERENA_DIR (%s): run ./quickstart with the same "
                       "POOLD_SERENA_DIR, or unset it",
                       given);
    }
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    if (data && *data == '/') {
        if (take_dir(str_path(data, "poold/serena"), out)) {
            return true;
        }
    } else if (home && *home == '/' && take_dir(str_path(home, ".local/share/poold/serena"), out)) {
        return true;
    }
    char *command = find_in_path("serena");
    if (command) {
        *out = (struct serena_install){.command = command};
        return true;
    }
    return err_set(err, ERR_START_FAILED, 0,
                   "Serena is not installed: run ./quickstart, or name another server in the "
                   "configuration (mcpServers, defaultServer)");
}

void serena_install_finish(struct serena_install *install)
{
    free(install->command);
    free(install->dir);
    *install = (struct serena_install){0};
}

/* Double-quoted YAML scalar. */
static bool add_quoted(struct buf *b, const char *text)
{
    bool ok = buf_add_str(b, "\"");
    for (; ok && *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            ok = buf_printf(b, "\\%c", c);
        } else if (c < 0x20 || c == 0x7f) {
            ok = buf_printf(b, "\\x%02x", c);
        } else {
            ok = buf_add(b, text, 1);
        }
    }
    return ok && buf_add_str(b, "\"");
}

static bool add_setting(struct buf *b, const char *name, const char *text)
{
    return buf_printf(b, "%s: ", name) && add_quoted(b, text) && buf_add_str(b, "\n");
}

/* Serena matches the root against glob patterns, without a way to escape: each character that
 * means something becomes `?`, "this one character". A home serves one project, so this is exact
 * enough. New string. */
static char *trust_pattern(const char *root)
{
    char *pattern = xstrdup(root);
    for (char *p = pattern; *p; p++) {
        if (strchr("*?[]{}", *p)) {
            *p = '?';
        }
    }
    return pattern;
}

/* A section for each server that is installed; that of cpp comes first, since it exists anyway. */
static bool add_language_servers(struct buf *b, const char *serena_dir, const char *clangd_dir)
{
    static const struct {
        const char *language, *program;
    } servers[] = {
        {NULL, "bin/poold-clangd"}, /* in the section cpp */
        {"python", "bin/poold-pyright"},
        {"typescript", "bin/poold-typescript"},
    };
    bool ok = buf_add_str(b, "ls_specific_settings:\n  cpp:\n    compile_commands_dir: ") &&
              add_quoted(b, clangd_dir) && buf_add_str(b, "\n");
    for (size_t i = 0; serena_dir && ok && i < sizeof servers / sizeof *servers; i++) {
        char *path = str_path(serena_dir, servers[i].program);
        if (is_executable(path)) {
            ok = (!servers[i].language || buf_printf(b, "  %s:\n", servers[i].language)) &&
                 buf_add_str(b, "    ls_path: ") && add_quoted(b, path) && buf_add_str(b, "\n");
        }
        free(path);
    }
    return ok;
}

/* The whole serena_config.yml. data: the folder used instead of the project's .serena, or NULL. */
static bool write_config(const struct serena_project *p, const char *home, const char *data,
                         struct err *err)
{
    struct buf b = BUF_INIT(CONFIG_CAP);
    char *clangd_dir = str_path(home, "clangd");
    char *pattern = trust_pattern(p->root);
    char *project_yml =
        data ? str_path(data, "project.yml") : xasprintf("%s/.serena/project.yml", p->root);
    bool ok =
        buf_add_str(&b, "# Written by poold before each start: changes here are lost.\n"
                        "language_backend: LSP\n"
                        "agent_interface: tools\n"
                        "gui_log_window: false\n"
                        "web_dashboard: false\n"
                        "web_dashboard_open_on_launch: false\n") &&
        add_setting(&b, "project_serena_folder_location", data ? data : "$projectDir/.serena");
    /* A missing key would mean "trust everything". */
    ok = ok && buf_add_str(&b, "trusted_project_path_patterns: [") &&
         (!p->is_trusted || add_quoted(&b, pattern)) && buf_add_str(&b, "]\n");
    ok = ok && add_language_servers(&b, p->serena_dir, clangd_dir);
    /* Serena registers a project whose project.yml it finds; a first one it makes itself. */
    ok = ok && buf_add_str(&b, "projects: [") &&
         (!is_file(project_yml) || add_quoted(&b, p->root)) && buf_add_str(&b, "]\n");
    if (!ok) {
        err_set(err, ERR_TOO_BIG, 0, "the configuration of Serena for %s is too long", p->root);
    } else {
        char *path = str_path(home, "serena_config.yml");
        ok = dirs_write_file(path, b.data, b.len, 0600, err);
        free(path);
    }
    free(project_yml);
    free(pattern);
    free(clangd_dir);
    buf_release(&b);
    return ok;
}

/* An empty project is remembered as one without any language; look again when it has grown. */
static void forget_no_language(const char *data)
{
    char *path = str_path(data, "project.yml");
    char *text = NULL;
    if (dirs_read_file(path, CONFIG_CAP, &text, NULL, NULL) &&
        strstr(text, "\nlanguage_servers: []\n")) {
        unlink(path);
    }
    free(text);
    free(path);
}

/* One place for the language servers that Serena itself installs, and the only one where it looks
 * for the TypeScript that an untrusted project may use. */
static bool link_language_servers(const char *home, const char *serena_dir, struct err *err)
{
    char *target = str_path(serena_dir, "language_servers");
    char *link = str_path(home, "language_servers");
    struct stat st;
    bool ok = true;
    if (lstat(link, &st) == 0 && S_ISLNK(st.st_mode)) {
        unlink(link);
    }
    /* A real directory there is Serena's own, from a time without ours: it stays. A link to nowhere
     * would keep every language server from starting. */
    if (stat(target, &st) == 0 && symlink(target, link) != 0 && errno != EEXIST) {
        ok = err_set(err, ERR_SYSTEM, errno, "unable to make the link %s", link);
    }
    free(link);
    free(target);
    return ok;
}

/* Serena replaces $name in this setting, with no way to escape it. */
static bool has_placeholder(const char *path)
{
    for (const char *p = strchr(path, '$'); p; p = strchr(p + 1, '$')) {
        if (isalpha((unsigned char)p[1]) || p[1] == '_') {
            return true;
        }
    }
    return false;
}

/* Is there a .serena folder of the project's own? A link out of the project is none: Serena would
 * write where it points. */
static bool has_own_folder(const char *root)
{
    char *path = str_path(root, ".serena");
    struct stat st;
    bool own = lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
    free(path);
    return own;
}

bool serena_prepare(const struct serena_project *p, char **home, struct err *err)
{
    if (has_placeholder(p->state_dir)) {
        return err_set(err, ERR_CONFIG, 0,
                       "the state directory %s has a $ in its name, which Serena would expand: "
                       "choose another (POOLD_STATE_DIR)",
                       p->state_dir);
    }
    char *dir = xasprintf("%s/serena/%s", p->state_dir, p->key);
    /* An existing folder wins in Serena over the project's own, so it is made only when used. */
    char *data = has_own_folder(p->root) ? NULL : str_path(dir, "project");
    bool ok = dirs_make(dir, true, err) && (!data || dirs_make(data, true, err));
    if (ok && data) {
        forget_no_language(data);
    }
    ok = ok && (!p->serena_dir || link_language_servers(dir, p->serena_dir, err)) &&
         write_config(p, dir, data, err);
    free(data);
    if (!ok) {
        free(dir);
        return false;
    }
    *home = dir;
    return true;
}

bool serena_vars(const char *state_dir, const char *root, const char *key, bool is_trusted,
                 struct strv *vars, struct err *err)
{
    struct serena_install install = {0};
    char *home = NULL;
    if (!serena_find(&install, err)) {
        return false;
    }
    struct serena_project project = {.state_dir = state_dir,
                                     .root = root,
                                     .key = key,
                                     .is_trusted = is_trusted,
                                     .serena_dir = install.dir};
    bool ok = serena_prepare(&project, &home, err);
    if (ok) {
        strv_env_set(vars, "POOLD_SERENA", install.command);
        strv_env_set(vars, "POOLD_SERENA_HOME", home);
    }
    free(home);
    serena_install_finish(&install);
    return ok;
}
