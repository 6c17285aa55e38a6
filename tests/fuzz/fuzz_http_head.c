/* tests/fuzz/fuzz_http_head.c - whatever the strict check accepts, the parser library reads the
 * same, and a head written anew from what was read gives the same again. */
#include "base/caps.h"
#include "mcp/http_check.h"
#include "mcp/http_library.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static bool same(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static void must_be_same(const struct http_head *a, const struct http_head *b)
{
    MUST(a->method == b->method && a->status == b->status);
    MUST(same(a->target, b->target) && same(a->path, b->path) && same(a->query, b->query));
    MUST(a->is_http10 == b->is_http10 && a->is_chunked == b->is_chunked);
    MUST(a->has_length == b->has_length && a->length == b->length);
    MUST(a->keep_alive == b->keep_alive && a->count == b->count);
    for (size_t i = 0; i < a->count; i++)
        MUST(same(a->headers[i].name, b->headers[i].name) &&
             same(a->headers[i].value, b->headers[i].value));
}

/* first: the line before the header fields. */
static void write_again(struct buf *out, struct span first, const struct http_head *h)
{
    MUST(buf_add(out, first.p, first.n));
    MUST(buf_add_str(out, "\r\n"));
    for (size_t i = 0; i < h->count; i++) {
        MUST(buf_add(out, h->headers[i].name.p, h->headers[i].name.n));
        MUST(buf_add_str(out, ": "));
        MUST(buf_add(out, h->headers[i].value.p, h->headers[i].value.n));
        MUST(buf_add_str(out, "\r\n"));
    }
    MUST(buf_add_str(out, "\r\n"));
}

static void one_kind(const char *head, size_t n, bool is_request)
{
    static struct http_head h, again;
    struct http_frame frame;
    bool checked = is_request ? http_check_request(head, n, &frame, NULL)
                              : http_check_response(head, n, &frame, NULL);
    struct err err = {0};
    bool parsed = is_request ? http_request_parse(head, n, &h, &err)
                             : http_response_parse(head, n, &h, &err);
    MUST(checked == parsed);
    MUST(parsed || err.code == (is_request ? ERR_BAD_REQUEST : ERR_DAEMON_LOST));
    if (!parsed)
        return;
    MUST(h.head_len == n && http_head_length(head, n) == n && h.count <= CAP_HEADERS);
    MUST(!(h.is_chunked && h.has_length));
    struct span line = {head, (size_t)((const char *)memchr(head, '\r', n) - head)};
    struct buf out = BUF_INIT(2 * CAP_HEAD);
    write_again(&out, line, &h);
    if (out.len <= CAP_HEAD) { /* it may be longer: blanks that were left out before */
        MUST(is_request ? http_request_parse(out.data, out.len, &again, NULL)
                        : http_response_parse(out.data, out.len, &again, NULL));
        must_be_same(&h, &again);
    }
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *bytes = (const char *)data;
    size_t length = http_head_length(bytes, n);
    one_kind(bytes, length ? length : n, true);
    one_kind(bytes, length ? length : n, false);
    struct span all = {bytes, n};
    char out[64];
    if (http_decode(all, false, out, sizeof out))
        MUST(strlen(out) < sizeof out && strlen(out) <= n);
    if (http_query_get(all, "project", out, sizeof out))
        MUST(strlen(out) < sizeof out);
    if (http_value_has(all, "close"))
        MUST(n >= 5);
    return 0;
}
