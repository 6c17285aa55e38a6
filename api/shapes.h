/* api/shapes.h - the JSON that the API answers with, member by member: one table, beside
 * json_views.c, which writes it. It gives the schemas of openapi.json and docs/api.md; tests
 * compare it with what is written, both ways.
 *
 * A type is
 *   text  path  url  time (RFC 3339)  number  count (>= 0)  bool  any
 *   (a|b)      one of these words
 *   @state @layer @step @reason @code @change   a word of a table in the code
 *   Name       another shape
 *   [TYPE]     a list;  {TYPE} an object with free names
 *   TYPE?      or null
 * and a member whose name ends in '?' may be absent. */
#pragma once
#include "base/buf.h"

#include <jansson.h>

struct shape_member {
    const char *name; /* NULL ends a list */
    const char *type;
    const char *help; /* a phrase */
};

struct shape {
    const char *name; /* "Daemon" */
    const char *help; /* a sentence */
    const struct shape_member *members;
};

/* All shapes, in the manual's order. Borrowed, static. */
const struct shape *shape_rows(size_t *count);
/* NULL: there is none. */
const struct shape *shape_named(const char *name);
/* The member of this name (without '?'), or NULL. */
const struct shape_member *shape_member_named(const struct shape *shape, const char *name);
bool shape_member_is_optional(const struct shape_member *m);
/* The JSON Schema (2020-12) of a type; of a shape, with references to #/components/schemas. New. */
json_t *shape_type_schema(const char *type);
json_t *shape_schema(const struct shape *shape);
/* Add those of the words of tables ("State", ...) to all, by name. */
void shape_words_schemas(json_t *all);
/* The tables of docs/api.md. */
bool shapes_print(struct buf *out) MUST_CHECK;
