/* api/shapes_print.c - JSON Schemas and docs from the table of shapes. See shapes.h. */
#include "api/shapes.h"
#include "base/err.h"
#include "base/str.h"
#include "pool/pool.h"

#include <ctype.h>
#include <string.h>

/* --- words --- */

static const char *layer_at(int i)
{
    return layer_word((enum layer)i);
}
static const char *state_at(int i)
{
    return daemon_state_word((enum daemon_state)i);
}
static const char *step_at(int i)
{
    return start_step_word((enum start_step)i);
}
static const char *reason_at(int i)
{
    return reason_word((enum reason)(i + 1)); /* the first is none */
}
static const char *code_at(int i)
{
    return err_row((enum err_code)(i + 1))->name; /* the first is no error */
}
static const char *change_at(int i)
{
    static const char *const words[] = {"opened", "taken-back", "put-aside", "closed"};
    return words[i];
}

static const struct {
    const char *name;
    int count;
    const char *(*at)(int i);
} tables[] = {
    {"@layer", LAYER_FAILED + 1, layer_at}, {"@state", DAEMON_STATE_COUNT, state_at},
    {"@step", STEP_COUNT, step_at},         {"@reason", REASON_COUNT - 1, reason_at},
    {"@code", ERR_COUNT - 1, code_at},      {"@change", 4, change_at},
};

/* "State" of "@state". */
static char *words_name(const char *type)
{
    char *name = xstrdup(type + 1);
    *name = (char)toupper((unsigned char)*name);
    return name;
}

void shape_words_schemas(json_t *all)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        char *name = words_name(tables[i].name);
        json_t *words = json_array();
        for (int k = 0; k < tables[i].count; k++)
            json_array_append_new(words, json_string(tables[i].at(k)));
        json_object_set_new(all, name, json_pack("{s:s, s:o}", "type", "string", "enum", words));
        free(name);
    }
}

/* Of "(a|b)". */
static json_t *words_schema(const char *type)
{
    json_t *words = json_array();
    const char *from = type + 1;
    for (size_t n; *from && *from != ')'; from += n + (from[n] == '|')) {
        n = strcspn(from, "|)");
        json_array_append_new(words, json_stringn(from, n));
    }
    return json_pack("{s:s, s:o}", "type", "string", "enum", words);
}

static json_t *reference(const char *name)
{
    return json_pack("{s:o}", "$ref", json_sprintf("#/components/schemas/%s", name));
}

/* --- schemas --- */

static json_t *simple_schema(const char *type)
{
    if (strcmp(type, "time") == 0)
        return json_pack("{s:s, s:s}", "type", "string", "format", "date-time");
    if (strcmp(type, "url") == 0)
        return json_pack("{s:s, s:s}", "type", "string", "format", "uri");
    if (strcmp(type, "number") == 0)
        return json_pack("{s:s}", "type", "integer");
    if (strcmp(type, "count") == 0)
        return json_pack("{s:s, s:i}", "type", "integer", "minimum", 0);
    if (strcmp(type, "bool") == 0)
        return json_pack("{s:s}", "type", "boolean");
    if (strcmp(type, "any") == 0)
        return json_object();
    return json_pack("{s:s}", "type", "string"); /* text path */
}

/* schema, or null. Takes it. */
static json_t *nullable(json_t *schema)
{
    json_t *words = json_object_get(schema, "enum");
    const char *type = json_string_value(json_object_get(schema, "type"));
    if (!type)
        return json_pack("{s:[o, {s:s}]}", "anyOf", schema, "type", "null");
    json_object_set_new(schema, "type", json_pack("[s, s]", type, "null"));
    if (words)
        json_array_append_new(words, json_null());
    return schema;
}

json_t *shape_type_schema(const char *type)
{
    size_t n = strlen(type);
    if (type[n - 1] == '?') {
        char *inner = xstrndup(type, n - 1);
        json_t *schema = nullable(shape_type_schema(inner));
        free(inner);
        return schema;
    }
    if (*type == '[' || *type == '{') {
        char *inner = xstrndup(type + 1, n - 2);
        json_t *of = shape_type_schema(inner);
        free(inner);
        return *type == '[' ? json_pack("{s:s, s:o}", "type", "array", "items", of)
                            : json_pack("{s:s, s:o}", "type", "object", "additionalProperties", of);
    }
    if (*type == '(')
        return words_schema(type);
    if (*type == '@') {
        char *name = words_name(type);
        json_t *schema = reference(name);
        free(name);
        return schema;
    }
    if (isupper((unsigned char)*type))
        return reference(type);
    return simple_schema(type);
}

json_t *shape_schema(const struct shape *shape)
{
    json_t *members = json_object(), *required = json_array();
    for (const struct shape_member *m = shape->members; m->name; m++) {
        bool is_optional = shape_member_is_optional(m);
        char *name = xstrndup(m->name, strlen(m->name) - (is_optional ? 1 : 0));
        json_t *schema = shape_type_schema(m->type);
        json_object_set_new(schema, "description", json_string(m->help));
        json_object_set_new(members, name, schema);
        if (!is_optional)
            json_array_append_new(required, json_string(name));
        free(name);
    }
    json_t *schema = json_pack("{s:s, s:s, s:o}", "type", "object", "description", shape->help,
                               "properties", members);
    if (json_array_size(required))
        json_object_set(schema, "required", required);
    json_decref(required);
    return schema;
}

/* --- docs --- */

static bool print_word_tables(struct buf *out)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        if (!buf_printf(out, "- `%s`:", tables[i].name))
            return false;
        for (int k = 0; k < tables[i].count; k++)
            if (!buf_printf(out, " %s", tables[i].at(k)))
                return false;
        if (!buf_add_str(out, "\n"))
            return false;
    }
    return true;
}

static bool print_shape(const struct shape *shape, struct buf *out)
{
    if (!buf_printf(out, "\n### %s\n%s\n\n| member | type | is |\n|---|---|---|\n", shape->name,
                    shape->help))
        return false;
    for (const struct shape_member *m = shape->members; m->name; m++) {
        if (!buf_printf(out, "| `%s` | ", m->name))
            return false;
        for (const char *c = m->type; *c; c++) /* a bar would end the table's cell */
            if (!buf_add_str(out, *c == '|' ? "\\|" : (char[]){*c, '\0'}))
                return false;
        if (!buf_printf(out, " | %s |\n", m->help))
            return false;
    }
    return true;
}

bool shapes_print(struct buf *out)
{
    size_t count;
    const struct shape *rows = shape_rows(&count);
    if (!buf_add_str(out,
                     "\n## Shapes\n\n"
                     "`TYPE?` may be null, `[TYPE]` is a list, `{TYPE}` an object with free names, "
                     "`(a|b)` one of\nthese words; a member whose name ends in `?` may be absent. "
                     "Clients ignore members that they\ndo not know. Words of tables in the "
                     "code:\n\n") ||
        !print_word_tables(out))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!print_shape(&rows[i], out))
            return false;
    return true;
}
