/* cli/say.c - see say.h. */
#include "cli/say.h"

#include "base/str.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

char *say_duration(int64_t ms)
{
    long long s = ms / 1000;
    if (ms < 0)
        return xstrdup("");
    if (ms > 0 && ms < 100)
        return xasprintf("%lld ms", (long long)ms);
    if (ms < 10000)
        return xasprintf("%lld.%lld s", s, (long long)(ms % 1000 / 100));
    if (s < 60)
        return xasprintf("%lld s", s);
    if (s < 3600)
        return xasprintf("%lld:%02lld", s / 60, s % 60);
    if (s < 86400)
        return xasprintf("%lld h %02lld min", s / 3600, s % 3600 / 60);
    return xasprintf("%lld d %lld h", s / 86400, s % 86400 / 3600);
}

char *say_bytes(int64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    if (bytes < 0)
        return xstrdup("");
    double n = (double)bytes;
    size_t unit = 0;
    for (; n >= 1024 && unit < 4; unit++)
        n /= 1024;
    return unit >= 3 ? xasprintf("%.1f %s", n, units[unit]) : xasprintf("%.0f %s", n, units[unit]);
}

char *say_path(const char *path)
{
    const char *home = getenv("HOME");
    size_t n = home ? strlen(home) : 0;
    while (n > 1 && home[n - 1] == '/')
        n--;
    char *clean = say_clean(path);
    if (n < 2 || strncmp(path, home, n) != 0 || (path[n] && path[n] != '/'))
        return clean;
    char *out = xasprintf("~%s", clean + n);
    free(clean);
    return out;
}

/* One character: its bytes (0 if it is no UTF-8) and code point. */
static size_t decode(const unsigned char *p, uint32_t *point)
{
    size_t n = p[0] < 0x80                   ? 1
               : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
               : (p[0] & 0xf0) == 0xe0       ? 3
               : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                             : 0;
    *point = n == 1 ? p[0] : n ? p[0] & (0xffu >> (n + 1)) : 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *point = *point << 6 | (p[i] & 0x3f);
    }
    return n;
}

char *say_clean(const char *text)
{
    size_t len = strlen(text);
    char *out = xmalloc(len + 1), *to = out;
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        uint32_t point;
        size_t n = decode(p, &point);
        if (n == 0) {
            *to++ = '?';
            p++;
            continue;
        }
        if (point < 0x20 || (point >= 0x7f && point < 0xa0)) {
            *to++ = ' ';
        } else {
            memcpy(to, p, n);
            to += n;
        }
        p += n;
    }
    *to = '\0';
    return out;
}

char *say_quoted(const char *word)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/:=@%+,";
    char *clean = say_clean(word);
    if (*clean && !clean[strspn(clean, plain)])
        return clean;
    char *out = xmalloc(strlen(clean) * 4 + 3), *to = out;
    *to++ = '\'';
    for (const char *p = clean; *p; p++) {
        if (*p == '\'') {
            memcpy(to, "'\\''", 4);
            to += 4;
        } else {
            *to++ = *p;
        }
    }
    memcpy(to, "'", 2);
    free(clean);
    return out;
}

static bool is_wide(uint32_t c)
{
    return (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
           (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
           (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1faff) ||
           (c >= 0x20000 && c <= 0x3fffd);
}

static bool is_combining(uint32_t c)
{
    return (c >= 0x300 && c <= 0x36f) || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0xfe00 && c <= 0xfe0f);
}

/* Bytes of the longest beginning that fits; *taken its columns. */
static size_t measure(const char *text, size_t columns, size_t *taken)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t at = 0, used = 0;
    while (p[at]) {
        uint32_t point;
        size_t n = decode(p + at, &point);
        size_t w = is_combining(point) ? 0 : is_wide(point) ? 2 : 1;
        if (used + w > columns)
            break;
        used += w;
        at += n ? n : 1;
    }
    *taken = used;
    return at;
}

size_t say_width(const char *text)
{
    size_t used;
    measure(text, SIZE_MAX, &used);
    return used;
}

size_t say_fit(const char *text, size_t columns)
{
    size_t used;
    return measure(text, columns, &used);
}

bool say_has_colours(FILE *out)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return !(no && *no) && isatty(fileno(out)) && term && strcmp(term, "dumb") != 0;
}

void say_coloured(FILE *out, enum colour colour, const char *text)
{
    static const char *const codes[] = {"", "1", "2", "31", "32", "33"};
    if (colour != PLAIN && say_has_colours(out))
        fprintf(out, "\033[%sm%s\033[0m", codes[colour], text);
    else
        fputs(text, out);
}

size_t say_columns(FILE *out)
{
    struct winsize size;
    if (isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
        return size.ws_col;
    return 100;
}
