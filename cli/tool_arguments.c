/* cli/tool_arguments.c - see tool_arguments.h. */
#include "cli/tool_arguments.h"

#include "base/str.h"
#include "cli/field.h"

#include <string.h>

static bool read_json(const char *text, const char *word, json_t **out, struct err *err)
{
    json_error_t why;
    *out = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
    return *out || err_set(err, ERR_USAGE, 0, "'%.80s' is not JSON (at character %d): %.100s", word,
                           why.position, why.text);
}

/* May a value of this schema be a string? Then it is taken as it stands. */
static bool may_be_string(const json_t *property)
{
    const json_t *type = json_object_get(property, "type"), *one;
    size_t i;
    if (json_is_string(type))
        return strcmp(json_string_value(type), "string") == 0;
    json_array_foreach(type, i, one)
    {
        if (json_is_string(one) && strcmp(json_string_value(one), "string") == 0)
            return true;
    }
    /* "anyOf" and the like: a JSON value is told from a string by being one. */
    return !json_is_array(type) && !json_object_get(property, "anyOf") &&
           !json_object_get(property, "oneOf");
}

static json_t *value_of(const char *text, const json_t *property)
{
    json_t *json = may_be_string(property) ? NULL : json_loads(text, JSON_DECODE_ANY, NULL);
    return json ? json : json_string(text);
}

static bool take_word(const char *word, const json_t *properties, json_t *arguments,
                      struct err *err)
{
    const char *equals = strchr(word, '=');
    if (!equals || equals == word)
        return err_set(err, ERR_USAGE, 0,
                       "'%.80s' is neither a JSON object nor key=value (or key:=JSON)", word);
    bool is_json = equals[-1] == ':';
    char *key = xstrndup(word, (size_t)(equals - word) - is_json);
    json_t *value = NULL;
    bool ok = true;
    if (!*key || json_object_get(arguments, key))
        ok = err_set(err, ERR_USAGE, 0,
                     *key ? "the argument '%.80s' is given twice" : "'%.80s' names no argument",
                     *key ? key : word);
    else if (is_json)
        ok = read_json(equals + 1, word, &value, err);
    else if (!(value = value_of(equals + 1, json_object_get(properties, key))))
        ok = err_set(err, ERR_USAGE, 0, "the value of '%.80s' is not UTF-8", key);
    if (ok)
        json_object_set_new(arguments, key, value);
    free(key);
    return ok;
}

bool tool_arguments_read(char *const *words, size_t count, const json_t *schema, json_t **out,
                         struct err *err)
{
    json_t *arguments = NULL;
    bool ok = true;
    if (count == 1 && words[0][strspn(words[0], " \t\r\n")] == '{') {
        ok = read_json(words[0], words[0], &arguments, err);
    } else {
        arguments = json_object();
        for (size_t i = 0; ok && i < count; i++)
            ok = take_word(words[i], json_object_get(schema, "properties"), arguments, err);
    }
    if (ok)
        *out = arguments;
    else
        json_decref(arguments);
    return ok;
}
