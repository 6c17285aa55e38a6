/* base/base64.h - base64 (RFC 4648 section 4), by nettle. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decode n characters (blanks and line ends among them are skipped). New bytes, the caller frees,
 * terminated by a NUL that *out_n does not count. False if they are not base64. */
bool base64_read(const char *text, size_t n, uint8_t **out, size_t *out_n)
    __attribute__((warn_unused_result));
/* n bytes as base64: new string. */
char *base64_text(const char *bytes, size_t n);
