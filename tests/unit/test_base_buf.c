/* tests/unit/test_base_buf.c - capped buffers. */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void what_was_appended_is_there_in_order(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100);
    assert_string_equal(buf_text(&b), "");
    assert_true(buf_add(&b, "ab", 2));
    assert_true(buf_add_str(&b, "cd"));
    assert_true(buf_printf(&b, "%d-%s", 7, "x"));
    assert_string_equal(buf_text(&b), "abcd7-x");
    assert_int_equal(b.len, 7);
    buf_release(&b);
    assert_null(b.data);
}

static void past_its_cap_it_takes_nothing_and_keeps_what_it_has(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(5);
    assert_true(buf_add_str(&b, "abc"));
    assert_false(buf_add_str(&b, "def"));
    assert_false(buf_printf(&b, "%s", "def"));
    assert_null(buf_reserve(&b, 3));
    assert_false(buf_add(&b, "x", SIZE_MAX)); /* no overflow on the way */
    assert_string_equal(buf_text(&b), "abc");
    assert_true(buf_add_str(&b, "de"));
    assert_string_equal(buf_text(&b), "abcde");
    buf_release(&b);
}

static void consumed_bytes_leave_from_the_front(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(10);
    assert_true(buf_add_str(&b, "0123456789"));
    buf_consume(&b, 4);
    assert_string_equal(buf_text(&b), "456789");
    assert_true(buf_add_str(&b, "abcd")); /* what was consumed counts no longer */
    assert_string_equal(buf_text(&b), "456789abcd");
    buf_consume(&b, 10);
    assert_int_equal(b.len, 0);
    assert_true(buf_add_str(&b, "x"));
    assert_string_equal(buf_text(&b), "x");
    buf_release(&b);
}

static void a_long_life_of_adding_and_consuming_does_not_grow_it(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1 << 20);
    uint8_t in = 0, out = 0;
    for (int i = 0; i < 100000; i++) {
        for (int j = 0; j < 3; j++, in++)
            assert_true(buf_add(&b, &in, 1));
        while (b.len > 50) {
            assert_int_equal((uint8_t)b.data[0], out++);
            buf_consume(&b, 1);
        }
    }
    assert_true(b.room <= 1024);
    buf_release(&b);
}

static void reserved_room_is_filled_by_the_caller(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1000);
    char *to = buf_reserve(&b, 1000);
    assert_non_null(to);
    memset(to, 'x', 1000);
    assert_int_equal(b.len, 0);
    buf_commit(&b, 600);
    assert_int_equal(b.len, 600);
    assert_int_equal(strlen(buf_text(&b)), 600);
    buf_release(&b);
}

static void taking_the_content_empties_it(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(10);
    assert_true(buf_add_str(&b, "abc"));
    buf_consume(&b, 1);
    char *text = buf_take(&b);
    assert_string_equal(text, "bc");
    assert_int_equal(b.len, 0);
    assert_null(b.block);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_appended_is_there_in_order),
        cmocka_unit_test(past_its_cap_it_takes_nothing_and_keeps_what_it_has),
        cmocka_unit_test(consumed_bytes_leave_from_the_front),
        cmocka_unit_test(a_long_life_of_adding_and_consuming_does_not_grow_it),
        cmocka_unit_test(reserved_room_is_filled_by_the_caller),
        cmocka_unit_test(taking_the_content_empties_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
