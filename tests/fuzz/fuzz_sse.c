/* tests/fuzz/fuzz_sse.c - a stream splits into the same events however it is cut, and agrees with a
 * slow reader that takes the standard's words byte by byte. */
#include "mcp/sse.h"

#include "tests/fuzz/fuzz.h"

#include <string.h>

/* The data of every event that has some, each followed by one byte 1 (the standard's dispatch,
 * byte by byte: WHATWG HTML 9.2.6). */
static void read_slowly(const char *in, size_t n, struct buf *out)
{
    struct buf line = BUF_INIT(1 << 21), data = BUF_INIT(1 << 21);
    size_t lines = 0;
    for (size_t i = 0; i < n; i++) {
        if (in[i] != '\n' && in[i] != '\r') {
            MUST(buf_add(&line, in + i, 1));
            continue;
        }
        if (in[i] == '\n' && i > 0 && in[i - 1] == '\r')
            continue;
        if (line.len == 0 && lines) {
            MUST(buf_add(out, data.data, data.len) && buf_add(out, "\1", 1));
            buf_consume(&data, data.len);
            lines = 0;
        }
        if ((line.len == 4 || (line.len > 4 && line.data[4] == ':')) &&
            memcmp(line.data, "data", 4) == 0) {
            size_t skip = line.len == 4 ? 4 : line.len > 5 && line.data[5] == ' ' ? 6 : 5;
            MUST(lines++ == 0 || buf_add(&data, "\n", 1));
            MUST(buf_add(&data, line.data + skip, line.len - skip));
        }
        buf_consume(&line, line.len);
    }
    buf_release(&line);
    buf_release(&data);
}

static void read_event(const char *bytes, size_t n, struct buf *out)
{
    struct sse_event e;
    sse_event_parse(bytes, n, &e);
    size_t before = out->len;
    MUST(sse_event_data(bytes, n, out));
    if (e.data_lines == 1)
        MUST(out->len - before == e.data.n);
    if (e.data_lines)
        MUST(buf_add(out, "\1", 1));
    else
        MUST(out->len == before);
}

static void read_by_first(const char *in, size_t n, size_t piece, struct buf *out)
{
    struct sse_splitter s = {0}, all = {0};
    struct buf held = BUF_INIT(1 << 21);
    for (size_t at = 0; at < n; at += piece) {
        const char *p = in + at, *end = p + (n - at < piece ? n - at : piece);
        size_t boundary = sse_split(&all, p, (size_t)(end - p));
        for (size_t length; p < end && (length = sse_first(&s, p, (size_t)(end - p))) > 0;) {
            MUST(buf_add(&held, p, length));
            p += length;
            read_event(held.data, held.len, out);
            buf_consume(&held, held.len);
        }
        MUST(p == in + at + boundary); /* both see the same last boundary */
        MUST(buf_add(&held, p, (size_t)(end - p)));
        MUST(s.in_event == (held.len > 0) && all.in_event == s.in_event);
    }
    buf_release(&held);
}

static void write_and_read(const char *in, size_t n)
{
    struct buf out = BUF_INIT(1 << 21);
    struct sse_splitter s = {0};
    struct sse_event e;
    MUST(sse_event_write(&out, "message", "1", (struct span){in, n}));
    MUST(sse_first(&s, out.data, out.len) == out.len);
    sse_event_parse(out.data, out.len, &e);
    MUST(e.data_lines == 1 && span_is(e.name, "message") && span_is(e.id, "1"));
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *in = (const char *)data;
    struct buf want = BUF_INIT(1 << 22);
    read_slowly(in, n, &want);
    for (size_t piece = 1; piece <= n + 3; piece += piece < 4 ? 1 : n) {
        struct buf got = BUF_INIT(1 << 22);
        read_by_first(in, n, piece, &got);
        MUST(got.len == want.len);
        MUST(got.len == 0 || memcmp(got.data, want.data, got.len) == 0);
        buf_release(&got);
    }
    buf_release(&want);
    write_and_read(in, n);
    return 0;
}
