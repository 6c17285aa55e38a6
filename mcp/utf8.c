/* mcp/utf8.c - see utf8.h. */
#include "mcp/utf8.h"

#include <stdint.h>
#include <string.h>

size_t utf8_length(const unsigned char *p, size_t n)
{
    if (p[0] < 0x80)
        return 1;
    size_t length = p[0] >= 0xc2 && p[0] <= 0xdf   ? 2
                    : p[0] >= 0xe0 && p[0] <= 0xef ? 3
                    : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                                   : 0;
    if (length == 0 || length > n)
        return 0;
    unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

/* How many bytes at the front are valid: ASCII, which is nearly all, by the word. */
static size_t valid_part(const char *text, size_t n)
{
    size_t at = 0;
    while (at < n) {
        uint64_t word;
        if (n - at >= sizeof word) {
            memcpy(&word, text + at, sizeof word);
            if (!(word & 0x8080808080808080u)) {
                at += sizeof word;
                continue;
            }
        }
        size_t length = utf8_length((const unsigned char *)text + at, n - at);
        if (!length)
            break;
        at += length;
    }
    return at;
}

bool utf8_is_valid(const char *text, size_t n)
{
    return valid_part(text, n) == n;
}

bool utf8_repair(struct buf *out, const char *text, size_t n)
{
    size_t before = out->len;
    while (n) {
        size_t good = valid_part(text, n);
        if (!buf_add(out, text, good) || (good < n && !buf_add_str(out, "\xef\xbf\xbd"))) {
            out->len = before;
            return false;
        }
        good += good < n;
        text += good;
        n -= good;
    }
    return true;
}
