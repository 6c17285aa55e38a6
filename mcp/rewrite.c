/* mcp/rewrite.c - see rewrite.h. */
#include "mcp/rewrite.h"

#include "mcp/json_scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EDITS_MAX 4
static const char mark[] = "\"poold.";
#define MARK_N (sizeof mark - 1)

/* --- messages --- */

/* Line breaks stand between tokens only: rpc_peek has seen that no string holds one. */
static void blank_breaks(char *p, size_t n)
{
    static const char breaks[] = {'\n', '\r'};
    for (size_t i = 0; i < sizeof breaks; i++)
        for (char *at = p, *end = p + n; (at = memchr(at, breaks[i], (size_t)(end - at))); at++)
            *at = ' ';
}

static bool add_line(struct buf *out, const char *from, const char *to)
{
    size_t n = (size_t)(to - from);
    if (n == 0)
        return true;
    if (!buf_add(out, from, n))
        return false;
    blank_breaks(out->data + out->len - n, n);
    return true;
}

/* The edits that are some, in the order of their places. */
static size_t sort_edits(const struct rpc_edit *edits, size_t count,
                         const struct rpc_edit *sorted[EDITS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < count && n < EDITS_MAX; i++) {
        if (!edits[i].at.n)
            continue;
        size_t at = n++;
        for (; at > 0 && sorted[at - 1]->at.p > edits[i].at.p; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = &edits[i];
    }
    return n;
}

bool rpc_rewrite(struct buf *out, struct span message, const struct rpc_edit *edits, size_t count)
{
    const struct rpc_edit *sorted[EDITS_MAX];
    size_t n = sort_edits(edits, count, sorted), before = out->len;
    const char *from = message.p, *end = message.p + message.n;
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        ok = add_line(out, from, sorted[i]->at.p) && buf_add(out, sorted[i]->by.p, sorted[i]->by.n);
        from = sorted[i]->at.p + sorted[i]->at.n;
    }
    if (ok && add_line(out, from, end))
        return true;
    out->len = before;
    return false;
}

/* --- aliases --- */

/* The letter of an id and what follows it. */
static char carried(struct span id, struct span *content)
{
    *content = (struct span){0};
    if (!id.n || id.n > RPC_ALIAS_ID_MAX)
        return 'x';
    if (id.p[0] == 'n')
        return 'z';
    bool is_text = id.p[0] == '"';
    *content = is_text ? (struct span){id.p + 1, id.n - 2} : id;
    return is_text ? 's' : 'n';
}

size_t rpc_alias_write(char *out, size_t room, uint64_t serial, struct span tag, struct span id)
{
    struct span content;
    char letter = carried(id, &content);
    int n = tag.n ? snprintf(out, room, "%s%" PRIx64 ".%.*s.%c%.*s\"", mark, serial, (int)tag.n,
                             tag.p, letter, (int)content.n, content.n ? content.p : "")
                  : snprintf(out, room, "%s%" PRIx64 "\"", mark, serial);
    return n > 0 && (size_t)n < room ? (size_t)n : 0;
}

/* Hexadecimal digits as rpc_alias_write has them: a serial has one spelling. */
static const char *read_serial(const char *p, const char *end, uint64_t *serial)
{
    const char *from = p;
    *serial = 0;
    for (; p < end && p - from < 16; p++) {
        int digit = *p >= '0' && *p <= '9' ? *p - '0' : *p >= 'a' && *p <= 'f' ? *p - 'a' + 10 : -1;
        if (digit < 0)
            break;
        *serial = *serial << 4 | (unsigned)digit;
    }
    return p == from || (*from == '0' && p - from > 1) ? NULL : p;
}

static bool is_tag(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '~' || c == '-';
}

bool rpc_alias_read(struct span raw, struct rpc_alias *out)
{
    if (raw.n < MARK_N + 2 || memcmp(raw.p, mark, MARK_N) != 0)
        return false;
    const char *end = raw.p + raw.n - 1; /* the closing quote */
    struct rpc_alias a = {0};
    const char *p = read_serial(raw.p + MARK_N, end, &a.serial);
    if (!p)
        return false;
    if (p == end) {
        *out = a;
        return true;
    }
    if (*p++ != '.')
        return false;
    a.tag.p = p;
    while (p < end && is_tag(*p))
        p++;
    a.tag.n = (size_t)(p - a.tag.p);
    if (!a.tag.n || end - p < 2 || *p != '.')
        return false;
    a.id = (struct span){p + 1, (size_t)(end - p - 1)};
    *out = a;
    return true;
}

static bool is_number(struct span text)
{
    struct json_scan scan = json_scan_of(text.p, text.n);
    char c = json_peek_byte(&scan);
    /* A scalar ends where something else follows: here that is the closing quote. */
    scan.end++;
    return (c == '-' || (c >= '0' && c <= '9')) && json_skip(&scan) && scan.p == text.p + text.n;
}

bool rpc_alias_id(const struct rpc_alias *alias, struct buf *out)
{
    if (!alias->id.n)
        return false;
    struct span content = {alias->id.p + 1, alias->id.n - 1};
    switch (alias->id.p[0]) {
    case 'z':
        return !content.n && buf_add_str(out, "null");
    case 'n':
        return content.n && is_number(content) && buf_add(out, content.p, content.n);
    case 's':
        return buf_add_str(out, "\"") && (!content.n || buf_add(out, content.p, content.n)) &&
               buf_add_str(out, "\"");
    default:
        return false;
    }
}

/* Raw bytes that look like a number as one, as a reader with doubles has it. */
static bool read_number(struct span raw, double *value)
{
    char text[64], *end;
    bool is_one = raw.n < sizeof text && (raw.p[0] == '-' || (raw.p[0] >= '0' && raw.p[0] <= '9'));
    if (!is_one)
        return false;
    memcpy(text, raw.p, raw.n);
    text[raw.n] = '\0';
    *value = strtod(text, &end);
    return !*end;
}

static bool is_whole(struct span raw)
{
    for (size_t i = 0; i < raw.n; i++)
        if (memchr(".eE", raw.p[i], 3))
            return false;
    return !span_is(raw, "-0");
}

/* 1.0, 1e0 and 1: readers write a number in their own way. Two whole ones are compared digit by
 * digit: doubles would not tell large ones apart. */
static bool same_number(struct span a, struct span b)
{
    double x, y;
    return !(is_whole(a) && is_whole(b)) && read_number(a, &x) && read_number(b, &y) && x == y;
}

bool rpc_same_value(struct span a, struct span b)
{
    if (!a.n || !b.n)
        return false;
    if (a.n == b.n && memcmp(a.p, b.p, a.n) == 0)
        return true;
    if (a.p[0] != '"' && b.p[0] != '"')
        return same_number(a, b);
    return a.n > 1 && b.n > 1 && a.p[0] == '"' && b.p[0] == '"' &&
           json_texts_equal((struct span){a.p + 1, a.n - 2}, (struct span){b.p + 1, b.n - 2});
}
