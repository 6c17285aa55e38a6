/* base/log_json.h - a line of the log as JSON. Used by log.c alone. */
#pragma once
#include <stddef.h>

/* The pairs of a logfmt line (no newline) as one JSON object with a newline, into out; how many
 * bytes. format is the printf format that the pairs from the (skip+1)-th on came from: it tells
 * which values are numbers. size is at least 3 * strlen(pairs) + 8, which is always enough. */
size_t log_json(const char *pairs, size_t skip, const char *format, char *out, size_t size);
