/* mcp/http_value.c - small readers of header values, paths and queries. */
#include "mcp/http_head.h"

#include <string.h>
#include <strings.h>

bool span_is(struct span s, const char *text)
{
    return strlen(text) == s.n && (s.n == 0 || memcmp(s.p, text, s.n) == 0);
}

bool span_is_nocase(struct span s, const char *text)
{
    return strlen(text) == s.n && (s.n == 0 || strncasecmp(s.p, text, s.n) == 0);
}

struct span http_header(const struct http_head *head, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < head->count; i++) {
        const struct http_header *h = &head->headers[i];
        if (h->name.n == n && strncasecmp(h->name.p, name, n) == 0)
            return h->value;
    }
    return (struct span){0};
}

static struct span trimmed(struct span s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s.p++, s.n--;
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* Cut the part of *rest before the next `mark` (or all of it) off and return it. */
static struct span cut(struct span *rest, char mark)
{
    const char *at = rest->n ? memchr(rest->p, mark, rest->n) : NULL;
    struct span head = {rest->p, at ? (size_t)(at - rest->p) : rest->n};
    size_t used = at ? head.n + 1 : head.n;
    if (used)
        *rest = (struct span){rest->p + used, rest->n - used};
    return head;
}

bool http_value_has(struct span value, const char *token)
{
    while (value.n) {
        struct span item = cut(&value, ',');
        if (span_is_nocase(trimmed(cut(&item, ';')), token))
            return true;
    }
    return false;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool http_decode(struct span from, bool plus_is_blank, char *out, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < from.n; i++) {
        char c = from.p[i];
        if (c == '%') {
            int high = from.n - i > 2 ? hex_digit(from.p[i + 1]) : -1;
            int low = high < 0 ? -1 : hex_digit(from.p[i + 2]);
            if (low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        if (c == '\0' || n + 1 >= room)
            return false;
        out[n++] = c;
    }
    if (room == 0)
        return false;
    out[n] = '\0';
    return true;
}

bool http_query_get(struct span query, const char *key, char *out, size_t room)
{
    while (query.n) {
        struct span value = cut(&query, '&');
        if (span_is(cut(&value, '='), key))
            return http_decode(value, true, out, room);
    }
    return false;
}
