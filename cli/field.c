/* cli/field.c - see field.h. */
#include "cli/field.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *field_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

int64_t field_number(const json_t *object, const char *name, int64_t otherwise)
{
    const json_t *v = json_object_get(object, name);
    return json_is_number(v) ? (int64_t)json_number_value(v) : otherwise;
}

bool field_flag(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

int64_t field_time(const json_t *object, const char *name)
{
    struct tm tm = {0};
    const char *rest = strptime(field_text(object, name), "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return 0;
    int64_t ms = (int64_t)timegm(&tm) * 1000;
    if (*rest == '.')
        ms += (int64_t)(strtod(rest, NULL) * 1000 + 0.5);
    return ms;
}
