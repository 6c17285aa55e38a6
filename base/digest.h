/* base/digest.h - SHA-256, HMAC and random bytes (nettle and the system's generator). */
#pragma once
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 32

/* SHA-256 of n bytes. */
void digest_sha256(const void *bytes, size_t n, uint8_t out[DIGEST_SIZE]);
/* HMAC-SHA-256 (RFC 2104). */
void digest_hmac(const void *key, size_t key_len, const void *bytes, size_t n,
                 uint8_t out[DIGEST_SIZE]);
/* Same content? Takes the same time wherever they differ. */
bool digest_equal(const void *a, const void *b, size_t n);
/* n unguessable bytes; aborts if the system has none. */
void digest_random(void *out, size_t n);
/* Lower-case base 32 (a-z2-7, no padding) of n bytes into out, terminated; out holds
 * (n * 8 + 4) / 5 + 1 bytes. */
void digest_base32(const uint8_t *bytes, size_t n, char *out);
