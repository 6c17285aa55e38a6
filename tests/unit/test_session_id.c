/* tests/unit/test_session_id.c - ids that prove themselves: front/session_id.c. */
#include "front/session_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

static struct front ours = {.session_key = {1, 2, 3}}, theirs = {.session_key = {1, 2, 4}};

static char *made(const char *protocol)
{
    static char key[] = "repo-abcdefghij", server[] = "serena";
    struct project project = {.key = key};
    struct daemon daemon = {.project = &project, .server = server};
    struct session s = {.front = &ours, .daemon = &daemon, .created_unix_ms = 0x1234};
    memcpy(s.protocol, protocol, strlen(protocol) + 1);
    return session_id_make(&s);
}

static bool reads(const struct front *f, const char *id, size_t n, struct session_id_parts *out)
{
    return session_id_read(f, (struct span){id, n}, out);
}

static void an_id_says_what_it_was_made_for(void **state)
{
    (void)state;
    struct session_id_parts parts;
    char *id = made("2025-06-18");
    assert_true(reads(&ours, id, strlen(id), &parts));
    assert_string_equal(parts.created, "1234");
    assert_string_equal(parts.protocol, "2025-06-18");
    assert_string_equal(parts.key, "repo-abcdefghij");
    assert_string_equal(parts.server, "serena");
    free(id);
}

static void no_two_ids_are_the_same(void **state)
{
    (void)state;
    char *one = made(""), *two = made("");
    assert_string_not_equal(one, two);
    free(one);
    free(two);
}

static void an_id_with_any_byte_changed_or_cut_is_refused(void **state)
{
    (void)state;
    struct session_id_parts parts;
    char *id = made("2025-06-18");
    size_t n = strlen(id);
    for (size_t i = 0; i < n; i++) {
        assert_false(reads(&ours, id, i, &parts));
        id[i] ^= 1;
        assert_false(reads(&ours, id, n, &parts));
        id[i] ^= 1;
    }
    assert_true(reads(&ours, id, n, &parts));
    free(id);
}

static void an_id_of_another_installation_is_refused(void **state)
{
    (void)state;
    struct session_id_parts parts;
    char *id = made("2025-06-18");
    assert_false(reads(&theirs, id, strlen(id), &parts));
    free(id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_says_what_it_was_made_for),
        cmocka_unit_test(no_two_ids_are_the_same),
        cmocka_unit_test(an_id_with_any_byte_changed_or_cut_is_refused),
        cmocka_unit_test(an_id_of_another_installation_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
