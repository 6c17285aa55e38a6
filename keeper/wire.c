/* keeper/wire.c - see wire.h: frames and text payloads, pure functions on bytes. */
#include "keeper/wire.h"

#include "base/caps.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

bool wire_put(struct buf *out, enum wire_type type, uint64_t sequence, const void *payload,
              size_t n)
{
    struct wire_header header = {
        .length = (uint32_t)n, .type = (uint16_t)type, .sequence = sequence};
    if (n > CAP_KEEPER_FRAME)
        return false;
    char *to = buf_reserve(out, sizeof header + n); /* both or nothing */
    if (!to)
        return false;
    memcpy(to, &header, sizeof header);
    if (n)
        memcpy(to + sizeof header, payload, n);
    buf_commit(out, sizeof header + n);
    return true;
}

int wire_get(const struct buf *in, struct wire_header *header, const char **payload)
{
    struct wire_header seen;
    if (in->len < sizeof seen)
        return 0;
    memcpy(&seen, in->data, sizeof seen);
    if (seen.length > CAP_KEEPER_FRAME)
        return -1;
    if (in->len - sizeof seen < seen.length)
        return 0;
    *header = seen;
    *payload = in->data + sizeof seen;
    return 1;
}

void wire_drop(struct buf *in, const struct wire_header *header)
{
    buf_consume(in, sizeof *header + header->length);
}

bool wire_text_add(struct buf *out, const char *key, const char *value)
{
    size_t key_length = strlen(key), escapes = 0, length = 0;
    for (; value[length]; length++)
        escapes += value[length] == '\n' || value[length] == '\\';
    size_t n = key_length + 1 + length + escapes + 1;
    char *to = buf_reserve(out, n);
    if (!to)
        return false;
    memcpy(to, key, key_length);
    to += key_length;
    *to++ = ' ';
    for (; *value; value++) {
        if (*value == '\n' || *value == '\\') {
            *to++ = '\\';
            *to++ = *value == '\n' ? 'n' : '\\';
        } else {
            *to++ = *value;
        }
    }
    *to = '\n';
    buf_commit(out, n);
    return true;
}

bool wire_text_add_int(struct buf *out, const char *key, int64_t value)
{
    return buf_printf(out, "%s %lld\n", key, (long long)value);
}

static char *unescape(const char *from, const char *end)
{
    char *out = xstrndup(from, (size_t)(end - from)), *to = out;
    for (const char *at = out; *at; at++) {
        if (*at == '\\' && at[1]) {
            at++;
            *to++ = *at == 'n' ? '\n' : *at;
        } else {
            *to++ = *at;
        }
    }
    *to = '\0';
    return out;
}

bool wire_text_next(const char **at, const char *end, char **key, char **value)
{
    const char *line = *at;
    const char *stop = line < end ? memchr(line, '\n', (size_t)(end - line)) : NULL;
    if (!stop) /* a line without its end is half a message: not taken */
        return false;
    const char *blank = memchr(line, ' ', (size_t)(stop - line));
    *key = xstrndup(line, (size_t)((blank ? blank : stop) - line));
    *value = unescape(blank ? blank + 1 : stop, stop);
    *at = stop + 1;
    return true;
}
