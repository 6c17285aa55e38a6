/* cli/tool_list.c - see tool_list.h. */
#include "cli/tool_list.h"

#include "base/str.h"
#include "cli/config_file.h"
#include "cli/field.h"
#include "cli/offline.h"
#include "cli/target.h"

#include <string.h>

#define NAME_MAX_CHARS 64 /* of both services */

/* --- where --- */

void tool_place_finish(struct tool_place *place)
{
    free(place->project);
    free(place->key);
    free(place->server);
    *place = (struct tool_place){0};
}

/* Without poold: by the registry and the configuration file. */
static bool place_offline(struct cli *cli, const char *arg, struct tool_place *out, struct err *err)
{
    const char *server = cli_text(cli, "server");
    json_t *settings = NULL;
    if (!offline_key(cli, arg, &out->key, err))
        return false;
    if (server) {
        out->server = xstrdup(server);
        return true;
    }
    if (!config_file_read(cli, &settings, err))
        return false;
    const json_t *usual = json_object_get(json_object_get(settings, "settings"), "defaultServer");
    out->server = xstrdup(field_text(usual, "value"));
    json_decref(settings);
    return true;
}

bool tool_place_of(struct cli *cli, const char *arg, struct tool_place *out, struct err *err)
{
    struct tool_place place = {0};
    struct target t = {0};
    struct err why = {0};
    if (!target_from(arg, &t, err))
        return false;
    place.project = xstrdup(t.path ? t.path : t.name);
    bool ok = target_resolve(cli, &t, cli_text(cli, "server"), &why);
    if (ok) {
        place.key = xstrdup(t.key);
        place.server = xstrdup(t.server);
    } else if (why.code == ERR_NOT_RUNNING && !cli->problem) {
        ok = place_offline(cli, arg, &place, err);
    } else {
        err_set(err, why.code, 0, "%s", err_text(&why));
    }
    target_finish(&t);
    if (ok)
        *out = place;
    else
        tool_place_finish(&place);
    return ok;
}

/* --- what --- */

bool tool_list_known(struct cli *cli, const struct tool_place *place, json_t **tools,
                     struct err *err)
{
    json_t *result = NULL;
    if (!offline_known(cli, place->key, place->server, "tools", &result, err))
        return false;
    json_t *list = json_object_get(result, "tools");
    bool ok = json_is_array(list) ||
              err_set(err, ERR_NOT_FOUND, 0,
                      "the tools of %s are not known yet: no daemon for %s has told them to a "
                      "client",
                      place->server, place->project);
    if (ok)
        *tools = json_incref(list);
    json_decref(result);
    return ok;
}

const json_t *tool_list_find(const json_t *tools, const char *name)
{
    const json_t *tool;
    size_t i;
    json_array_foreach(tools, i, tool)
    {
        if (strcmp(field_text(tool, "name"), name) == 0)
            return tool;
    }
    return NULL;
}

bool tool_name_is_callable(const char *name)
{
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t n = strlen(name);
    return n > 0 && n <= NAME_MAX_CHARS && strspn(name, good) == n;
}

/* --- in which shape --- */

/* Both services want an object schema; OpenAI wants its properties named even if there are none. */
static json_t *schema_of(const json_t *tool)
{
    json_t *schema = json_deep_copy(json_object_get(tool, "inputSchema"));
    if (!json_is_object(schema)) {
        json_decref(schema);
        schema = json_pack("{s:s}", "type", "object");
    }
    if (!json_object_get(schema, "properties"))
        json_object_set_new(schema, "properties", json_object());
    return schema;
}

static json_t *described(const json_t *tool, const char *schema_name)
{
    json_t *out = json_object();
    const char *description = field_text(tool, "description");
    json_object_set_new(out, "name", json_string(field_text(tool, "name")));
    if (*description)
        json_object_set_new(out, "description", json_string(description));
    json_object_set_new(out, schema_name, schema_of(tool));
    return out;
}

static json_t *to_mcp(const json_t *tool)
{
    return json_deep_copy(tool);
}
static json_t *to_anthropic(const json_t *tool)
{
    return described(tool, "input_schema");
}
static json_t *to_openai(const json_t *tool)
{
    json_t *out = json_object();
    json_object_set_new(out, "type", json_string("function"));
    json_object_set_new(out, "function", described(tool, "parameters"));
    return out;
}

bool tool_list_format(const json_t *tools, const char *format, json_t **out, struct err *err)
{
    static const struct {
        const char *name;
        json_t *(*convert)(const json_t *tool);
    } formats[] = {{"mcp", to_mcp}, {"anthropic", to_anthropic}, {"openai", to_openai}};
    const json_t *tool;
    size_t i, f = 0, count = sizeof formats / sizeof *formats;
    while (f < count && strcmp(formats[f].name, format) != 0)
        f++;
    if (f == count)
        return err_set(err, ERR_USAGE, 0, "--format is mcp, anthropic or openai, not '%.40s'",
                       format);
    *out = json_array();
    json_array_foreach(tools, i, tool) json_array_append_new(*out, formats[f].convert(tool));
    return true;
}
