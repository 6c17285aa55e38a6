/* config/server.c - one entry of mcpServers. See reader.h. */
#include "config/reader.h"

#include "base/digest.h"
#include "config/nearest.h"
#include "config/private_servers.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SPARES_MAX 16

void server_free(struct config_server *s)
{
    if (!s)
        return;
    free(s->name);
    free(s->command);
    strv_finish(&s->args);
    strv_finish(&s->env);
    free(s->cwd);
    free(s->url);
    free(s->warmup_tool);
    free(s->warmup_arguments);
    settings_finish(&s->settings);
    free(s->definition);
    free(s);
}

static const char *expected_of(const char *key)
{
    return server_key_find(key)->shape;
}

static bool check_references(const struct reader *in, const struct place *at, const char *text)
{
    const char *fault = expand_fault(text);
    return fault ? reader_mistake(in, at, "found %s", fault) : true;
}

static bool read_command(const struct reader *in, const struct place *at, const json_t *value,
                         struct config_server *s)
{
    return reader_text(in, at, value, expected_of("command"), &s->command) &&
           check_references(in, at, s->command);
}

static bool read_args(const struct reader *in, const struct place *at, const json_t *value,
                      struct config_server *s)
{
    size_t i;
    const json_t *item;
    if (!json_is_array(value))
        return reader_expected(in, at, expected_of("args"), value);
    json_array_foreach (value, i, item) {
        struct place here = {.parent = at, .index = i};
        if (!json_is_string(item))
            return reader_expected(in, &here, "a text", item);
        if (!check_references(in, &here, json_string_value(item)))
            return false;
        strv_add(&s->args, json_string_value(item));
    }
    return true;
}

static bool env_name_is_valid(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_')
            return false;
    return *name && !isdigit((unsigned char)*name);
}

static bool read_env(const struct reader *in, const struct place *at, const json_t *value,
                     struct config_server *s)
{
    const char *name;
    json_t *item;
    if (!json_is_object(value))
        return reader_expected(in, at, expected_of("env"), value);
    json_object_foreach ((json_t *)(uintptr_t)value, name, item) {
        struct place here = {.parent = at, .name = name};
        if (!env_name_is_valid(name))
            return reader_mistake(in, &here, "expected a variable's name (letters, digits and _, "
                                             "no digit first)");
        if (!json_is_string(item))
            return reader_expected(in, &here, "a text", item);
        if (!check_references(in, &here, json_string_value(item)))
            return false;
        strv_env_set(&s->env, name, json_string_value(item));
    }
    return true;
}

static bool read_cwd(const struct reader *in, const struct place *at, const json_t *value,
                     struct config_server *s)
{
    const char *text = json_string_value(value);
    if (!text || (*text != '/' && !str_starts(text, "${")))
        return reader_expected(in, at, expected_of("cwd"), value);
    str_replace(&s->cwd, text);
    return check_references(in, at, text);
}

static bool read_transport(const struct reader *in, const struct place *at, const json_t *value,
                           struct config_server *s)
{
    static const struct {
        const char *word;
        enum config_transport transport;
    } words[] = {{"stdio", CONFIG_STDIO},
                 {"http", CONFIG_HTTP},
                 {"streamable-http", CONFIG_HTTP},
                 {"streamableHttp", CONFIG_HTTP},
                 {"sse", CONFIG_SSE}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_equal(json_string_value(value), words[i].word)) {
            s->transport = words[i].transport;
            return true;
        }
    return reader_expected(in, at, expected_of("type"), value);
}

static bool read_share(const struct reader *in, const struct place *at, const json_t *value,
                       struct config_server *s)
{
    const char *text = json_string_value(value);
    bool is_session = str_equal(text, "session");
    if (!is_session && !str_equal(text, "project"))
        return reader_expected(in, at, expected_of("share"), value);
    s->share = is_session ? CONFIG_SHARE_SESSION : CONFIG_SHARE_PROJECT;
    return true;
}

static bool read_spares(const struct reader *in, const struct place *at, const json_t *value,
                        struct config_server *s)
{
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || number > SPARES_MAX)
        return reader_expected(in, at, expected_of("spares"), value);
    s->spares = number;
    return true;
}

static bool read_warmup(const struct reader *in, const struct place *at, const json_t *value,
                        struct config_server *s)
{
    const char *name;
    json_t *item;
    bool ok = json_is_object(value) || reader_expected(in, at, expected_of("warmup"), value);
    json_object_foreach ((json_t *)(uintptr_t)value, name, item) {
        struct place here = {.parent = at, .name = name};
        if (strcmp(name, "tool") == 0) {
            ok = reader_text(in, &here, item, "the name of a tool", &s->warmup_tool);
        } else if (strcmp(name, "arguments") == 0) {
            ok = json_is_object(item) || reader_expected(in, &here, "an object", item);
            free(s->warmup_arguments);
            s->warmup_arguments = json_dumps(item, JSON_COMPACT | JSON_ENCODE_ANY);
        } else {
            ok = reader_mistake(in, &here, "not known here: expected \"tool\" and \"arguments\"");
        }
        if (!ok)
            return false;
    }
    if (!ok)
        return false;
    if (!s->warmup_tool)
        return reader_expected(in, at, expected_of("warmup"), value);
    if (!s->warmup_arguments)
        s->warmup_arguments = xstrdup("{}");
    return true;
}

static bool read_evict(const struct reader *in, const struct place *at, const json_t *value,
                       struct config_server *s)
{
    return reader_bool(in, at, value, &s->evict);
}

static bool read_lean(const struct reader *in, const struct place *at, const json_t *value,
                      struct config_server *s)
{
    return reader_bool(in, at, value, &s->lean);
}

static bool read_url(const struct reader *in, const struct place *at, const json_t *value,
                     struct config_server *s)
{
    return reader_text(in, at, value, expected_of("url"), &s->url);
}

static bool read_headers(const struct reader *in, const struct place *at, const json_t *value,
                         struct config_server *s)
{
    (void)s; /* of remote servers, which are not served */
    return json_is_object(value) || reader_expected(in, at, expected_of("headers"), value);
}

static bool read_disabled(const struct reader *in, const struct place *at, const json_t *value,
                          struct config_server *s)
{
    (void)s; /* false; true was seen before */
    bool is_disabled;
    return reader_bool(in, at, value, &is_disabled);
}

typedef bool read_fn(const struct reader *in, const struct place *at, const json_t *value,
                     struct config_server *s);

static read_fn *read_of(const char *key)
{
    static const struct {
        const char *key;
        read_fn *read;
    } readers[] = {
        {"command", read_command}, {"args", read_args},           {"env", read_env},
        {"cwd", read_cwd},         {"type", read_transport},      {"transport", read_transport},
        {"share", read_share},     {"spares", read_spares},       {"warmup", read_warmup},
        {"evict", read_evict},     {"lean", read_lean},           {"url", read_url},
        {"headers", read_headers}, {"disabled", read_disabled},
    };
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (strcmp(readers[i].key, key) == 0)
            return readers[i].read;
    return NULL;
}

/* A key that is neither ours nor a slip of one of ours is some client's: kept out of the way. */
static bool unknown_key(const struct reader *in, const struct place *at)
{
    size_t key_count, setting_count, n = 0;
    const struct server_key *keys = server_key_rows(&key_count);
    const struct setting *settings = setting_rows(&setting_count);
    const char **names = xcalloc(key_count + setting_count, sizeof *names);
    for (size_t i = 0; i < key_count; i++)
        names[n++] = keys[i].name;
    for (size_t i = 0; i < setting_count; i++)
        if (settings[i].scope == SCOPE_BOTH)
            names[n++] = settings[i].name;
    const char *meant = nearest_name(at->name, names, n);
    free(names);
    if (meant)
        return reader_mistake(in, at, "not known here; did you mean %s?", meant);
    reader_warn(in, at, "not known to poold, ignored");
    return true;
}

static bool read_key(const struct reader *in, const struct place *at, const json_t *value,
                     struct config_server *s)
{
    read_fn *read = read_of(at->name);
    const struct setting *row = setting_find(at->name);
    if (read)
        return read(in, at, value, s);
    if (!row)
        return unknown_key(in, at);
    if (row->scope != SCOPE_BOTH)
        return reader_mistake(in, at, "stands at the top of the file, not in a server");
    return reader_setting(in, at, value, row, &s->settings);
}

static bool uses_port(const struct config_server *s)
{
    bool found = expand_uses(s->command, "POOLD_PORT");
    for (size_t i = 0; i < s->args.count; i++)
        found = found || expand_uses(s->args.items[i], "POOLD_PORT");
    for (size_t i = 0; i < s->env.count; i++)
        found = found || expand_uses(s->env.items[i], "POOLD_PORT");
    return found;
}

/* What only the whole entry shows. */
static bool check_whole(const struct reader *in, const struct place *at, const json_t *entry,
                        struct config_server *s)
{
    const json_t *type = json_object_get(entry, "type");
    const json_t *transport = json_object_get(entry, "transport");
    if (type && transport && !json_equal(type, transport))
        return reader_mistake(in, at, "type and transport contradict each other: expected one "
                                      "of them");
    if (s->command && s->url)
        return reader_mistake(in, at, "expected command or url, found both");
    if (!s->command && !s->url)
        return reader_mistake(in, at, "expected a command (or a url), found neither");
    s->is_remote = s->url != NULL;
    if (s->is_remote) {
        if (s->transport == CONFIG_STDIO)
            s->transport = CONFIG_HTTP;
        reader_warn(in, at, "a remote server (url) is not served by poold: clients reach it "
                            "themselves");
        return true;
    }
    if (s->transport != CONFIG_STDIO && !uses_port(s))
        return reader_mistake(in, at, "a server of type %s needs ${POOLD_PORT} in its args or "
                                      "env, so that it listens where poold looks for it",
                              s->transport == CONFIG_HTTP ? "http" : "sse");
    if (json_object_get(entry, "headers"))
        reader_warn(in, at, "headers are of use for a remote server (url) only, ignored");
    if (!json_object_get(entry, "share") && s->transport == CONFIG_STDIO &&
        private_server_find(s->command, &s->args))
        s->share = CONFIG_SHARE_SESSION;
    if (s->spares && s->share != CONFIG_SHARE_SESSION) {
        reader_warn(in, at, "spares are of use with \"share\": \"session\" only, ignored");
        s->spares = 0;
    }
    return true;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Hash of all that decides what is started, whatever order env was written in. */
static char *definition_of(const struct config_server *s)
{
    struct strv env = {0}, parts = {0};
    for (size_t i = 0; i < s->env.count; i++)
        strv_add(&env, s->env.items[i]);
    if (env.count)
        qsort(env.items, env.count, sizeof *env.items, compare_texts);
    strv_add_take(&parts, xasprintf("%d %zu %zu", (int)s->transport, s->args.count, env.count));
    if (s->share == CONFIG_SHARE_SESSION) /* a shared one cannot become private, nor back */
        strv_add(&parts, "session");
    strv_add(&parts, s->command ? s->command : "");
    strv_add(&parts, s->cwd ? s->cwd : "");
    for (size_t i = 0; i < s->args.count; i++)
        strv_add(&parts, s->args.items[i]);
    for (size_t i = 0; i < env.count; i++)
        strv_add(&parts, env.items[i]);
    size_t n = 0, at = 0;
    for (size_t i = 0; i < parts.count; i++)
        n += strlen(parts.items[i]) + 1;
    char *bytes = xmalloc(n); /* each part with its end, so that no two lists read alike */
    for (size_t i = 0; i < parts.count; i++) {
        size_t length = strlen(parts.items[i]) + 1;
        memcpy(bytes + at, parts.items[i], length);
        at += length;
    }
    uint8_t hash[DIGEST_SIZE];
    digest_sha256(bytes, n, hash);
    free(bytes);
    strv_finish(&env);
    strv_finish(&parts);
    uint64_t head = 0;
    for (int i = 0; i < 8; i++)
        head = head << 8 | hash[i];
    return xasprintf("%016" PRIx64, head);
}

static bool name_is_valid(const char *name)
{
    size_t n = strlen(name);
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
            return false;
    return n >= 1 && n <= 64;
}

bool server_read(const struct reader *in, const struct place *at, const json_t *entry,
                 const struct settings *global, struct config_server **out)
{
    if (!name_is_valid(at->name))
        return reader_mistake(in, at, "expected a server's name: 1 to 64 letters, digits, '.', "
                                      "'_' or '-'");
    if (!json_is_object(entry))
        return reader_expected(in, at, "an object like {\"command\": ..., \"args\": [...]}",
                               entry);
    if (json_is_true(json_object_get(entry, "disabled"))) {
        reader_warn(in, at, "disabled, left out");
        *out = NULL;
        return true;
    }
    struct config_server *s = xcalloc(1, sizeof *s);
    s->name = xstrdup(at->name);
    s->transport = CONFIG_STDIO;
    s->evict = true;
    s->line = reader_line(in, at);
    settings_copy(&s->settings, global);
    bool ok = true;
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)entry, key, value) {
        struct place here = {.parent = at, .name = key};
        ok = ok && read_key(in, &here, value, s);
    }
    if (!ok || !check_whole(in, at, entry, s)) {
        server_free(s);
        return false;
    }
    s->definition = definition_of(s);
    *out = s;
    return true;
}
