/* api/openapi.c - the OpenAPI 3.1 document from the tables of routes and shapes. See routes.h. */
#include "api/routes.h"
#include "api/shapes.h"
#include "api/wire.h"
#include "base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Errors that any route may answer with. */
static const char *const any_errors[] = {"bad-request", "parse",       "denied", "not-found",
                                         "method",      "internal",    "too-big", "not-running"};
#define UNSUPPORTED_MEDIA_TYPE 415

/* --- parameters --- */

static bool is_about(const struct param *p, const char *name)
{
    return strcmp(p->name, name) == 0;
}

/* What a text must look like beyond its length. Lengths are in bytes; a schema counts characters,
 * so that a text of many long ones may still be refused. */
static const char *pattern_of(const struct param *p)
{
    if (is_about(p, "path"))
        return "^/[^\\u0000]*$";
    return p->place == IN_PATH ? "^[^/\\u0000]+$" : "^[^\\u0000]+$";
}

static json_t *param_schema(const struct param *p)
{
    if (p->type == PARAM_BOOL)
        return json_pack("{s:s}", "type", "boolean");
    if (p->type == PARAM_INT)
        return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)p->min,
                         "maximum", (json_int_t)p->max);
    return json_pack("{s:s, s:I, s:I, s:s}", "type", "string", "minLength", (json_int_t)p->min,
                     "maxLength", (json_int_t)(p->max ? p->max : 4096), "pattern", pattern_of(p));
}

static json_t *parameters_of(const struct route *route)
{
    json_t *list = json_array();
    for (const struct param *p = route->params; p->name; p++)
        if (p->place != IN_BODY)
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", p->name, "in",
                                            p->place == IN_PATH ? "path" : "query", "required",
                                            p->place == IN_PATH || p->is_required, "description",
                                            p->help, "schema", param_schema(p)));
    return list;
}

/* A change's body: JSON, also where it has no member (the header is what is asked for). */
static json_t *body_of(const struct route *route)
{
    json_t *members = json_object(), *required = json_array();
    for (const struct param *p = route->params; p->name; p++) {
        if (p->place != IN_BODY)
            continue;
        json_t *schema = param_schema(p);
        json_object_set_new(schema, "description", json_string(p->help));
        json_object_set_new(members, p->name, schema);
        if (p->is_required)
            json_array_append_new(required, json_string(p->name));
    }
    bool has_required = json_array_size(required) > 0;
    bool has_choice = json_object_get(members, "path") && json_object_get(members, "project");
    json_t *schema = json_pack("{s:s, s:o, s:b}", "type", "object", "properties", members,
                               "additionalProperties", 0);
    if (has_required)
        json_object_set(schema, "required", required);
    json_decref(required);
    if (has_choice) { /* one of the two; as oneOf, generators would lose the members' types */
        json_object_set_new(schema, "if", json_pack("{s:[s]}", "required", "path"));
        json_object_set_new(schema, "then", json_pack("{s:{s:[s]}}", "not", "required", "project"));
        json_object_set_new(schema, "else", json_pack("{s:[s]}", "required", "project"));
    }
    return json_pack("{s:b, s:{s:{s:o}}}", "required", 1, "content", API_JSON, "schema", schema);
}

/* --- answers --- */

static json_t *success_of(const struct route *route)
{
    bool is_media = strchr(route->shape, '/') != NULL;
    const char *type = is_media ? route->shape : API_JSON;
    json_t *schema = shape_type_schema(is_media ? "text" : route->shape);
    json_t *content = json_pack("{s:{s:o}}", type, "schema", schema);
    if (route->flags & ROUTE_LINES)
        json_object_set_new(content, API_NDJSON,
                            json_pack("{s:{s:s, s:s}}", "schema", "type", "string", "description",
                                      "one Progress a line"));
    return json_pack("{s:s, s:o}", "description", route->answer, "content", content);
}

/* Add an error's name to the answers, under its status. */
static void add_error(json_t *answers, int status, const char *name)
{
    char key[8];
    snprintf(key, sizeof key, "%d", status);
    json_t *answer = json_object_get(answers, key);
    if (!answer) {
        answer = json_pack("{s:s, s:{s:{s:{s:s}}}}", "description", name, "content",
                           API_PROBLEM_JSON, "schema", "$ref", "#/components/schemas/Problem");
        json_object_set_new(answers, key, answer);
        return;
    }
    const char *before = json_string_value(json_object_get(answer, "description"));
    json_object_set_new(answer, "description", json_sprintf("%s, %s", before, name));
}

static void add_named(json_t *answers, const char *name)
{
    add_error(answers, err_row(err_by_name(name))->http, name);
}

static json_t *answers_of(const struct route *route)
{
    char key[8], words[200], *rest = words;
    bool is_change = strcmp(route->method, "GET") != 0;
    json_t *answers = json_object();
    snprintf(key, sizeof key, "%d", route->status);
    json_object_set_new(answers, key, success_of(route));
    for (size_t i = 0; i < sizeof any_errors / sizeof *any_errors; i++)
        add_named(answers, any_errors[i]);
    snprintf(words, sizeof words, "%s", route->errors);
    for (char *word; (word = strsep(&rest, " "));) {
        bool is_there = false;
        for (size_t i = 0; i < sizeof any_errors / sizeof *any_errors; i++)
            is_there = is_there || strcmp(word, any_errors[i]) == 0;
        if (*word && !is_there)
            add_named(answers, word);
    }
    if (is_change)
        add_error(answers, UNSUPPORTED_MEDIA_TYPE, "bad-request: Content-Type is not JSON");
    return answers;
}

static json_t *operation_of(const struct route *route)
{
    json_t *operation = json_pack("{s:s, s:s, s:o, s:o}", "operationId", route->name, "summary",
                                  route->summary, "parameters", parameters_of(route), "responses",
                                  answers_of(route));
    if (strcmp(route->method, "GET") != 0)
        json_object_set_new(operation, "requestBody", body_of(route));
    if (strcmp(route->name, "events") == 0)
        json_array_append_new(
            json_object_get(operation, "parameters"),
            json_pack("{s:s, s:s, s:b, s:s, s:{s:s}}", "name", "Last-Event-ID", "in", "header",
                      "required", 0, "description", "the last event that was seen", "schema",
                      "type", "string"));
    return operation;
}

/* --- the document --- */

static json_t *schemas(void)
{
    size_t count;
    const struct shape *rows = shape_rows(&count);
    json_t *all = json_object();
    for (size_t i = 0; i < count; i++)
        json_object_set_new(all, rows[i].name, shape_schema(&rows[i]));
    shape_words_schemas(all);
    return all;
}

json_t *routes_openapi(const char *url)
{
    size_t count;
    const struct route *rows = route_rows(&count);
    json_t *paths = json_object();
    for (size_t i = 0; i < count; i++) {
        json_t *path = json_object_get(paths, rows[i].path);
        char *method = xstrdup(rows[i].method);
        for (char *c = method; *c; c++)
            *c = (char)tolower((unsigned char)*c);
        if (!path) {
            path = json_object();
            json_object_set_new(paths, rows[i].path, path);
        }
        json_object_set_new(path, method, operation_of(&rows[i]));
        free(method);
    }
    return json_pack(
        "{s:s, s:{s:s, s:s, s:s}, s:[{s:s}], s:o, s:{s:o}}", "openapi", "3.1.0", "info", "title",
        "poold", "version", POOLD_VERSION, "description",
        "The management API of poold, which keeps warm MCP daemons, one per project. Clients "
        "ignore members that they do not know.",
        "servers", "url", url, "paths", paths, "components", "schemas", schemas());
}
