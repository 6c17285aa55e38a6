/* Unit tests of connect/pending.h: requests without an answer. */
#include "base/str.h"
#include "connect/pending.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct span text(const char *s)
{
    return (struct span){s, strlen(s)};
}

static void a_request_stays_until_its_own_id_is_answered(void **state)
{
    (void)state;
    static struct pending p;
    pending_add(&p, text("1"), text("{one}"), 6);
    pending_add(&p, text("\"1\""), text("{two}"), 12);
    pending_add(&p, text("1"), text("{three}"), 20);
    assert_false(pending_remove(&p, text("11")));
    assert_false(pending_remove(&p, (struct span){0}));
    assert_true(pending_remove(&p, text("1"))); /* the earlier one */
    assert_int_equal(p.count, 2);
    assert_memory_equal(p.items[0].line, "{two}", 5);
    assert_memory_equal(p.items[1].line, "{three}", 7);
    assert_int_equal(p.items[1].end_at, 20);
    assert_true(pending_remove(&p, text("1")));
    assert_false(pending_remove(&p, text("1")));
    assert_true(pending_remove(&p, text("\"1\"")));
    assert_int_equal(p.count, 0);
    assert_int_equal(p.kept, 0);
}

static void an_answer_may_spell_the_id_in_its_own_way(void **state)
{
    (void)state;
    static struct pending p;
    static const char *const spelled[][2] = {
        {"\"\\u00e9\"", "\"\xc3\xa9\""}, {"1.0", "1"}, {"1e2", "100"}, {"-0", "0"}, {"2", "2.0"}};
    for (size_t i = 0; i < sizeof spelled / sizeof *spelled; i++) {
        pending_add(&p, text(spelled[i][0]), text("{}"), 0);
        assert_true(pending_remove(&p, text(spelled[i][1])));
    }
    pending_add(&p, text("9007199254740993"), text("{}"), 0);
    assert_false(pending_remove(&p, text("9007199254740992")));
    assert_false(pending_remove(&p, text("\"9007199254740993\"")));
    pending_finish(&p);
}

static void lines_are_kept_while_there_is_room_and_ids_always(void **state)
{
    (void)state;
    static struct pending p;
    char *large = xmalloc(65537);
    memset(large, 'x', 65537);
    pending_add(&p, text("0"), (struct span){large, 65537}, 0);
    assert_null(p.items[0].line);
    for (size_t i = 1; i < PENDING_MAX; i++) {
        char id[16];
        snprintf(id, sizeof id, "%zu", i);
        pending_add(&p, text(id), (struct span){large, 65536}, i);
    }
    assert_non_null(p.items[4].line);
    assert_null(p.items[5].line);
    assert_int_equal(p.kept, 4 * 65536);
    assert_true(pending_remove(&p, text("2")));
    pending_add(&p, text("last"), text("{}"), 0);
    assert_non_null(p.items[PENDING_MAX - 1].line);
    pending_finish(&p);
    assert_int_equal(p.count, 0);
    assert_int_equal(p.kept, 0);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_may_spell_the_id_in_its_own_way),
        cmocka_unit_test(a_request_stays_until_its_own_id_is_answered),
        cmocka_unit_test(lines_are_kept_while_there_is_room_and_ids_always),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
