/* tests/unit/test_http_chunked.c - the chunked coding, whole and in pieces. */
#include "base/caps.h"
#include "mcp/http_chunked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "tests/unit/cases.h"

/* Decode in, given in pieces of at most `piece` bytes; the number of bytes used, or SIZE_MAX. */
static size_t decode(const char *in, size_t n, size_t piece, struct buf *out, bool *done)
{
    struct http_chunked c = {0};
    size_t at = 0;
    while (at < n && !c.done) {
        size_t given = n - at < piece ? n - at : piece;
        const char *data;
        size_t data_len;
        size_t used = http_chunked_next(&c, in + at, given, &data, &data_len);
        if (used == SIZE_MAX) {
            assert_int_equal(http_chunked_next(&c, in, n, &data, &data_len), SIZE_MAX);
            return SIZE_MAX;
        }
        assert_true(used > 0 && used <= given);
        assert_true(data_len == 0 || (data >= in + at && data + data_len <= in + at + used));
        assert_true(buf_add(out, data, data_len));
        at += used;
    }
    *done = c.done;
    return at;
}

static bool dump_chunked(const char *in, size_t n, struct buf *out, struct err *err)
{
    struct buf body = BUF_INIT(1 << 20);
    bool done = false;
    size_t used = decode(in, n, n, &body, &done);
    for (size_t piece = 1; piece < 8; piece++) {
        struct buf again = BUF_INIT(1 << 20);
        bool again_done = false;
        assert_int_equal(decode(in, n, piece, &again, &again_done), used);
        if (used != SIZE_MAX) {
            assert_int_equal(again_done, done);
            assert_int_equal(again.len, body.len);
            assert_memory_equal(buf_text(&again), buf_text(&body), body.len);
        }
        buf_release(&again);
    }
    bool ok = used != SIZE_MAX;
    if (ok)
        assert_true(buf_printf(out, "%s\nrest %zu\nbody %s\n", done ? "done" : "unfinished",
                               n - used, buf_text(&body)));
    else
        err_set(err, ERR_BAD_REQUEST, 0, "broken");
    buf_release(&body);
    return ok;
}

static void every_chunked_case_is_decoded_or_refused_as_its_files_say(void **state)
{
    (void)state;
    cases_run("http1", "chunked-", dump_chunked);
}

static void a_size_of_fifteen_digits_is_taken_and_sixteen_are_refused(void **state)
{
    (void)state;
    const char *data;
    size_t data_len;
    struct http_chunked c = {0};
    assert_int_equal(http_chunked_next(&c, "fffffffffffffff\r\nxy", 19, &data, &data_len), 19);
    assert_int_equal(data_len, 2);
    assert_true(c.left == 0xfffffffffffffffu - 2);
    c = (struct http_chunked){0};
    assert_int_equal(http_chunked_next(&c, "0000000000000002\r\nxy", 20, &data, &data_len),
                     SIZE_MAX);
}

static bool takes(const char *start, size_t filler, const char *stop)
{
    struct buf b = BUF_INIT(1 << 20), body = BUF_INIT(1 << 20);
    bool done = false;
    assert_true(buf_add_str(&b, start));
    for (size_t i = 0; i < filler; i++)
        assert_true(buf_add_str(&b, "e"));
    assert_true(buf_add_str(&b, stop));
    size_t used = decode(b.data, b.len, b.len, &body, &done);
    buf_release(&b);
    buf_release(&body);
    return used != SIZE_MAX && done;
}

static void an_extension_of_64_bytes_is_skipped_and_a_longer_one_is_refused(void **state)
{
    (void)state;
    assert_true(takes("1;", 63, "\r\nx\r\n0\r\n\r\n"));
    assert_false(takes("1;", 64, "\r\nx\r\n0\r\n\r\n"));
}

static void trailers_are_bounded_in_all(void **state)
{
    (void)state;
    assert_true(takes("0\r\nA: ", CAP_HEAD - 100, "\r\nB: c\r\n\r\n"));
    assert_false(takes("0\r\nA: ", CAP_HEAD - 10, "\r\nB: cccccc\r\n\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_chunked_case_is_decoded_or_refused_as_its_files_say),
        cmocka_unit_test(a_size_of_fifteen_digits_is_taken_and_sixteen_are_refused),
        cmocka_unit_test(an_extension_of_64_bytes_is_skipped_and_a_longer_one_is_refused),
        cmocka_unit_test(trailers_are_bounded_in_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
