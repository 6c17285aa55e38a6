/* config/toml.h - reading TOML (toml.io 1.0), as far as a client's configuration uses it, into the
 * JSON that the rest of config/ knows. No distribution of those we serve has a C library for it.
 *
 * Read: comments, tables, arrays of tables, dotted and quoted keys, strings of all four kinds,
 * arrays, inline tables, true and false, integers. Other numbers, dates and times become texts
 * as they are written. */
#pragma once
#include "base/err.h"

#include <jansson.h>
#include <stddef.h>

/* A new reference to an object, or NULL and err CONFIG "FILE:LINE: ...". */
json_t *toml_parse(const char *file, const char *text, size_t n, struct err *err) MUST_CHECK;
