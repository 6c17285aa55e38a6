/* tests/unit/test_base_digest.c - digests against the standards' own examples. */
#include "base/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static void assert_hex(const uint8_t digest[DIGEST_SIZE], const char *want)
{
    char hex[2 * DIGEST_SIZE + 1];
    for (size_t i = 0; i < DIGEST_SIZE; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(hex, want);
}

static void sha256_gives_the_standards_example(void **state)
{
    (void)state;
    uint8_t out[DIGEST_SIZE];
    digest_sha256("abc", 3, out);
    assert_hex(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_sha256("", 0, out);
    assert_hex(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void hmac_gives_the_example_of_rfc_4231(void **state)
{
    (void)state;
    uint8_t out[DIGEST_SIZE];
    digest_hmac("Jefe", 4, "what do ya want for nothing?", 28, out);
    assert_hex(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void base32_gives_the_examples_of_rfc_4648_in_lower_case(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""},           {"f", "my"},        {"fo", "mzxq"},
        {"foo", "mzxw6"},   {"foob", "mzxw6yq"}, {"fooba", "mzxw6ytb"},
        {"foobar", "mzxw6ytboi"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        size_t n = strlen(pairs[i][0]);
        char *out = test_malloc((n * 8 + 4) / 5 + 1); /* exactly the room that is promised */
        digest_base32((const uint8_t *)pairs[i][0], n, out);
        assert_string_equal(out, pairs[i][1]);
        test_free(out);
    }
}

static void content_is_compared_whole(void **state)
{
    (void)state;
    assert_true(digest_equal("abc", "abc", 3));
    assert_false(digest_equal("abc", "abd", 3));
    assert_true(digest_equal("abc", "abd", 2));
}

static void random_bytes_fill_any_length_and_differ(void **state)
{
    (void)state;
    uint8_t a[1000] = {0}, b[1000] = {0};
    digest_random(a, sizeof a - 1);
    digest_random(b, sizeof b - 1);
    assert_memory_not_equal(a, b, 100);
    assert_memory_not_equal(a + 899, b + 899, 100);
    assert_int_equal(a[999], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_standards_example),
        cmocka_unit_test(hmac_gives_the_example_of_rfc_4231),
        cmocka_unit_test(base32_gives_the_examples_of_rfc_4648_in_lower_case),
        cmocka_unit_test(content_is_compared_whole),
        cmocka_unit_test(random_bytes_fill_any_length_and_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
