/* cli/field.h - members of JSON objects that may be missing or null. Results are borrowed. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

const char *field_text(const json_t *object, const char *name); /* "" if missing */
int64_t field_number(const json_t *object, const char *name, int64_t otherwise);
bool field_flag(const json_t *object, const char *name); /* false if missing */
/* An RFC 3339 UTC time as milliseconds since 1970, 0 if missing or malformed. */
int64_t field_time(const json_t *object, const char *name);
