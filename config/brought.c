/* config/brought.c - see brought.h. */
#include "config/brought.h"

#include "base/buf.h"
#include "base/caps.h"
#include "base/digest.h"
#include "config/jsonc.h"
#include "config/reader.h"
#include "config/toml.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* In the order in which a name is taken. */
static const struct {
    const char *file, *key;
} places[] = {
    {".mcp.json", "mcpServers"},
    {".cursor/mcp.json", "mcpServers"},
    {".vscode/mcp.json", "servers"},
    {".codex/config.toml", "mcp_servers"},
};
#define PLACE_COUNT (sizeof places / sizeof *places)

/* Where Claude Code notes which servers of .mcp.json its user has refused. */
static const char *const refusals[] = {".claude/settings.json", ".claude/settings.local.json"};
#define REFUSAL_COUNT (sizeof refusals / sizeof *refusals)

const char *const *brought_files(void)
{
    static const char *files[PLACE_COUNT + REFUSAL_COUNT + 1];
    for (size_t i = 0; i < PLACE_COUNT; i++)
        files[i] = places[i].file;
    for (size_t i = 0; i < REFUSAL_COUNT; i++)
        files[PLACE_COUNT + i] = refusals[i];
    return files;
}

/* --- reading --- */

static void warn(struct brought *b, const char *file, const char *fmt, const char *what)
{
    char *said = xasprintf(fmt, what);
    strv_add_take(&b->warnings, xasprintf("%s: %s", file, said));
    free(said);
}

/* The file's content, if it is a file of a sane size that can be read. */
static bool read_file(struct brought *b, const char *root, const char *file, struct buf *out)
{
    char *path = str_path(root, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int why = errno;
    free(path);
    if (fd < 0) {
        if (why != ENOENT && why != ENOTDIR)
            warn(b, file, "unable to read it: %s", strerror(why));
        return false;
    }
    struct stat st;
    struct err ignored = {0};
    bool ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && reader_content(fd, file, out, &ignored);
    close(fd);
    if (!ok)
        warn(b, file, "%s", "not a file that can be read whole");
    return ok;
}

static json_t *read_root(struct brought *b, const char *root, const char *file)
{
    struct buf text = BUF_INIT(CAP_CONFIG);
    struct err err = {0};
    json_t *out = NULL;
    size_t n = strlen(file);
    if (read_file(b, root, file, &text) && buf_add(&text, "", 1)) {
        text.len--; /* terminated, and changed in place */
        bool is_toml = n > 5 && strcmp(file + n - 5, ".toml") == 0;
        out = is_toml ? toml_parse(file, text.data, text.len, &err)
                      : jsonc_parse(file, text.data, text.len, &err);
        if (!out)
            strv_add(&b->warnings, err_text(&err));
    }
    buf_release(&text);
    return out;
}

/* --- what the clients' files say, in our words --- */

/* "${workspaceFolder}" and its like as variables of ours; new string. */
static char *in_our_words(const char *text)
{
    static const char *const words[][2] = {
        {"${workspaceFolder}", "${POOLD_PROJECT}"},
        {"${workspaceRoot}", "${POOLD_PROJECT}"},
        {"${CLAUDE_PROJECT_DIR", "${POOLD_PROJECT"},
        {"${userHome}", "${HOME}"},
        {"${env:", "${"},
    };
    struct buf out = BUF_INIT(CAP_CONFIG);
    while (*text) {
        size_t i = 0, count = sizeof words / sizeof *words;
        while (i < count && strncmp(text, words[i][0], strlen(words[i][0])) != 0)
            i++;
        bool ok = i < count ? buf_add_str(&out, words[i][1]) : buf_add(&out, text, 1);
        text += i < count ? strlen(words[i][0]) : 1;
        if (!ok)
            break;
    }
    char *copy = xstrdup(out.len ? buf_text(&out) : "");
    buf_release(&out);
    return copy;
}

static json_t *translated(const json_t *value)
{
    const char *key;
    json_t *item, *out;
    if (json_is_string(value)) {
        char *text = in_our_words(json_string_value(value));
        out = json_string(text);
        free(text);
        return out;
    }
    if (json_is_array(value)) {
        out = json_array();
        for (size_t i = 0; i < json_array_size(value); i++)
            json_array_append_new(out, translated(json_array_get(value, i)));
        return out;
    }
    if (!json_is_object(value))
        return json_deep_copy(value);
    out = json_object();
    json_object_foreach((json_t *)(uintptr_t)value, key, item)
    {
        json_object_set_new(out, key, translated(item));
    }
    return out;
}

/* Only what says how to run it: a repository sets nothing of ours. */
static json_t *entry_of(const json_t *entry)
{
    static const char *const keys[] = {"command", "args", "env", "cwd"};
    json_t *out = json_object();
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = json_object_get(entry, keys[i]);
        if (value)
            json_object_set_new(out, keys[i], translated(value));
    }
    json_object_set_new(out, "type", json_string("stdio"));
    return out;
}

/* Why is it left out? NULL: it is not. "": without a word. */
static const char *why_not(const struct brought *b, const char *name, const json_t *entry,
                           const json_t *refused)
{
    const char *command = json_string_value(json_object_get(entry, "command"));
    if (!json_is_object(entry))
        return "%s is no object, left out";
    if (json_is_true(json_object_get(entry, "disabled")) ||
        json_is_false(json_object_get(entry, "enabled")))
        return "%s is disabled there";
    if (!command)
        return ""; /* remote: its client reaches it without us */
    const char *slash = strrchr(command, '/');
    if (strcmp(slash ? slash + 1 : command, "poolctl") == 0)
        return "";
    for (size_t i = 0; i < json_array_size(refused); i++)
        if (str_equal(json_string_value(json_array_get(refused, i)), name))
            return "%s is refused in the project's Claude Code settings";
    return brought_find(b, name) ? "%s is brought by an earlier file already" : NULL;
}

static void take(struct brought *b, const char *file, const char *name, const json_t *entry,
                 const struct settings *settings, struct buf *content)
{
    struct err err = {0};
    struct config_server *server = NULL;
    json_t *ours = entry_of(entry);
    struct reader in = {.file = file, .text = "", .warnings = &b->warnings, .err = &err};
    struct place at = {.name = name};
    char *text = json_dumps(ours, JSON_COMPACT | JSON_SORT_KEYS);
    if (!server_read(&in, &at, ours, settings, &server))
        strv_add(&b->warnings, err_text(&err));
    else if (server && text && buf_printf(content, "%s %s %s\n", file, name, text)) {
        b->servers = xrealloc(b->servers, (b->count + 1) * sizeof *b->servers);
        b->servers[b->count++] = (struct brought_server){server, file};
        server = NULL;
    }
    if (server)
        server_free(server);
    free(text);
    json_decref(ours);
}

static json_t *read_refused(struct brought *b, const char *root)
{
    json_t *all = json_array();
    for (size_t i = 0; i < REFUSAL_COUNT; i++) {
        json_t *settings = read_root(b, root, refusals[i]);
        json_t *names = json_object_get(settings, "disabledMcpjsonServers");
        if (json_is_array(names))
            json_array_extend(all, names);
        json_decref(settings);
    }
    return all;
}

struct brought *brought_read(const char *root, const struct settings *settings)
{
    struct brought *b = xcalloc(1, sizeof *b);
    struct buf content = BUF_INIT(8 * CAP_CONFIG);
    json_t *refused = read_refused(b, root);
    for (size_t i = 0; i < PLACE_COUNT; i++) {
        json_t *file = read_root(b, root, places[i].file), *entry;
        const char *name;
        json_object_foreach(json_object_get(file, places[i].key), name, entry)
        {
            const char *why = why_not(b, name, entry, i == 0 ? refused : NULL);
            if (!why)
                take(b, places[i].file, name, entry, settings, &content);
            else if (*why)
                warn(b, places[i].file, why, name);
        }
        json_decref(file);
    }
    if (b->count) {
        uint8_t hash[DIGEST_SIZE];
        char text[64];
        digest_sha256(content.data, content.len, hash);
        digest_base32(hash, DIGEST_SIZE, text);
        memcpy(b->content, text, BROUGHT_CONTENT_SIZE - 1);
    }
    buf_release(&content);
    json_decref(refused);
    return b;
}

void brought_free(struct brought *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->count; i++)
        server_free(b->servers[i].server);
    free(b->servers);
    strv_finish(&b->warnings);
    free(b);
}

const struct brought_server *brought_find(const struct brought *b, const char *name)
{
    for (size_t i = 0; i < b->count; i++)
        if (strcmp(b->servers[i].server->name, name) == 0)
            return &b->servers[i];
    return NULL;
}
