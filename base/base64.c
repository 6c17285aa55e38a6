/* base/base64.c - see base64.h. */
#include "base/base64.h"

#include "base/str.h"

#include <nettle/base64.h>

bool base64_read(const char *text, size_t n, uint8_t **out, size_t *out_n)
{
    struct base64_decode_ctx decode;
    size_t room = BASE64_DECODE_LENGTH(n);
    uint8_t *bytes = xmalloc(room + 1);
    base64_decode_init(&decode);
    if (!base64_decode_update(&decode, &room, bytes, n, text) || !base64_decode_final(&decode)) {
        free(bytes);
        return false;
    }
    bytes[room] = '\0';
    *out = bytes;
    *out_n = room;
    return true;
}

char *base64_text(const char *bytes, size_t n)
{
    size_t room = BASE64_ENCODE_RAW_LENGTH(n);
    char *text = xmalloc(room + 1);
    base64_encode_raw(text, n, (const uint8_t *)bytes);
    text[room] = '\0';
    return text;
}
