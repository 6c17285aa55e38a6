/* base/log_json.c - see log_json.h. Bytes that are no UTF-8 become U+FFFD: JSON is UTF-8. */
#include "base/log_json.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

struct writer {
    char *out;
    size_t used, size;
};

static void put(struct writer *w, const char *bytes, size_t n)
{
    if (n > w->size - w->used)
        return;
    memcpy(w->out + w->used, bytes, n);
    w->used += n;
}

/* Length of the well-formed UTF-8 sequence at p, or 0 (RFC 3629: no overlong forms, no surrogates,
 * nothing above U+10FFFF). */
static size_t utf8_length(const unsigned char *p)
{
    if (*p < 0x80)
        return 1;
    size_t n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
    if (*p < 0xc2 || *p > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool is_wrong = (*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
                    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f);
    return is_wrong ? 0 : n;
}

/* One character of a value; how many bytes it took. */
static size_t put_character(struct writer *w, const char *at)
{
    size_t n = utf8_length((const unsigned char *)at);
    if (!n)
        put(w, "\xef\xbf\xbd", 3);
    else if (*at == '"' || *at == '\\')
        put(w, (const char[]){'\\', *at}, 2);
    else
        put(w, (unsigned char)*at < 0x20 ? " " : at, n);
    return n ? n : 1;
}

/* The value at `at` as a JSON text; where it ends. */
static const char *put_text(struct writer *w, const char *at)
{
    bool is_quoted = *at == '"';
    at += is_quoted;
    put(w, "\"", 1);
    while (*at && *at != (is_quoted ? '"' : ' ')) {
        if (is_quoted && *at == '\\' && at[1]) {
            if (at[1] == 'n')
                put(w, "\\n", 2);
            else
                put_character(w, at + 1);
            at += 2;
        } else {
            at += put_character(w, at);
        }
    }
    put(w, "\"", 1);
    return at + (is_quoted && *at == '"');
}

/* Does the format print this pair's value ("key=%lld") as a whole number? */
static bool prints_number(const char *format)
{
    size_t n = strcspn(format, " ");
    const char *equals = memchr(format, '=', n);
    return equals && equals[1] == '%' && strchr("diu", format[n - 1]);
}

size_t log_json(const char *pairs, size_t skip, const char *format, char *out, size_t size)
{
    const char *end = pairs + strlen(pairs);
    assert(size >= 3 * (size_t)(end - pairs) + 8);
    struct writer w = {.out = out, .size = size - 2};
    put(&w, "{", 1);
    for (const char *at = pairs; at < end; at += *at == ' ') {
        size_t key = strcspn(at, "= ");
        size_t digits = at[key] == '=' ? strspn(at + key + 1, "-0123456789") : 0;
        bool is_number =
            !skip && digits > 0 && prints_number(format) && strchr(" ", at[key + 1 + digits]);
        if (at > pairs)
            put(&w, ",", 1);
        put(&w, "\"", 1);
        put(&w, at, key);
        put(&w, "\":", 2);
        at += key + (at[key] == '=');
        if (is_number) {
            put(&w, at, digits);
            at += digits;
        } else {
            at = put_text(&w, at);
        }
        if (skip) {
            skip--;
        } else {
            format += strcspn(format, " ");
            format += *format == ' ';
        }
    }
    memcpy(out + w.used, "}\n", 2);
    return w.used + 2;
}
