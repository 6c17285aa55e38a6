/* tests/unit/test_sse.c - event streams: where events end however they are cut, and what is in
 * them. */
#include "mcp/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "tests/unit/cases.h"

static void dump_event(const char *bytes, size_t n, struct buf *out)
{
    struct sse_event e;
    struct buf data = BUF_INIT(1 << 20);
    sse_event_parse(bytes, n, &e);
    if (!e.name.n && !e.id.p && !e.data_lines)
        return; /* a comment, or nothing */
    assert_true(sse_event_data(bytes, n, &data));
    if (e.data_lines == 1) {
        assert_int_equal(data.len, e.data.n);
        assert_memory_equal(buf_text(&data), e.data.p, data.len);
    }
    assert_true(buf_printf(out, "event [%.*s]", (int)e.name.n, e.name.n ? e.name.p : ""));
    if (e.id.p)
        assert_true(buf_printf(out, " id [%.*s]", (int)e.id.n, e.id.p));
    assert_true(buf_printf(out, " lines %zu data [%s]\n", e.data_lines, buf_text(&data)));
    buf_release(&data);
}

/* The stream in pieces, event by event; what is left at the end is counted. */
static void dump_by_first(const char *in, size_t n, size_t piece, struct buf *out)
{
    struct sse_splitter s = {0};
    struct buf held = BUF_INIT(1 << 20);
    for (size_t at = 0; at < n; at += piece) {
        const char *p = in + at, *end = p + (n - at < piece ? n - at : piece);
        for (size_t length; p < end && (length = sse_first(&s, p, (size_t)(end - p))) > 0;) {
            assert_true(buf_add(&held, p, length));
            p += length;
            dump_event(held.data, held.len, out);
            buf_consume(&held, held.len);
        }
        assert_true(buf_add(&held, p, (size_t)(end - p)));
        assert_int_equal(s.in_event, held.len > 0);
    }
    assert_true(buf_printf(out, "rest %zu\n", held.len));
    buf_release(&held);
}

/* The same with all events that are there at once; gives the boundary's place in the stream. */
static size_t last_boundary(const char *in, size_t n, size_t piece)
{
    struct sse_splitter s = {0};
    size_t boundary = 0;
    for (size_t at = 0; at < n; at += piece) {
        size_t given = n - at < piece ? n - at : piece;
        size_t length = sse_split(&s, in + at, given);
        boundary = length ? at + length : boundary;
        assert_int_equal(s.in_event, boundary < at + given);
    }
    return boundary;
}

static bool dump_stream(const char *in, size_t n, struct buf *out, struct err *err)
{
    (void)err;
    dump_by_first(in, n, n, out);
    size_t boundary = last_boundary(in, n, n);
    for (size_t piece = 1; piece < 10; piece++) {
        struct buf again = BUF_INIT(1 << 20);
        dump_by_first(in, n, piece, &again);
        assert_string_equal(buf_text(&again), buf_text(out));
        buf_release(&again);
        assert_int_equal(last_boundary(in, n, piece), boundary);
    }
    return true;
}

static void every_stream_case_splits_as_its_files_say_however_it_is_cut(void **state)
{
    (void)state;
    cases_run("sse", "", dump_stream);
}

static void a_boundary_is_told_before_the_lf_of_its_crlf_has_come(void **state)
{
    (void)state;
    struct sse_splitter s = {0};
    assert_int_equal(sse_split(&s, "data: a\r\n\r", 10), 10);
    assert_false(s.in_event);
    assert_int_equal(sse_split(&s, "\ndata", 5), 1); /* the LF is a boundary of its own */
    assert_true(s.in_event);
}

static void carriage_returns_alone_are_split_in_linear_time(void **state)
{
    (void)state;
    size_t n = 1 << 23;
    char *bytes = xmalloc(n);
    for (size_t i = 0; i < n; i++)
        bytes[i] = i % 2 ? '\r' : 'a';
    struct sse_splitter s = {0};
    assert_int_equal(sse_split(&s, bytes, n), 0); /* quadratic: minutes, and the test's end */
    assert_true(s.in_event);
    free(bytes);
}

static struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

static void an_event_is_written_in_one_data_line(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(200);
    assert_true(sse_event_write(&b, "message", "7-1", span_of("{\n \"a\":\r\n1\r}\n")));
    assert_string_equal(buf_text(&b), "event: message\nid: 7-1\ndata: {  \"a\": 1 }\n\n");
    buf_consume(&b, b.len);
    assert_true(sse_event_write(&b, NULL, NULL, span_of("{}")));
    assert_string_equal(buf_text(&b), "data: {}\n\n");
    buf_consume(&b, b.len);
    assert_true(sse_event_write(&b, NULL, "1", (struct span){0}));
    assert_string_equal(buf_text(&b), "id: 1\ndata: \n\n");
    buf_release(&b);
}

static void no_bytes_at_all_are_no_event(void **state)
{
    (void)state;
    struct sse_splitter s = {0};
    struct sse_event e;
    struct buf b = BUF_INIT(10);
    assert_int_equal(sse_split(&s, NULL, 0), 0);
    assert_int_equal(sse_first(&s, NULL, 0), 0);
    assert_false(s.in_event);
    sse_event_parse(NULL, 0, &e);
    assert_int_equal(e.data_lines, 0);
    assert_null(e.id.p);
    assert_true(sse_event_data(NULL, 0, &b));
    assert_int_equal(b.len, 0);
}

static void an_event_past_the_cap_is_not_written_at_all(void **state)
{
    (void)state;
    static const char whole[] = "event: m\nid: 1\ndata: {\"a\": 1}\n\n";
    for (size_t cap = 0; cap < sizeof whole + 2; cap++) {
        struct buf b = BUF_INIT(cap);
        bool written = sse_event_write(&b, "m", "1", span_of("{\"a\":\n1}"));
        assert_int_equal(written, cap >= sizeof whole - 1);
        assert_string_equal(buf_text(&b), written ? whole : "");
        buf_release(&b);
    }
}

static void joined_data_past_the_cap_is_not_appended_at_all(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(6);
    assert_true(buf_add_str(&b, "xyz"));
    assert_false(sse_event_data("data: a\ndata: bc\n\n", 18, &b));
    assert_string_equal(buf_text(&b), "xyz");
    assert_true(sse_event_data("data: a\ndata: b\n\n", 17, &b));
    assert_string_equal(buf_text(&b), "xyza\nb");
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_stream_case_splits_as_its_files_say_however_it_is_cut),
        cmocka_unit_test(a_boundary_is_told_before_the_lf_of_its_crlf_has_come),
        cmocka_unit_test(carriage_returns_alone_are_split_in_linear_time),
        cmocka_unit_test(an_event_is_written_in_one_data_line),
        cmocka_unit_test(no_bytes_at_all_are_no_event),
        cmocka_unit_test(an_event_past_the_cap_is_not_written_at_all),
        cmocka_unit_test(joined_data_past_the_cap_is_not_appended_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
