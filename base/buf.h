/* base/buf.h - a byte buffer with a mandatory cap. Zero-initialise with BUF_INIT(cap).
 * Growth past the cap fails softly (false); memory exhaustion below it aborts.
 * Bytes are consumed from the front without moving (offset), appended at the back. */
#pragma once
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data;    /* start of the live bytes (NULL when nothing was ever held) */
    size_t len;    /* live bytes */
    size_t cap;    /* most live bytes ever allowed */
    char *block;   /* allocation */
    size_t room;   /* its size */
};

#define BUF_INIT(cap_bytes) {.cap = (cap_bytes)}

/* Append n bytes; false (and nothing appended) if that would pass the cap. */
bool buf_add(struct buf *b, const void *bytes, size_t n) MUST_CHECK;
bool buf_add_str(struct buf *b, const char *s) MUST_CHECK;
/* Append a decimal number. */
bool buf_add_int(struct buf *b, int64_t value) MUST_CHECK;
bool buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_CHECK;
/* Room for n more bytes, to be filled by the caller and then counted by buf_commit;
 * NULL past the cap. Valid until the next call on b. */
char *buf_reserve(struct buf *b, size_t n) MUST_CHECK;
void buf_commit(struct buf *b, size_t n);
/* Drop n bytes from the front. An emptied buffer keeps its block. */
void buf_consume(struct buf *b, size_t n);
/* Drop all bytes and give the memory back (an idle connection holds none). */
void buf_release(struct buf *b);
/* Terminated text of the content: borrowed until the next change. */
const char *buf_text(struct buf *b);
/* New terminated string with the content; b becomes empty. Caller frees. */
char *buf_take(struct buf *b);
