/* config/reader.c - see reader.h. */
#include "config/reader.h"

#include "base/buf.h"
#include "config/jsonc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 8

/* The chain as steps from the top; their number. */
static size_t steps_of(const struct place *at, struct jsonc_step *steps)
{
    if (!at)
        return 0;
    size_t n = steps_of(at->parent, steps);
    if (n < DEPTH_MAX)
        steps[n++] = (struct jsonc_step){.name = at->name, .index = at->index};
    return n;
}

int reader_line(const struct reader *in, const struct place *at)
{
    struct jsonc_step steps[DEPTH_MAX] = {0};
    return jsonc_line(in->text, in->n, steps, steps_of(at, steps));
}

/* "FILE:LINE: mcpServers.x: WORDS" into out. */
static void sentence(const struct reader *in, const struct place *at, const char *fmt,
                     va_list args, char *out, size_t size)
{
    struct jsonc_step steps[DEPTH_MAX] = {0};
    struct buf b = BUF_INIT(size - 1);
    size_t n = steps_of(at, steps);
    bool ok = buf_printf(&b, "%s:%d: ", in->file, jsonc_line(in->text, in->n, steps, n));
    for (size_t i = 0; ok && i < n; i++)
        ok = steps[i].name ? buf_printf(&b, "%s%.64s", i ? "." : "",
                                        *steps[i].name ? steps[i].name : "\"\"")
                           : buf_printf(&b, "[%zu]", steps[i].index);
    if (n)
        ok = ok && buf_add_str(&b, ": ");
    snprintf(out, size, "%s", buf_text(&b));
    vsnprintf(out + b.len, size - b.len, fmt, args);
    buf_release(&b);
    for (char *c = out; *c; c++) /* a key may hold anything: one line stays one line */
        if ((unsigned char)*c < ' ')
            *c = '?';
}

bool reader_mistake(const struct reader *in, const struct place *at, const char *fmt, ...)
{
    char text[sizeof in->err->text];
    va_list args;
    va_start(args, fmt);
    sentence(in, at, fmt, args, text, sizeof text);
    va_end(args);
    return err_set(in->err, ERR_CONFIG, 0, "%s", text);
}

void reader_warn(const struct reader *in, const struct place *at, const char *fmt, ...)
{
    char text[sizeof in->err->text];
    va_list args;
    va_start(args, fmt);
    sentence(in, at, fmt, args, text, sizeof text);
    va_end(args);
    strv_add(in->warnings, text);
}

/* A value in the words of an error, short. */
static char *described(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return xstrdup(json_object_size(value) ? "an object" : "an empty object");
    case JSON_ARRAY:
        return xstrdup(json_array_size(value) ? "a list" : "an empty list");
    case JSON_STRING:
    case JSON_INTEGER:
    case JSON_REAL:
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        break;
    }
    char *json = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));
    if (!json || strlen(json) <= 60)
        return json ? json : xstrdup("something unreadable");
    char *words = xasprintf("%.40s...", json);
    free(json);
    return words;
}

bool reader_expected(const struct reader *in, const struct place *at, const char *what,
                     const json_t *found)
{
    char *words = described(found);
    reader_mistake(in, at, "expected %s, found %s", what, words);
    free(words);
    return false;
}

bool reader_text(const struct reader *in, const struct place *at, const json_t *value,
                 const char *what, char **out)
{
    const char *text = json_string_value(value);
    if (!text || !*text)
        return reader_expected(in, at, what, value);
    str_replace(out, text);
    return true;
}

bool reader_bool(const struct reader *in, const struct place *at, const json_t *value, bool *out)
{
    if (!json_is_boolean(value))
        return reader_expected(in, at, "true or false", value);
    *out = json_is_true(value);
    return true;
}

bool reader_setting(const struct reader *in, const struct place *at, const json_t *value,
                    const struct setting *row, struct settings *s)
{
    bool ok = false;
    if (json_is_integer(value))
        ok = setting_set_number(s, row, json_integer_value(value));
    else if (json_is_string(value))
        ok = setting_set_text(s, row, json_string_value(value));
    if (ok)
        return true;
    char *expected = setting_expected(row);
    reader_expected(in, at, expected, value);
    free(expected);
    return false;
}
