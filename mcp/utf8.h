/* mcp/utf8.h - is it UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF)? A
 * message of MCP must be; some readers end at the first byte that is not. */
#pragma once
#include "base/buf.h"

/* Length of the valid character at p, 0 if there is none. n > 0: bytes that there are. */
size_t utf8_length(const unsigned char *p, size_t n);
bool utf8_is_valid(const char *text, size_t n);
/* Append it with U+FFFD for each byte that is none of a character. False past the cap; three times
 * n is always enough. */
bool utf8_repair(struct buf *out, const char *text, size_t n) MUST_CHECK;
