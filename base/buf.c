/* base/buf.c - see buf.h. */
#include "base/buf.h"

#include "base/str.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *buf_reserve(struct buf *b, size_t n)
{
    if (n > b->cap || b->len > b->cap - n)
        return NULL;
    size_t offset = b->block ? (size_t)(b->data - b->block) : 0;
    if (offset + b->len + n + 1 > b->room) { /* + 1: buf_text can always terminate */
        if (offset && offset >= b->len) {
            memmove(b->block, b->data, b->len);
            b->data = b->block;
            offset = 0;
        }
        if (offset + b->len + n + 1 > b->room) {
            size_t room = b->room ? b->room * 2 : 256;
            while (room < offset + b->len + n + 1)
                room *= 2;
            b->block = xrealloc(b->block, room);
            b->room = room;
            b->data = b->block + offset;
        }
    }
    return b->data + b->len;
}

void buf_commit(struct buf *b, size_t n)
{
    assert(b->len + n <= b->cap);
    b->len += n;
}

bool buf_add(struct buf *b, const void *bytes, size_t n)
{
    char *to = buf_reserve(b, n);
    if (!to)
        return false;
    if (n)
        memcpy(to, bytes, n);
    b->len += n;
    return true;
}

bool buf_add_str(struct buf *b, const char *s)
{
    return buf_add(b, s, strlen(s));
}

bool buf_add_int(struct buf *b, int64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do
        digits[--at] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        digits[--at] = '-';
    return buf_add(b, digits + at, sizeof digits - at);
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *to = n < 0 ? NULL : buf_reserve(b, (size_t)n);
    if (to) {
        vsnprintf(to, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return to != NULL;
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= b->len);
    b->len -= n;
    b->data = b->len ? b->data + n : b->block;
}

void buf_release(struct buf *b)
{
    free(b->block);
    b->block = b->data = NULL;
    b->len = b->room = 0;
}

const char *buf_text(struct buf *b)
{
    if (!b->block)
        return "";
    b->data[b->len] = '\0';
    return b->data;
}

char *buf_take(struct buf *b)
{
    char *out = xstrndup(buf_text(b), b->len);
    buf_release(b);
    return out;
}
