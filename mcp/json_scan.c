/* mcp/json_scan.c - see json_scan.h. */
#include "mcp/json_scan.h"

#include <string.h>

static bool broken(struct json_scan *s, bool cut)
{
    s->cut = cut;
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Characters of numbers and of true, false, null. */
static bool is_scalar(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '+' || c == '.';
}

char json_peek_byte(struct json_scan *s)
{
    while (s->p < s->end && is_blank(*s->p))
        s->p++;
    s->cut = s->p == s->end;
    return s->cut ? '\0' : *s->p;
}

/* Is some byte a control (< 0x20)? Such a byte may not stand in a string: a raw line break there
 * would also break the framing of transports that separate messages by lines. */
static bool has_control(const char *p, const char *end)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t found = 0;
    for (; end - p >= 8; p += 8) {
        uint64_t w;
        memcpy(&w, p, sizeof w);
        found |= (w - ones * 0x20) & ~w;
    }
    if (found & ones * 0x80)
        return true;
    for (; p < end; p++)
        if ((unsigned char)*p < 0x20)
            return true;
    return false;
}

/* From behind the opening quote to behind the closing one. */
static bool string_skip(struct json_scan *s)
{
    const char *from = s->p;
    for (const char *p = from; p < s->end;) {
        const char *quote = memchr(p, '"', (size_t)(s->end - p));
        if (!quote)
            break;
        const char *back = quote; /* an odd number of backslashes escapes the quote */
        while (back > from && back[-1] == '\\')
            back--;
        if ((quote - back) % 2 == 0) {
            s->p = quote + 1;
            return !has_control(from, quote) || broken(s, false);
        }
        p = quote + 1;
    }
    return broken(s, true);
}

/* A whole object or array, by its brackets and strings alone. */
static bool container_skip(struct json_scan *s)
{
    char brackets[JSON_DEPTH_CAP]; /* the closing ones that are awaited */
    size_t open = s->depth;
    while (s->p < s->end) {
        char c = *s->p++;
        switch (c) {
        case '"':
            if (!string_skip(s))
                return false;
            break;
        case '{':
        case '[':
            if (open == JSON_DEPTH_CAP)
                return broken(s, false);
            brackets[open++] = c == '{' ? '}' : ']';
            break;
        case '}':
        case ']':
            if (brackets[--open] != c)
                return broken(s, false);
            if (open == s->depth)
                return true;
            break;
        default:
            if ((unsigned char)c < 0x20 && !is_blank(c))
                return broken(s, false);
        }
    }
    return broken(s, true);
}

static const char *digits_skip(const char *p, const char *end)
{
    while (p < end && is_digit(*p))
        p++;
    return p;
}

/* RFC 8259 section 6. */
static bool is_number(const char *p, const char *end)
{
    if (p < end && *p == '-')
        p++;
    const char *whole = p;
    p = digits_skip(p, end);
    if (p == whole || (p - whole > 1 && *whole == '0'))
        return false;
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        p = digits_skip(p, end);
        if (p == fraction)
            return false;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        const char *exponent = p;
        p = digits_skip(p, end);
        if (p == exponent)
            return false;
    }
    return p == end;
}

static bool scalar_skip(struct json_scan *s)
{
    struct span text = {s->p, 0};
    while (s->p < s->end && is_scalar(*s->p))
        s->p++;
    if (s->p == s->end)
        return broken(s, true); /* it may go on */
    text.n = (size_t)(s->p - text.p);
    return is_number(text.p, s->p) || span_is(text, "true") || span_is(text, "false") ||
           span_is(text, "null") || broken(s, false);
}

bool json_skip(struct json_scan *s)
{
    switch (json_peek_byte(s)) {
    case '\0':
        return false;
    case '"':
        s->p++;
        return string_skip(s);
    case '{':
    case '[':
        return container_skip(s);
    default:
        return scalar_skip(s);
    }
}

bool json_take(struct json_scan *s, struct span *value)
{
    json_peek_byte(s);
    const char *from = s->p;
    if (!json_skip(s))
        return false;
    *value = (struct span){from, (size_t)(s->p - from)};
    return true;
}

bool json_enter(struct json_scan *s, char bracket)
{
    if (json_peek_byte(s) != bracket)
        return false;
    if (s->depth == JSON_DEPTH_CAP)
        return broken(s, false);
    s->p++;
    s->depth++;
    return true;
}

/* Between two items: step over the comma, or out of the container. */
static enum json_step item_begin(struct json_scan *s, bool first, char closing)
{
    char c = json_peek_byte(s);
    if (c == closing) {
        s->p++;
        s->depth--;
        return JSON_END;
    }
    if (first)
        return c ? JSON_ITEM : JSON_BROKEN;
    if (c != ',')
        return JSON_BROKEN;
    s->p++;
    return JSON_ITEM;
}

enum json_step json_element(struct json_scan *s, bool first)
{
    return item_begin(s, first, ']');
}

enum json_step json_member(struct json_scan *s, bool first, struct span *key)
{
    enum json_step step = item_begin(s, first, '}');
    if (step != JSON_ITEM)
        return step;
    if (json_peek_byte(s) != '"')
        return JSON_BROKEN;
    const char *from = ++s->p;
    if (!string_skip(s))
        return JSON_BROKEN;
    *key = (struct span){from, (size_t)(s->p - 1 - from)};
    if (json_peek_byte(s) != ':')
        return JSON_BROKEN;
    s->p++;
    return JSON_ITEM;
}

/* The code unit behind "\u", or -1. */
static int unit_of(const char *p, const char *end)
{
    int unit = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = is_digit(c)              ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* What the escape behind a backslash at *p means, a UTF-16 code unit; -1: there is no such. *p is
 * moved behind it. */
static int escape_take(const char **p, const char *end)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    if (*p == end)
        return -1;
    const char *letter = memchr(letters, **p, sizeof letters - 1);
    int c = letter ? meant[letter - letters] : **p == 'u' ? unit_of(*p + 1, end) : -1;
    *p += letter ? 1 : c < 0 ? 0 : 5;
    return c;
}

bool json_text_is(struct span raw, const char *text)
{
    if (raw.n == 0 || !memchr(raw.p, '\\', raw.n))
        return span_is(raw, text);
    const char *p = raw.p, *end = span_end(raw);
    for (; *text; text++) {
        if (p == end)
            return false;
        int c = (unsigned char)*p++;
        if (c == '\\')
            c = escape_take(&p, end);
        if (c != *text)
            return false;
    }
    return p == end;
}

/* The next character: what a pair of escapes stands for is one. */
static size_t character_take(const char **p, const char *end, char out[4])
{
    out[0] = *(*p)++;
    if (out[0] != '\\')
        return 1;
    int c = escape_take(p, end);
    if (c >= 0xd800 && c < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\') {
        const char *q = *p + 1;
        int low = escape_take(&q, end);
        if (low >= 0xdc00 && low < 0xe000) {
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            *p = q;
        }
    }
    if (c < 0) /* no escape: the backslash itself */
        return 1;
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c);
    return n;
}

bool json_texts_equal(struct span a, struct span b)
{
    const char *p = a.p, *p_end = span_end(a), *q = b.p, *q_end = span_end(b);
    char c[4], d[4];
    size_t c_n = 0, d_n = 0, c_at = 0, d_at = 0;
    for (;;) { /* byte by byte of what they mean in UTF-8 */
        if (c_at == c_n) {
            c_n = p < p_end ? character_take(&p, p_end, c) : 0;
            c_at = 0;
        }
        if (d_at == d_n) {
            d_n = q < q_end ? character_take(&q, q_end, d) : 0;
            d_at = 0;
        }
        if (!c_n || !d_n)
            return c_n == d_n;
        if (c[c_at++] != d[d_at++])
            return false;
    }
}
