/* tests/unit/test_base_str.c - strings, numbers and lists of strings. */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>

static void prefixes_and_suffixes_are_compared_whole(void **state)
{
    (void)state;
    assert_true(str_starts("abc", "ab"));
    assert_true(str_starts("abc", ""));
    assert_false(str_starts("a", "ab"));
    assert_true(str_ends("abc", "bc"));
    assert_true(str_ends("abc", ""));
    assert_false(str_ends("c", "bc"));
    assert_false(str_ends("abc", "ab"));
}

static void absent_strings_equal_only_each_other(void **state)
{
    (void)state;
    assert_true(str_equal(NULL, NULL));
    assert_false(str_equal(NULL, ""));
    assert_false(str_equal("", NULL));
    assert_true(str_equal("a", "a"));
    assert_false(str_equal("a", "b"));
    assert_null(xstrdup(NULL));
}

static void only_whole_decimal_numbers_in_range_are_numbers(void **state)
{
    (void)state;
    int64_t n = 77;
    assert_true(str_to_int("0", 0, 9, &n));
    assert_int_equal(n, 0);
    assert_true(str_to_int("-12", -12, 9, &n));
    assert_int_equal(n, -12);
    assert_true(str_to_int("9223372036854775807", 0, INT64_MAX, &n));
    assert_true(n == INT64_MAX);
    static const char *const bad[] = {"",   " 1", "1 ",  "+1", "0x1", "1.0",
                                      "10", "-1", "--1", "-",  "a",   "9223372036854775808"};
    n = 77;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(str_to_int(bad[i], 0, 9, &n));
    assert_int_equal(n, 77); /* untouched */
}

static void a_path_has_one_slash_between_its_parts(void **state)
{
    (void)state;
    char *path = str_path("/a", "b");
    assert_string_equal(path, "/a/b");
    free(path);
    path = str_path("/", "b");
    assert_string_equal(path, "/b");
    free(path);
}

static void a_replaced_string_is_a_copy_of_the_new_one(void **state)
{
    (void)state;
    char *slot = xstrdup("old");
    str_replace(&slot, "new");
    assert_string_equal(slot, "new");
    str_replace(&slot, slot); /* itself */
    assert_string_equal(slot, "new");
    str_replace(&slot, NULL);
    assert_null(slot);
}

static void a_copy_of_n_bytes_is_terminated(void **state)
{
    (void)state;
    char *text = xstrndup("abcdef", 3);
    assert_string_equal(text, "abc");
    free(text);
    text = xasprintf("%d %s", 1, "x");
    assert_string_equal(text, "1 x");
    free(text);
}

static void a_list_of_strings_stays_terminated(void **state)
{
    (void)state;
    struct strv v = {0};
    for (int i = 0; i < 20; i++) {
        strv_add(&v, "a");
        assert_int_equal(v.count, i + 1);
        assert_null(v.items[v.count]);
    }
    strv_finish(&v);
    assert_null(v.items);
    assert_int_equal(v.count, 0);
}

static void a_variable_is_set_once_and_found_by_its_whole_name(void **state)
{
    (void)state;
    struct strv env = {0};
    strv_env_set(&env, "PATH", "/bin");
    strv_env_set(&env, "PATHS", "x");
    strv_env_set(&env, "PATH", "/usr/bin");
    assert_int_equal(env.count, 2);
    assert_string_equal(strv_env_get(&env, "PATH"), "/usr/bin");
    assert_string_equal(strv_env_get(&env, "PATHS"), "x");
    assert_null(strv_env_get(&env, "PAT"));
    strv_finish(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_and_suffixes_are_compared_whole),
        cmocka_unit_test(absent_strings_equal_only_each_other),
        cmocka_unit_test(only_whole_decimal_numbers_in_range_are_numbers),
        cmocka_unit_test(a_path_has_one_slash_between_its_parts),
        cmocka_unit_test(a_replaced_string_is_a_copy_of_the_new_one),
        cmocka_unit_test(a_copy_of_n_bytes_is_terminated),
        cmocka_unit_test(a_list_of_strings_stays_terminated),
        cmocka_unit_test(a_variable_is_set_once_and_found_by_its_whole_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
