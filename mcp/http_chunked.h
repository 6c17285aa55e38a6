/* mcp/http_chunked.h - the chunked transfer coding (RFC 9112 section 7.1), decoded incrementally.
 * Strict: CRLF only, 1-15 hex digits; extensions up to 64 bytes are skipped, trailers up to
 * CAP_HEAD bytes are dropped. */
#pragma once
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct http_chunked { /* zero to start */
    int state;
    uint64_t left;   /* data bytes left in this chunk */
    size_t line;     /* bytes of the present control line, or of all trailers so far */
    bool done;       /* the last chunk and its trailers were read */
};

/* Look at bytes: sets *data and *data_len to the next run of body bytes within them (borrowed,
 * may be empty) and returns how many bytes were used up in all (framing and data). Call again with
 * the rest until all is used or done. SIZE_MAX when the coding is broken. */
size_t http_chunked_next(struct http_chunked *c, const char *bytes, size_t n, const char **data,
                         size_t *data_len);
