/* test_utf8.c - mcp/utf8.h: what is UTF-8, and what is made of what is not. */
#include "mcp/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#define BAD "\xef\xbf\xbd"

static void each_byte_that_is_none_of_a_character_is_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *text, *repaired;
    } cases[] = {
        {"", ""},
        {"plain ASCII of more than a word", NULL},
        {"caf\xc3\xa9 \xe2\x80\xa8 \xf0\x9f\x98\x80", NULL},
        {"12345678\xff", "12345678" BAD},
        {"1234567\xc3", "1234567" BAD},
        {"\xc3\xa9\xa9 after", "\xc3\xa9" BAD " after"},
        {"\xc0\xaf", BAD BAD},         /* overlong */
        {"\xed\xa0\x80", BAD BAD BAD}, /* a surrogate */
        {"\xf4\x90\x80\x80", BAD BAD BAD BAD},
        {"\xff\xfe{}", BAD BAD "{}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *want = cases[i].repaired ? cases[i].repaired : cases[i].text;
        size_t n = strlen(cases[i].text);
        struct buf out = BUF_INIT(3 * n + 1);
        assert_int_equal(utf8_is_valid(cases[i].text, n), strcmp(want, cases[i].text) == 0);
        assert_true(utf8_repair(&out, cases[i].text, n));
        assert_string_equal(buf_text(&out), want);
        buf_release(&out);
    }
}

static void past_the_cap_nothing_is_appended(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(5);
    assert_true(buf_add_str(&out, "a"));
    assert_false(utf8_repair(&out, "bc\xff", 3));
    assert_int_equal(out.len, 1);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_that_is_none_of_a_character_is_replaced),
        cmocka_unit_test(past_the_cap_nothing_is_appended)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
