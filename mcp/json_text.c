/* mcp/json_text.c - see json_text.h. */
#include "mcp/json_text.h"

#include <string.h>

static int hex_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The code unit of the "\uXXXX" that stands at p, or -1. */
static int unit_at(const char *p, const char *end)
{
    int unit = 0;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        int digit = hex_of(p[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static bool write_utf8(struct buf *out, int c)
{
    char bytes[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const int lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i > 1; i--, c >>= 6)
        bytes[i - 1] = (char)(0x80 | (c & 0x3f));
    bytes[0] = (char)(lead[n] | c);
    return buf_add(out, bytes, n);
}

/* The \u escape at *p, two of them where they are a pair. */
static bool write_unit(struct buf *out, const char **p, const char *end)
{
    int c = unit_at(*p, end);
    if (c < 0)
        return false;
    *p += 6;
    if (c < 0xd800 || c > 0xdfff)
        return write_utf8(out, c);
    int low = c < 0xdc00 ? unit_at(*p, end) : -1;
    if (low < 0xdc00 || low > 0xdfff)
        return write_utf8(out, 0xfffd);
    *p += 6;
    return write_utf8(out, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00));
}

bool json_text_write(struct buf *out, struct span raw)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *p = raw.p, *end = span_end(raw);
    while (p < end) {
        const char *escape = memchr(p, '\\', (size_t)(end - p));
        const char *stop = escape ? escape : end;
        if (stop > p && !buf_add(out, p, (size_t)(stop - p)))
            return false;
        p = stop;
        if (!escape)
            break;
        if (end - p < 2)
            return false;
        const char *letter = memchr(letters, p[1], sizeof letters - 1);
        if (letter) {
            if (!buf_add(out, &meant[letter - letters], 1))
                return false;
            p += 2;
        } else if (!write_unit(out, &p, end)) {
            return false;
        }
    }
    return true;
}

static bool same_bytes(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static bool has_escape(struct span raw)
{
    return raw.n && memchr(raw.p, '\\', raw.n);
}

bool json_text_equals(struct span raw, struct span text)
{
    if (!has_escape(raw))
        return same_bytes(raw, text);
    struct buf plain = BUF_INIT(raw.n + 3); /* an escape is never shorter than what it stands for */
    bool ok =
        json_text_write(&plain, raw) && same_bytes((struct span){plain.data, plain.len}, text);
    buf_release(&plain);
    return ok;
}

bool json_text_same(struct span raw, struct span other_raw)
{
    if (!has_escape(other_raw))
        return json_text_equals(raw, other_raw);
    struct buf other = BUF_INIT(other_raw.n + 3);
    bool ok = json_text_write(&other, other_raw) &&
              json_text_equals(raw, (struct span){other.data, other.len});
    buf_release(&other);
    return ok;
}
