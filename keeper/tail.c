/* keeper/tail.c - see tail.h. */
#include "keeper/tail.h"

#include <string.h>

void tail_add(struct tail *tail, const char *bytes, size_t n)
{
    if (n >= TAIL_SIZE) {
        memcpy(tail->ring, bytes + n - TAIL_SIZE, TAIL_SIZE);
        tail->at = 0;
        tail->is_full = true;
        return;
    }
    size_t first = TAIL_SIZE - tail->at < n ? TAIL_SIZE - tail->at : n;
    memcpy(tail->ring + tail->at, bytes, first);
    memcpy(tail->ring, bytes + first, n - first);
    tail->is_full = tail->is_full || tail->at + n >= TAIL_SIZE;
    tail->at = (tail->at + n) % TAIL_SIZE;
}

void tail_text(const struct tail *tail, char *out)
{
    size_t n = 0, skip = 0;
    if (tail->is_full) {
        n = TAIL_SIZE - tail->at;
        memcpy(out, tail->ring + tail->at, n);
    }
    memcpy(out + n, tail->ring, tail->at);
    n += tail->at;
    for (size_t i = 0; i < n; i++)
        if (!out[i])
            out[i] = '?';
    if (tail->is_full) {
        const char *end = memchr(out, '\n', n);
        if (end && (size_t)(end - out) + 1 < n)
            skip = (size_t)(end - out) + 1;
        while (!skip && n && ((unsigned char)out[0] & 0xc0) == 0x80) /* half a UTF-8 character */
            memmove(out, out + 1, --n);
    }
    memmove(out, out + skip, n - skip);
    out[n - skip] = '\0';
}
