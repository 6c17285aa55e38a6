/* cli/tool_arguments.h - a tool's arguments as people write them on a command line. Pure. */
#pragma once
#include "base/err.h"

#include <jansson.h>

/* words: one JSON object ('{"path":"a.c"}'), or any number of key=value and key:=JSON. The value
 * of key=value is what the tool's schema says of this property (number, integer, boolean, array,
 * object: read as JSON), else a string as it stands. schema: of the input, NULL if not known. New
 * reference; no words are {}. Err USAGE names the word. */
bool tool_arguments_read(char *const *words, size_t count, const json_t *schema, json_t **out,
                         struct err *err);
