/* tests/fuzz/fuzz_http_chunked.c - the coding decodes to the same however it is cut, and what was
 * decoded decodes to the same when it is coded anew. */
#include "mcp/http_chunked.h"

#include "base/buf.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static size_t decode(const char *in, size_t n, size_t piece, struct buf *out, bool *done)
{
    struct http_chunked c = {0};
    size_t at = 0;
    while (at < n && !c.done) {
        size_t given = n - at < piece ? n - at : piece;
        const char *data;
        size_t data_len;
        size_t used = http_chunked_next(&c, in + at, given, &data, &data_len);
        if (used == SIZE_MAX)
            return SIZE_MAX;
        MUST(used > 0 && used <= given && data_len <= used);
        MUST(data_len == 0 || (data >= in + at && data + data_len <= in + at + used));
        MUST(buf_add(out, data, data_len));
        at += used;
    }
    *done = c.done;
    return at;
}

static void code_again(const struct buf *body)
{
    struct buf coded = BUF_INIT(1 << 22), again = BUF_INIT(1 << 21);
    bool done = false;
    if (body->len)
        MUST(buf_printf(&coded, "%zx\r\n", body->len) && buf_add(&coded, body->data, body->len) &&
             buf_add_str(&coded, "\r\n"));
    MUST(buf_add_str(&coded, "0\r\n\r\n"));
    MUST(decode(coded.data, coded.len, coded.len, &again, &done) == coded.len && done);
    MUST(again.len == body->len);
    MUST(body->len == 0 || memcmp(again.data, body->data, body->len) == 0);
    buf_release(&coded);
    buf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *in = (const char *)data;
    struct buf whole = BUF_INIT(1 << 21);
    bool done = false;
    size_t used = decode(in, n, n, &whole, &done);
    for (size_t piece = 1; piece <= 3; piece++) {
        struct buf parts = BUF_INIT(1 << 21);
        bool parts_done = false;
        MUST(decode(in, n, piece, &parts, &parts_done) == used && parts_done == done);
        if (used != SIZE_MAX) {
            MUST(parts.len == whole.len);
            MUST(whole.len == 0 || memcmp(parts.data, whole.data, whole.len) == 0);
        }
        buf_release(&parts);
    }
    if (used != SIZE_MAX)
        code_again(&whole);
    buf_release(&whole);
    return 0;
}
