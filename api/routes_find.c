/* api/routes_find.c - finding a route and checking parameters by the table. See routes.h. */
#include "api/routes.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- finding --- */

/* Does path match the pattern? Variables go into vars. */
static bool path_matches(const char *pattern, const char *path, json_t *vars)
{
    while (*pattern) {
        if (*pattern != '{') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        const char *end = strchr(pattern, '}');
        size_t n = strcspn(path, "/");
        if (n == 0)
            return false;
        char *name = xstrndup(pattern + 1, (size_t)(end - pattern) - 1);
        json_t *value = json_stringn(path, n); /* NULL: not UTF-8 */
        bool ok = value && json_object_set(vars, name, value) == 0;
        json_decref(value);
        free(name);
        if (!ok)
            return false;
        pattern = end + 1;
        path += n;
    }
    return *path == '\0';
}

/* "GET, HEAD" and the like: few combinations, found in a static list so that they can be borrowed.
 */
static const char *allow_text(bool get, bool post, bool del)
{
    static const char *const texts[] = {
        "",       "GET, HEAD",         "POST",         "GET, HEAD, POST",
        "DELETE", "GET, HEAD, DELETE", "POST, DELETE", "GET, HEAD, POST, DELETE"};
    return texts[(get ? 1 : 0) + (post ? 2 : 0) + (del ? 4 : 0)];
}

const struct route *route_find(const char *method, const char *path, json_t *vars,
                               const char **allow, struct err *err)
{
    size_t count;
    const struct route *rows = route_rows(&count);
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    bool get = false, post = false, del = false;
    for (size_t i = 0; i < count; i++) {
        json_object_clear(vars);
        if (!path_matches(rows[i].path, path, vars))
            continue;
        if (strcmp(rows[i].method, wanted) == 0)
            return &rows[i];
        get = get || strcmp(rows[i].method, "GET") == 0;
        post = post || strcmp(rows[i].method, "POST") == 0;
        del = del || strcmp(rows[i].method, "DELETE") == 0;
    }
    json_object_clear(vars);
    if (get || post || del) {
        *allow = allow_text(get, post, del);
        err_set(err, ERR_METHOD, 0, "%s cannot be done with %.200s (it has %s)", method, path,
                *allow);
    } else {
        err_set(err, ERR_NOT_FOUND, 0, "there is nothing at %.200s", path);
    }
    return NULL;
}

/* --- checking --- */

static const struct param *param_find(const struct route *route, enum param_place place,
                                      const char *name)
{
    for (const struct param *p = route->params; p->name; p++)
        if (p->place == place && strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

static int64_t text_max(const struct param *p)
{
    return p->max ? p->max : 4096;
}

static bool wrong(const struct param *p, struct err *err)
{
    switch (p->type) {
    case PARAM_BOOL:
        return err_set(err, ERR_BAD_REQUEST, 0, "\"%s\": expected %s", p->name,
                       p->place == IN_BODY ? "true or false" : "1 or 0");
    case PARAM_INT:
        return err_set(err, ERR_BAD_REQUEST, 0,
                       "\"%s\": expected a whole number, %" PRId64 " to %" PRId64, p->name, p->min,
                       p->max);
    default:
        return err_set(err, ERR_BAD_REQUEST, 0,
                       "\"%s\": expected a text of %" PRId64 " to %" PRId64 " bytes", p->name,
                       p->min, text_max(p));
    }
}

/* value (from the body, with its JSON type) is what p wants. */
static bool value_fits(const struct param *p, const json_t *value)
{
    if (p->type == PARAM_BOOL)
        return json_is_boolean(value);
    if (p->type == PARAM_INT)
        return json_is_integer(value) && json_integer_value(value) >= p->min &&
               json_integer_value(value) <= p->max;
    if (!json_is_string(value))
        return false;
    size_t n = json_string_length(value);
    return strlen(json_string_value(value)) == n && (int64_t)n >= p->min &&
           (int64_t)n <= text_max(p);
}

/* value of the body with the type that p wants: 5.0 is a whole number too (JSON Schema). New. */
static json_t *value_from_body(const struct param *p, json_t *value)
{
    double number = json_real_value(value);
    bool is_whole = json_is_real(value) && number >= (double)p->min && number <= (double)p->max &&
                    (double)(int64_t)number == number;
    return p->type == PARAM_INT && is_whole ? json_integer((int64_t)number) : json_incref(value);
}

/* The typed value of a text from the query. New, or NULL if it is not what p wants. */
static json_t *value_from_text(const struct param *p, const char *text)
{
    int64_t number;
    if (p->type == PARAM_TEXT)
        return json_string(text);
    if (p->type == PARAM_INT)
        return str_to_int(text, p->min, p->max, &number) ? json_integer(number) : NULL;
    if (str_equal(text, "1") || str_equal(text, "true"))
        return json_true();
    if (str_equal(text, "0") || str_equal(text, "false"))
        return json_false();
    return NULL;
}

static void names_list(const struct route *route, enum param_place place, char *out, size_t room)
{
    size_t used = 0;
    out[0] = '\0';
    for (const struct param *p = route->params; p->name && used < room; p++)
        if (p->place == place)
            used += (size_t)snprintf(out + used, room - used, "%s%s", used ? ", " : "", p->name);
    if (!used)
        snprintf(out, room, "none");
}

static bool merge(const struct route *route, enum param_place place, const json_t *from,
                  json_t *into, struct err *err)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)from, name, value)
    {
        const struct param *p = param_find(route, place, name);
        if (!p) {
            char names[200];
            names_list(route, place, names, sizeof names);
            return err_set(err, ERR_BAD_REQUEST, 0, "unknown %s \"%.60s\" (known: %s)",
                           place == IN_BODY ? "member" : "parameter", name, names);
        }
        json_t *typed = place == IN_BODY ? value_from_body(p, value)
                                         : value_from_text(p, json_string_value(value));
        if (!typed || !value_fits(p, typed)) {
            json_decref(typed);
            return wrong(p, err);
        }
        json_object_set_new(into, name, typed);
    }
    return true;
}

bool route_params(const struct route *route, const json_t *query, const json_t *body, json_t *into,
                  struct err *err)
{
    if (!merge(route, IN_QUERY, query, into, err))
        return false;
    if (body && !merge(route, IN_BODY, body, into, err))
        return false;
    for (const struct param *p = route->params; p->name; p++) {
        const json_t *value = json_object_get(into, p->name);
        if (p->is_required && !value)
            return err_set(err, ERR_BAD_REQUEST, 0, "\"%s\" is missing: %s", p->name, p->help);
        if (p->place == IN_PATH && !value_fits(p, value))
            return wrong(p, err);
    }
    return true;
}
