/* config/jsonc.h - JSON with // and block comments: reading it, and finding the line of a key.
 *
 * Comments become blanks of the same length, so that every position stays what it is in the
 * file. No trailing commas, no duplicate keys, UTF-8 only (RFC 8259). */
#pragma once
#include "base/err.h"

#include <jansson.h>
#include <stddef.h>

/* Parse n bytes of text (changed: comments and a byte order mark are blanked). A new reference,
 * or NULL and err CONFIG "FILE:LINE: ...". */
json_t *jsonc_parse(const char *file, char *text, size_t n, struct err *err) MUST_CHECK;

/* A step of a path: a key, or with name NULL an index into an array. */
struct jsonc_step {
    const char *name;
    size_t index;
};
/* The line (from 1) where the last step stands in blanked text that jsonc_parse took; where a
 * step is not found, the line of the one before it; 1 for no steps. */
int jsonc_line(const char *text, size_t n, const struct jsonc_step *steps, size_t count);
