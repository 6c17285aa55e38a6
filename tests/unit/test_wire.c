/* Tests of keeper/wire.h: frames and text payloads as pure functions on bytes. */
#include "base/caps.h"
#include "base/str.h"
#include "keeper/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void a_frame_comes_back_as_it_was_put(void **state)
{
    (void)state;
    struct buf bytes = BUF_INIT(1024);
    struct wire_header header;
    const char *payload;
    assert_true(wire_put(&bytes, WIRE_LINE, 7, "a\0b", 3));
    assert_true(wire_put(&bytes, WIRE_BYE, 0, NULL, 0));
    assert_int_equal(bytes.len, 16 + 3 + 16);
    assert_int_equal(wire_get(&bytes, &header, &payload), 1);
    assert_int_equal(header.type, WIRE_LINE);
    assert_int_equal(header.sequence, 7);
    assert_int_equal(header.flags, 0);
    assert_int_equal(header.length, 3);
    assert_memory_equal(payload, "a\0b", 3);
    wire_drop(&bytes, &header);
    assert_int_equal(wire_get(&bytes, &header, &payload), 1);
    assert_int_equal(header.type, WIRE_BYE);
    assert_int_equal(header.length, 0);
    wire_drop(&bytes, &header);
    assert_int_equal(wire_get(&bytes, &header, &payload), 0);
    buf_release(&bytes);
}

static void a_frame_is_whole_only_with_its_last_byte(void **state)
{
    (void)state;
    struct buf whole = BUF_INIT(1024), bytes = BUF_INIT(1024);
    struct wire_header header = {.length = 99};
    const char *payload = NULL;
    assert_true(wire_put(&whole, WIRE_STATUS, 0, "state running\n", 14));
    for (size_t i = 0; i < whole.len; i++) {
        assert_int_equal(wire_get(&bytes, &header, &payload), 0);
        assert_int_equal(header.length, 99); /* untouched */
        assert_true(buf_add(&bytes, whole.data + i, 1));
    }
    assert_int_equal(wire_get(&bytes, &header, &payload), 1);
    assert_memory_equal(payload, "state running\n", 14);
    buf_release(&whole);
    buf_release(&bytes);
}

static void a_frame_that_is_too_long_is_malformed_at_once(void **state)
{
    (void)state;
    struct buf bytes = BUF_INIT(1024);
    struct wire_header header = {.length = CAP_KEEPER_FRAME + 1, .type = WIRE_STATUS};
    const char *payload;
    assert_true(buf_add(&bytes, &header, sizeof header));
    assert_int_equal(wire_get(&bytes, &header, &payload), -1);
    buf_consume(&bytes, bytes.len);
    header.length = CAP_KEEPER_FRAME; /* the longest there is: not complete, but good */
    assert_true(buf_add(&bytes, &header, sizeof header));
    assert_int_equal(wire_get(&bytes, &header, &payload), 0);
    buf_release(&bytes);
}

static void nothing_is_put_when_not_all_fits(void **state)
{
    (void)state;
    struct buf bytes = BUF_INIT(40);
    assert_false(wire_put(&bytes, WIRE_STATUS, 0, "0123456789012345678901234", 25));
    assert_int_equal(bytes.len, 0);
    assert_true(wire_put(&bytes, WIRE_STATUS, 0, "012345678901234567890123", 24));
    assert_int_equal(bytes.len, 40);
    assert_false(wire_text_add(&bytes, "a", ""));
    assert_int_equal(bytes.len, 40);
    buf_release(&bytes);
}

static void expect_pair(const char **at, const char *end, const char *key, const char *value)
{
    char *k, *v;
    assert_true(wire_text_next(at, end, &k, &v));
    assert_string_equal(k, key);
    assert_string_equal(v, value);
    free(k);
    free(v);
}

static void text_pairs_survive_any_value(void **state)
{
    (void)state;
    static const char *const values[] = {"", " ",  "two words", "a\nb\n", "\\", "\\n",
                                         "\n\\", "tail\\", "\xff\xe2\x80\xa8", "key value"};
    struct buf bytes = BUF_INIT(4096);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_true(wire_text_add(&bytes, "key", values[i]));
    assert_true(wire_text_add_int(&bytes, "number", INT64_MIN));
    const char *at = bytes.data, *end = at + bytes.len;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        expect_pair(&at, end, "key", values[i]);
    expect_pair(&at, end, "number", "-9223372036854775808");
    char *key, *value;
    assert_false(wire_text_next(&at, end, &key, &value));
    assert_ptr_equal(at, end);
    buf_release(&bytes);
}

static void odd_text_is_taken_as_far_as_it_makes_sense(void **state)
{
    (void)state;
    const char text[] = "alone\nempty \n\nodd \\x\\\nhalf a line";
    const char *at = text, *end = text + sizeof text - 1;
    char *key, *value;
    expect_pair(&at, end, "alone", "");
    expect_pair(&at, end, "empty", "");
    expect_pair(&at, end, "", "");
    expect_pair(&at, end, "odd", "x\\");
    assert_false(wire_text_next(&at, end, &key, &value)); /* no end: not yet a line */
    assert_string_equal(at, "half a line");
    at = NULL;
    assert_false(wire_text_next(&at, NULL, &key, &value)); /* an empty payload */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_comes_back_as_it_was_put),
        cmocka_unit_test(a_frame_is_whole_only_with_its_last_byte),
        cmocka_unit_test(a_frame_that_is_too_long_is_malformed_at_once),
        cmocka_unit_test(nothing_is_put_when_not_all_fits),
        cmocka_unit_test(text_pairs_survive_any_value),
        cmocka_unit_test(odd_text_is_taken_as_far_as_it_makes_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
