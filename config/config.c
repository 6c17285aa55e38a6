/* config/config.c - the file as a whole: reading, the top level, finding a server. See config.h. */
#include "config/config.h"

#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "config/jsonc.h"
#include "config/nearest.h"
#include "config/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUILTIN_NAME "serena"

bool reader_content(int fd, const char *file, struct buf *b, struct err *err)
{
    for (;;) {
        char *room = buf_reserve(b, 4096);
        if (!room)
            return err_set(err, ERR_CONFIG, 0, "%s: bigger than %d KiB", file,
                           CAP_CONFIG / 1024);
        ssize_t n = read(fd, room, 4096);
        if (n == 0)
            return true;
        if (n < 0 && errno != EINTR)
            return err_set(err, ERR_CONFIG, errno, "unable to read %s", file);
        if (n > 0)
            buf_commit(b, (size_t)n);
    }
}

struct config *config_load(const char *file, const char *builtin_json, struct err *err)
{
    /* Without waiting: a FIFO in its place must not stop poold. */
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return config_parse(file, NULL, 0, builtin_json, err);
    if (fd < 0) {
        err_set(err, ERR_CONFIG, errno, "unable to read %s", file);
        return NULL;
    }
    struct stat st;
    struct buf b = BUF_INIT(CAP_CONFIG);
    struct config *c = NULL;
    if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
        err_set(err, ERR_CONFIG, 0, "unable to read %s: expected a file", file);
    else if (reader_content(fd, file, &b, err))
        c = config_parse(file, buf_text(&b), b.len, builtin_json, err);
    buf_release(&b);
    close(fd);
    return c;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    for (struct config_server **s = c->servers; s && *s; s++)
        server_free(*s);
    free(c->servers);
    settings_finish(&c->settings);
    strv_finish(&c->warnings);
    free(c->file);
    free(c);
}

static void server_add(struct config *c, struct config_server *s)
{
    size_t n = 0;
    while (c->servers[n])
        n++;
    c->servers = xrealloc(c->servers, (n + 2) * sizeof *c->servers);
    c->servers[n] = s;
    c->servers[n + 1] = NULL;
}

static bool unknown_at_top(const struct reader *in, const struct place *at)
{
    size_t count;
    const struct setting *rows = setting_rows(&count);
    if (strcmp(at->name, "servers") == 0)
        return reader_mistake(in, at, "not known; did you mean mcpServers?");
    const char **names = xcalloc(count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = rows[i].name;
    names[count] = "mcpServers";
    const char *meant = nearest_name(at->name, names, count + 1);
    free(names);
    if (meant)
        return reader_mistake(in, at, "not known; did you mean %s?", meant);
    return server_key_find(at->name)
               ? reader_mistake(in, at, "stands in an entry of mcpServers, not at the top")
               : reader_mistake(in, at, "not known; the settings are listed in poold.conf(5)");
}

static bool top_read(const struct reader *in, const json_t *root, struct settings *settings)
{
    const char *key;
    json_t *value;
    if (!json_is_object(root))
        return reader_expected(in, NULL, "an object { ... }", root);
    json_object_foreach ((json_t *)(uintptr_t)root, key, value) {
        struct place at = {.name = key};
        const struct setting *row = setting_find(key);
        if (row && !reader_setting(in, &at, value, row, settings))
            return false;
        if (!row && strcmp(key, "mcpServers") != 0 && strcmp(key, "$schema") != 0 &&
            !unknown_at_top(in, &at))
            return false;
    }
    return true;
}

/* The built-in entry with the file's changes: key by key, env variable by variable. */
static json_t *builtin_changed(const json_t *builtin, const json_t *changes)
{
    json_t *merged = json_deep_copy(builtin);
    json_t *env = json_object_get(merged, "env"), *more = json_object_get(changes, "env");
    if (json_is_object(env) && json_is_object(more)) {
        json_incref(env);
        json_object_update(env, more);
    } else {
        env = NULL;
    }
    json_object_update(merged, (json_t *)(uintptr_t)changes);
    if (env)
        json_object_set_new(merged, "env", env);
    return merged;
}

static bool is_only_a_change(const json_t *entry)
{
    return json_is_object(entry) && !json_object_get(entry, "command") &&
           !json_object_get(entry, "url");
}

static bool entry_read(const struct reader *in, struct config *c, const struct place *at,
                       const json_t *entry, const json_t *builtin)
{
    struct config_server *s = NULL;
    bool is_change = builtin && strcmp(at->name, BUILTIN_NAME) == 0 && is_only_a_change(entry);
    json_t *merged = is_change ? builtin_changed(builtin, entry) : NULL;
    bool ok = server_read(in, at, merged ? merged : entry, &c->settings, &s);
    json_decref(merged);
    if (ok && s) {
        s->is_builtin = is_change;
        server_add(c, s);
    }
    return ok;
}

static bool servers_read(const struct reader *in, struct config *c, const json_t *root,
                         const json_t *builtin)
{
    const struct place at = {.name = "mcpServers"};
    const json_t *entries = json_object_get(root, at.name);
    const char *name;
    json_t *entry;
    if (entries && !json_is_object(entries))
        return reader_expected(in, &at, "an object of servers", entries);
    json_object_foreach ((json_t *)(uintptr_t)entries, name, entry) {
        struct place here = {.parent = &at, .name = name};
        if (!entry_read(in, c, &here, entry, builtin))
            return false;
    }
    return true;
}

/* The built-in server, unless the file says something about it. */
static bool builtin_add(struct config *c, const json_t *builtin, const char *text,
                        const json_t *root, struct err *err)
{
    if (!builtin || json_object_get(json_object_get(root, "mcpServers"), BUILTIN_NAME))
        return true;
    struct reader in = {.file = "(built-in)", .text = text, .n = strlen(text),
                        .warnings = &c->warnings, .err = err};
    struct place at = {.name = BUILTIN_NAME};
    struct config_server *s = NULL;
    if (!server_read(&in, &at, builtin, &c->settings, &s))
        return false;
    s->is_builtin = true;
    s->line = 0;
    server_add(c, s);
    return true;
}

static char *names_of(const struct config *c)
{
    struct buf b = BUF_INIT(200);
    for (struct config_server **s = c->servers; *s; s++)
        if (!(*s)->is_remote && !buf_printf(&b, "%s%s", b.len ? ", " : "", (*s)->name))
            break; /* enough to see what kind of names they are */
    return b.len ? buf_take(&b) : xstrdup("none");
}

static const struct config_server *server_by_name(const struct config *c, const char *name)
{
    for (struct config_server **s = c->servers; *s; s++)
        if (strcmp((*s)->name, name) == 0)
            return *s;
    return NULL;
}

static bool default_check(const struct reader *in, const struct config *c, const json_t *root)
{
    const char *name = c->settings.default_server;
    const struct config_server *s = server_by_name(c, name);
    const struct place at = {.name = "defaultServer"};
    bool is_named = json_object_get(root, at.name) != NULL;
    if ((s && !s->is_remote) || (!is_named && !*c->servers))
        return true;
    char *names = names_of(c);
    reader_mistake(in, &at, "expected a server that can be served (%s), found \"%s\"%s%s", names,
                   name, s ? ", which is remote" : "", is_named ? "" : ", the default");
    free(names);
    return false;
}

static bool all_read(const struct reader *in, struct config *c, const json_t *root,
                     const char *builtin_json)
{
    json_t *builtin = NULL;
    json_error_t e;
    if (builtin_json && !(builtin = json_loads(builtin_json, 0, &e)))
        return err_set(in->err, ERR_INTERNAL, 0, "the built-in server is not JSON: %s", e.text);
    bool ok = (!root || top_read(in, root, &c->settings)) &&
              servers_read(in, c, root, builtin) &&
              builtin_add(c, builtin, builtin_json, root, in->err) &&
              default_check(in, c, root);
    json_decref(builtin);
    return ok;
}

struct config *config_parse(const char *file, const char *text, size_t n,
                            const char *builtin_json, struct err *err)
{
    char *copy = text ? xmalloc(n + 1) : xstrdup("");
    json_t *root = NULL;
    if (text) {
        memcpy(copy, text, n);
        copy[n] = '\0';
        root = jsonc_parse(file, copy, n, err);
        if (!root) {
            free(copy);
            return NULL;
        }
    }
    struct config *c = xcalloc(1, sizeof *c);
    c->file = xstrdup(file);
    c->file_exists = text != NULL;
    c->servers = xcalloc(1, sizeof *c->servers);
    c->loaded_unix_ms = clock_unix_ms();
    settings_defaults(&c->settings);
    struct reader in = {.file = file, .text = copy, .n = text ? n : 0,
                        .warnings = &c->warnings, .err = err};
    if (!all_read(&in, c, root, builtin_json)) {
        config_free(c);
        c = NULL;
    }
    json_decref(root);
    free(copy);
    return c;
}

const struct config_server *config_find(const struct config *c, const char *name, struct err *err)
{
    const struct config_server *s = server_by_name(c, name ? name : c->settings.default_server);
    if (s && !s->is_remote)
        return s;
    char *names = names_of(c);
    err_set(err, ERR_NO_SERVER, 0, "%s server \"%s\" (configured: %s)",
            s ? "not served, because it is remote:" : "there is no",
            name ? name : c->settings.default_server, names);
    free(names);
    return NULL;
}
