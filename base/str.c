/* base/str.c - see str.h. */
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void *checked(void *p)
{
    if (!p) {
        fputs("poold: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *xmalloc(size_t size)
{
    return checked(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *old, size_t size)
{
    return checked(realloc(old, size ? size : 1));
}

char *xstrdup(const char *s)
{
    return s ? checked(strdup(s)) : NULL;
}

char *xstrndup(const char *s, size_t n)
{
    return checked(strndup(s, n));
}

char *xasprintf(const char *fmt, ...)
{
    char *out = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&out, fmt, args);
    va_end(args);
    return checked(n < 0 ? NULL : out);
}

void str_replace(char **slot, const char *s)
{
    char *copy = xstrdup(s);
    free(*slot);
    *slot = copy;
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool str_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool str_to_int(const char *s, int64_t min, int64_t max, int64_t *out)
{
    const char *digits = *s == '-' ? s + 1 : s;
    if (*digits < '0' || *digits > '9')
        return false;
    char *end;
    errno = 0;
    long long value = strtoll(s, &end, 10);
    if (errno || *end || value < min || value > max)
        return false;
    *out = value;
    return true;
}

char *str_path(const char *base, const char *name)
{
    return xasprintf(str_ends(base, "/") ? "%s%s" : "%s/%s", base, name);
}

void strv_add_take(struct strv *v, char *s)
{
    v->items = xrealloc(v->items, (v->count + 2) * sizeof *v->items);
    v->items[v->count++] = s;
    v->items[v->count] = NULL;
}

void strv_add(struct strv *v, const char *s)
{
    strv_add_take(v, xstrdup(s));
}

static char **env_find(const struct strv *v, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < v->count; i++)
        if (strncmp(v->items[i], name, n) == 0 && v->items[i][n] == '=')
            return &v->items[i];
    return NULL;
}

void strv_remove(struct strv *v, size_t at)
{
    free(v->items[at]);
    memmove(v->items + at, v->items + at + 1, (v->count - at) * sizeof *v->items); /* and the NULL */
    v->count--;
}

const char *strv_env_get(const struct strv *v, const char *name)
{
    char **found = env_find(v, name);
    return found ? *found + strlen(name) + 1 : NULL;
}

void strv_env_set(struct strv *v, const char *name, const char *value)
{
    char *entry = xasprintf("%s=%s", name, value);
    char **found = env_find(v, name);
    if (!found) {
        strv_add_take(v, entry);
        return;
    }
    free(*found);
    *found = entry;
}

void strv_finish(struct strv *v)
{
    for (size_t i = 0; i < v->count; i++)
        free(v->items[i]);
    free(v->items);
    *v = (struct strv){0};
}
