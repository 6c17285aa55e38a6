/* tests/unit/test_http_head.c - heads of requests and answers: what is read, what is refused. */
#include "base/caps.h"
#include "mcp/http_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "tests/unit/cases.h"

static void dump_span(struct buf *out, const char *name, struct span s)
{
    assert_true(buf_printf(out, "%s %.*s\n", name, (int)s.n, s.p ? s.p : ""));
}

static void dump_rest(struct buf *out, const struct http_head *h)
{
    assert_true(buf_printf(out, "version %s\n", h->is_http10 ? "1.0" : "1.1"));
    if (h->has_length)
        assert_true(buf_printf(out, "body %lld\n", (long long)h->length));
    else
        assert_true(buf_printf(out, "body %s\n", h->is_chunked ? "chunked" : "none"));
    assert_true(buf_printf(out, "keep-alive %s\n", h->keep_alive ? "yes" : "no"));
    for (size_t i = 0; i < h->count; i++)
        assert_true(buf_printf(out, "%.*s = %.*s\n", (int)h->headers[i].name.n,
                               h->headers[i].name.p, (int)h->headers[i].value.n,
                               h->headers[i].value.p));
}

/* The head's length; a head that comes byte by byte ends at the same place and not before. */
static size_t length_of(const char *in, size_t n)
{
    size_t length = http_head_length(in, n);
    for (size_t part = 0; part <= n; part++)
        assert_int_equal(http_head_length(in, part), length && part >= length ? length : 0);
    return length ? length : n;
}

static bool dump_request(const char *in, size_t n, struct buf *out, struct err *err)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "?"};
    struct http_head h;
    struct err check_err = {0};
    size_t length = length_of(in, n);
    bool checked = http_head_check(in, length, &check_err);
    bool parsed = http_request_parse(in, length, &h, err);
    assert_int_equal(checked, parsed); /* what the check passes, the library takes */
    if (!parsed)
        return false;
    assert_int_equal(h.head_len, length);
    assert_true(buf_printf(out, "method %s\n", methods[h.method]));
    dump_span(out, "target", h.target);
    dump_span(out, "path", h.path);
    dump_span(out, "query", h.query);
    dump_rest(out, &h);
    return true;
}

static bool dump_response(const char *in, size_t n, struct buf *out, struct err *err)
{
    struct http_head h;
    if (!http_response_parse(in, length_of(in, n), &h, err))
        return false;
    assert_true(buf_printf(out, "status %d\n", h.status));
    dump_rest(out, &h);
    return true;
}

static void every_request_case_is_read_or_refused_as_its_files_say(void **state)
{
    (void)state;
    cases_run("http1", "request-", dump_request);
}

static void every_answer_case_is_read_or_refused_as_its_files_say(void **state)
{
    (void)state;
    cases_run("http1", "response-", dump_response);
}

static char *head_with_fields(size_t count, size_t *n)
{
    struct buf b = BUF_INIT(1 << 20);
    assert_true(buf_add_str(&b, "GET /mcp HTTP/1.1\r\nHost: a\r\n"));
    for (size_t i = 1; i < count; i++)
        assert_true(buf_printf(&b, "X-%zu: y\r\n", i));
    assert_true(buf_add_str(&b, "\r\n"));
    *n = b.len;
    return buf_take(&b);
}

static void a_hundred_header_fields_are_read_and_one_more_is_refused(void **state)
{
    (void)state;
    struct http_head h;
    struct err err = {0};
    size_t n;
    char *head = head_with_fields(CAP_HEADERS, &n);
    assert_true(http_request_parse(head, n, &h, &err));
    assert_int_equal(h.count, CAP_HEADERS);
    free(head);
    head = head_with_fields(CAP_HEADERS + 1, &n);
    assert_false(http_request_parse(head, n, &h, &err));
    assert_int_equal(err.code, ERR_BAD_REQUEST);
    assert_string_equal(err.text, "malformed request: more than 100 header fields");
    free(head);
}

static void a_head_of_32_kib_is_read_and_a_longer_one_is_refused(void **state)
{
    (void)state;
    static const char start[] = "GET /mcp HTTP/1.1\r\nHost: a\r\nX: ", stop[] = "\r\n\r\n";
    for (size_t n = CAP_HEAD; n <= CAP_HEAD + 1; n++) {
        char *head = xmalloc(n);
        memset(head, 'x', n);
        memcpy(head, start, sizeof start - 1);
        memcpy(head + n - 4, stop, 4);
        struct http_head h;
        struct err err = {0};
        assert_int_equal(http_request_parse(head, n, &h, &err), n == CAP_HEAD);
        free(head);
    }
}

/* Every byte in every place of a small head: whatever happens, the two readers agree (the parse
 * would say "two ways") and nothing is read outside of the head. */
static void any_single_changed_byte_is_read_alike_by_check_and_library(void **state)
{
    (void)state;
    static const char text[] = "POST /mcp?a=b HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n"
                               "Connection: close\r\nX:  y z \r\n\r\n";
    size_t n = sizeof text - 1;
    char *head = xmalloc(n);
    int accepted = 0;
    for (size_t at = 0; at < n; at++) {
        for (int byte = 0; byte < 256; byte++) {
            memcpy(head, text, n);
            head[at] = (char)byte;
            struct http_head h;
            struct err err = {0};
            if (http_request_parse(head, n, &h, &err))
                accepted++;
            else if (strstr(err.text, "two ways"))
                fail_msg("byte 0x%02x at %zu is read in two ways", (unsigned)byte, at);
        }
    }
    assert_true(accepted > (int)n); /* the unchanged one at least once for each place */
    free(head);
}

static void a_cut_head_is_refused_at_every_length(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_int_equal(http_head_length(NULL, 0), 0);
    assert_int_equal(http_head_length("\r\n\r\n", 4), 4);
    for (size_t n = 0; n < sizeof text - 1; n++) {
        char *head = xmalloc(n);
        memcpy(head, text, n);
        struct http_head h;
        struct err err = {0};
        assert_false(http_request_parse(head, n, &h, &err));
        assert_false(http_response_parse(head, n, &h, NULL));
        free(head);
    }
}

static void a_header_is_found_by_name_in_any_case(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\nACCEPT:\r\naccept: b\r\n\r\n";
    struct http_head h;
    assert_true(http_request_parse(text, sizeof text - 1, &h, NULL));
    assert_true(span_is(http_header(&h, "hOST"), "h"));
    assert_non_null(http_header(&h, "Accept").p); /* the first one, which is empty */
    assert_int_equal(http_header(&h, "Accept").n, 0);
    assert_null(http_header(&h, "Accep").p);
}

static struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

static void spans_compare_by_whole_content(void **state)
{
    (void)state;
    assert_true(span_is(span_of("ab"), "ab"));
    assert_false(span_is(span_of("ab"), "aB"));
    assert_false(span_is(span_of("ab"), "a"));
    assert_false(span_is(span_of("a"), "ab"));
    assert_true(span_is((struct span){0}, ""));
    assert_true(span_is_nocase(span_of("aB"), "Ab"));
    assert_false(span_is_nocase(span_of("aB"), "AbC"));
}

static void a_list_value_has_whole_tokens_only(void **state)
{
    (void)state;
    struct span accept = span_of("application/json;q=0.9 ,\tText/Event-Stream, */*");
    assert_true(http_value_has(accept, "application/json"));
    assert_true(http_value_has(accept, "text/event-stream"));
    assert_false(http_value_has(accept, "text/html"));
    assert_false(http_value_has(accept, "text/event"));
    assert_false(http_value_has(accept, "q=0.9"));
    assert_false(http_value_has(span_of(""), "close"));
    assert_true(http_value_has(span_of(",, close"), "close"));
}

static void a_query_value_is_decoded(void **state)
{
    (void)state;
    char out[16] = "untouched";
    struct span q = span_of("a=1&project=%2Fhome%2Fa+b&empty&again=x&again=y&bad=%2&nul=%00");
    assert_true(http_query_get(q, "project", out, sizeof out));
    assert_string_equal(out, "/home/a b");
    assert_true(http_query_get(q, "empty", out, sizeof out));
    assert_string_equal(out, "");
    assert_true(http_query_get(q, "again", out, sizeof out));
    assert_string_equal(out, "x");
    assert_false(http_query_get(q, "bad", out, sizeof out));
    assert_false(http_query_get(q, "nul", out, sizeof out));
    assert_false(http_query_get(q, "proj", out, sizeof out));
    assert_false(http_query_get(q, "2Fhome", out, sizeof out));
    assert_false(http_query_get((struct span){0}, "a", out, sizeof out));
}

static void a_decoded_value_must_fit_with_its_terminator(void **state)
{
    (void)state;
    char out[4];
    assert_true(http_decode(span_of("%61bc"), false, out, 4));
    assert_string_equal(out, "abc");
    assert_false(http_decode(span_of("abcd"), false, out, 4));
    assert_false(http_decode(span_of(""), false, out, 0));
    assert_true(http_decode(span_of("+%2B"), false, out, 4));
    assert_string_equal(out, "++");
    assert_false(http_decode(span_of("%"), false, out, 4));
    assert_false(http_decode(span_of("%g0"), false, out, 4));
    assert_false(http_decode(span_of("%0g"), false, out, 4));
    assert_false(http_decode((struct span){"a\0", 2}, false, out, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_case_is_read_or_refused_as_its_files_say),
        cmocka_unit_test(every_answer_case_is_read_or_refused_as_its_files_say),
        cmocka_unit_test(a_hundred_header_fields_are_read_and_one_more_is_refused),
        cmocka_unit_test(a_head_of_32_kib_is_read_and_a_longer_one_is_refused),
        cmocka_unit_test(any_single_changed_byte_is_read_alike_by_check_and_library),
        cmocka_unit_test(a_cut_head_is_refused_at_every_length),
        cmocka_unit_test(a_header_is_found_by_name_in_any_case),
        cmocka_unit_test(spans_compare_by_whole_content),
        cmocka_unit_test(a_list_value_has_whole_tokens_only),
        cmocka_unit_test(a_query_value_is_decoded),
        cmocka_unit_test(a_decoded_value_must_fit_with_its_terminator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
