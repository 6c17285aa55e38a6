/* tests/unit/test_base_err.c - the error struct and its table. */
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <string.h>

static void every_row_is_found_by_its_public_name(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_COUNT; i++) {
        const struct err_row *row = err_row((enum err_code)i);
        assert_int_equal(err_by_name(row->name), i);
        assert_null(strpbrk(row->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"));
        assert_true(row->meaning[0] != '\0');
    }
    assert_string_equal(err_row(ERR_NO_PROJECT)->name, "no-project");
    assert_int_equal(err_by_name("no such error"), ERR_COUNT);
}

static void every_exit_status_means_one_thing(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_COUNT; i++)
        for (int j = 0; j < i; j++)
            assert_int_not_equal(err_row((enum err_code)i)->exit, err_row((enum err_code)j)->exit);
}

static void a_code_out_of_range_is_an_internal_error(void **state)
{
    (void)state;
    assert_ptr_equal(err_row(ERR_COUNT), err_row(ERR_INTERNAL));
}

static void the_first_error_stays(void **state)
{
    (void)state;
    struct err err = {0};
    assert_false(err_set(&err, ERR_CONFIG, 0, "first %d", 1));
    assert_false(err_set(&err, ERR_SYSTEM, ENOENT, "second"));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_string_equal(err_text(&err), "first 1");
    err_clear(&err);
    assert_int_equal(err.code, ERR_OK);
    err_set(&err, ERR_SYSTEM, ENOENT, "third");
    assert_string_equal(err_text(&err), "third: No such file or directory");
    assert_int_equal(err.sys, ENOENT);
}

static void an_error_without_text_says_what_its_code_means(void **state)
{
    (void)state;
    struct err err = {.code = ERR_POOL_FULL};
    assert_string_equal(err_text(&err), err_row(ERR_POOL_FULL)->meaning);
}

static void nobody_needs_to_ask_for_the_error(void **state)
{
    (void)state;
    assert_false(err_set(NULL, ERR_SYSTEM, ENOENT, "x"));
}

static void a_text_too_long_is_cut(void **state)
{
    (void)state;
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct err err = {0};
    err_set(&err, ERR_SYSTEM, ENOENT, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_found_by_its_public_name),
        cmocka_unit_test(every_exit_status_means_one_thing),
        cmocka_unit_test(a_code_out_of_range_is_an_internal_error),
        cmocka_unit_test(the_first_error_stays),
        cmocka_unit_test(an_error_without_text_says_what_its_code_means),
        cmocka_unit_test(nobody_needs_to_ask_for_the_error),
        cmocka_unit_test(a_text_too_long_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
