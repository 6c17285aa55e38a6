/* config/config_print.c - the effective configuration as JSON in the file's own shape. */
#include "config/config.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

static json_t *setting_json(const struct settings *s, const struct setting *row)
{
    if (row->type == SETTING_INT)
        return json_integer(setting_number(s, row));
    char *text = setting_text(s, row);
    json_t *value = json_string(text);
    free(text);
    return value;
}

static json_t *texts_json(const struct strv *texts)
{
    json_t *list = json_array();
    for (size_t i = 0; i < texts->count; i++)
        json_array_append_new(list, json_string(texts->items[i]));
    return list;
}

/* A value that is only a reference holds no secret: "${TOKEN}". */
static bool is_reference(const char *value)
{
    size_t n = strlen(value);
    return n > 3 && str_starts(value, "${") && strcspn(value, ":}") == n - 1;
}

static json_t *env_json(const struct strv *env, bool show)
{
    json_t *object = json_object();
    for (size_t i = 0; i < env->count; i++) {
        const char *equals = strchr(env->items[i], '=');
        char *name = xstrndup(env->items[i], (size_t)(equals - env->items[i]));
        const char *value = show || is_reference(equals + 1) ? equals + 1 : "***";
        json_object_set_new(object, name, json_string(value));
        free(name);
    }
    return object;
}

/* Where a remote server is, without what may be a secret: user, password and query. */
static json_t *url_json(const char *url, bool show)
{
    if (show)
        return json_string(url);
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    size_t authority = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', authority);
    const char *visible = at ? at + 1 : host;
    char *text = xasprintf("%.*s%s%.*s%s", (int)(host - url), url, at ? "***@" : "",
                           (int)strcspn(visible, "?#"), visible,
                           visible[strcspn(visible, "?#")] ? "?***" : "");
    json_t *value = json_string(text);
    free(text);
    return value;
}

static void warmup_put(json_t *object, const struct config_server *s)
{
    if (!s->warmup_tool)
        return;
    json_t *warmup = json_object();
    json_object_set_new(warmup, "tool", json_string(s->warmup_tool));
    json_object_set_new(warmup, "arguments", json_loads(s->warmup_arguments, 0, NULL));
    json_object_set_new(object, "warmup", warmup);
}

static json_t *server_json(const struct config_server *s, const struct settings *global,
                           bool show_env)
{
    static const char *const transports[] = {
        [CONFIG_HTTP] = "http", [CONFIG_SSE] = "sse", [CONFIG_STDIO] = "stdio"};
    json_t *object = json_object();
    json_object_set_new(object, "type", json_string(transports[s->transport]));
    if (s->is_remote) {
        json_object_set_new(object, "url", url_json(s->url, show_env));
        return object;
    }
    json_object_set_new(object, "command", json_string(s->command));
    json_object_set_new(object, "args", texts_json(&s->args));
    json_object_set_new(object, "env", env_json(&s->env, show_env));
    if (s->cwd)
        json_object_set_new(object, "cwd", json_string(s->cwd));
    json_object_set_new(object, "share",
                        json_string(s->share == CONFIG_SHARE_SESSION ? "session" : "project"));
    json_object_set_new(object, "spares", json_integer(s->spares));
    warmup_put(object, s);
    json_object_set_new(object, "evict", json_boolean(s->evict));
    json_object_set_new(object, "lean", json_boolean(s->lean));
    size_t count;
    const struct setting *rows = setting_rows(&count);
    for (size_t i = 0; i < count; i++)
        if (rows[i].type == SETTING_INT &&
            setting_number(&s->settings, &rows[i]) != setting_number(global, &rows[i]))
            json_object_set_new(object, rows[i].name, setting_json(&s->settings, &rows[i]));
    return object;
}

char *config_print(const struct config *c, bool show_env)
{
    size_t count;
    json_t *root = json_object(), *servers = json_object();
    const struct setting *rows = setting_rows(&count);
    for (size_t i = 0; i < count; i++)
        json_object_set_new(root, rows[i].name, setting_json(&c->settings, &rows[i]));
    for (struct config_server **s = c->servers; *s; s++)
        json_object_set_new(servers, (*s)->name, server_json(*s, &c->settings, show_env));
    json_object_set_new(root, "mcpServers", servers);
    char *text = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    return text;
}
