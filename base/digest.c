/* base/digest.c - see digest.h. */
#include "base/digest.h"

#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void digest_sha256(const void *bytes, size_t n, uint8_t out[DIGEST_SIZE])
{
    struct sha256_ctx ctx;
    sha256_init(&ctx);
    sha256_update(&ctx, n, bytes);
    sha256_digest(&ctx, DIGEST_SIZE, out);
}

void digest_hmac(const void *key, size_t key_len, const void *bytes, size_t n,
                 uint8_t out[DIGEST_SIZE])
{
    struct hmac_sha256_ctx ctx;
    hmac_sha256_set_key(&ctx, key_len, key);
    hmac_sha256_update(&ctx, n, bytes);
    hmac_sha256_digest(&ctx, DIGEST_SIZE, out);
}

bool digest_equal(const void *a, const void *b, size_t n)
{
    return memeql_sec(a, b, n);
}

void digest_random(void *out, size_t n)
{
    uint8_t *to = out;
    for (size_t at = 0; at < n; at += 256) /* getentropy gives at most 256 bytes a call */
        if (getentropy(to + at, n - at < 256 ? n - at : 256))
            abort();
}

void digest_base32(const uint8_t *bytes, size_t n, char *out)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint32_t bits = 0;
    int have = 0;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | bytes[i];
        for (have += 8; have >= 5; have -= 5)
            *out++ = letters[bits >> (have - 5) & 31];
    }
    if (have)
        *out++ = letters[bits << (5 - have) & 31];
    *out = '\0';
}
