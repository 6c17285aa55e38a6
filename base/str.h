/* base/str.h - allocation that aborts, and small string helpers. Results named "new" are the
 * caller's to free(). Sizes that a peer chooses go through struct buf (base/buf.h) instead. */
#pragma once
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
/* New copy; NULL stays NULL. */
char *xstrdup(const char *s);
/* New, terminated copy of n bytes. */
char *xstrndup(const char *s, size_t n);
/* New formatted string. */
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Replace *slot by a new copy of s (NULL allowed), freeing what was there. */
void str_replace(char **slot, const char *s);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* Both NULL, or both equal. */
bool str_equal(const char *a, const char *b);
/* A whole decimal integer within [min, max], no sign but '-', no blanks. */
bool str_to_int(const char *s, int64_t min, int64_t max, int64_t *out) MUST_CHECK;
/* "base/name" as a new string, with one slash between. */
char *str_path(const char *base, const char *name);

/* A growing, NULL-terminated list of owned strings (argv, envp, ...). Zero it to start. */
struct strv {
    char **items; /* NULL or count pointers and a NULL */
    size_t count;
};
/* Append a copy of s. */
void strv_add(struct strv *v, const char *s);
/* Append s itself, which must be from malloc. */
void strv_add_take(struct strv *v, char *s);
/* Drop and free the item at this index. */
void strv_remove(struct strv *v, size_t at);
/* Value of "NAME=" in a list of NAME=VALUE, borrowed, or NULL. */
const char *strv_env_get(const struct strv *v, const char *name);
/* Set NAME=VALUE, replacing an earlier NAME. */
void strv_env_set(struct strv *v, const char *name, const char *value);
/* Free all and zero. */
void strv_finish(struct strv *v);
