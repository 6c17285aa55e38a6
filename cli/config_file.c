/* cli/config_file.c - see config_file.h. */
#include "cli/config_file.h"

#include "config/config.h"

#include <string.h>

/* Stands for the built-in server, whose command only poold knows. */
static const char builtin[] = "{\"command\": \"serena\"}";

static json_t *settings_view(const struct settings *settings)
{
    size_t count;
    const struct setting *rows = setting_rows(&count);
    json_t *all = json_object();
    for (size_t i = 0; i < count; i++) {
        char *text = setting_text(settings, &rows[i]);
        bool is_number = rows[i].type == SETTING_INT;
        json_t *value =
            is_number ? json_integer(setting_number(settings, &rows[i])) : json_string(text);
        json_t *standard = is_number ? json_integer(strtoll(rows[i].standard, NULL, 10))
                                     : json_string(rows[i].standard);
        json_object_set_new(all, rows[i].name,
                            json_pack("{s:o, s:o, s:s}", "value", value, "default", standard,
                                      "unit", rows[i].unit));
        free(text);
    }
    return all;
}

static json_t *servers_view(const struct config *c)
{
    json_t *all = json_object();
    for (struct config_server **s = c->servers; *s; s++) {
        if ((*s)->is_builtin)
            continue;
        json_t *args = json_array(), *one = json_object();
        for (size_t i = 0; i < (*s)->args.count; i++)
            json_array_append_new(args, json_string((*s)->args.items[i]));
        if ((*s)->command)
            json_object_set_new(one, "command", json_string((*s)->command));
        json_object_set_new(one, "args", args);
        json_object_set_new(all, (*s)->name, one);
    }
    return all;
}

bool config_file_read(struct cli *cli, json_t **out, struct err *err)
{
    const struct dirs *dirs;
    if (!cli_dirs(cli, &dirs, err))
        return false;
    struct config *c = config_load(dirs->config_file, builtin, err);
    if (!c)
        return false;
    json_t *warnings = json_array();
    for (size_t i = 0; i < c->warnings.count; i++)
        json_array_append_new(warnings, json_string(c->warnings.items[i]));
    *out = json_pack("{s:s, s:b, s:o, s:o, s:o}", "file", c->file, "fileExists", c->file_exists,
                     "settings", settings_view(&c->settings), "mcpServers", servers_view(c),
                     "warnings", warnings);
    config_free(c);
    return true;
}
