/* test_daemon_table.c - pool/daemon_table.c: no empty cell, and docs/STATES.md shows the same. */
#include "base/str.h"
#include "platform/dirs.h"
#include "pool/slot.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void every_state_answers_every_event(void **state)
{
    (void)state;
    for (int s = 0; s < DAEMON_STATE_COUNT; s++)
        for (int e = 0; e < SLOT_EVENT_COUNT; e++) {
            slot_action *action = slot_action_for((enum daemon_state)s, (enum slot_event_kind)e);
            if (!action)
                fail_msg("no action: %s x %s", daemon_state_word((enum daemon_state)s),
                         slot_event_word((enum slot_event_kind)e));
            assert_string_not_equal(slot_action_word(action), "?");
        }
}

static void the_end_of_a_living_daemon_is_never_ignored(void **state)
{
    (void)state;
    static const enum daemon_state living[] = {DAEMON_STARTING, DAEMON_READY, DAEMON_BUSY,
                                               DAEMON_DRAINING, DAEMON_STOPPING};
    for (size_t i = 0; i < sizeof living / sizeof *living; i++) {
        assert_ptr_not_equal(slot_action_for(living[i], SLOT_EXITED), slot_do_nop);
        assert_ptr_not_equal(slot_action_for(living[i], SLOT_LOST), slot_do_nop);
    }
    for (int s = 0; s < DAEMON_STATE_COUNT; s++)
        assert_ptr_not_equal(slot_action_for((enum daemon_state)s, SLOT_WANT), slot_do_nop);
}

/* One row of the table as docs/STATES.md writes it: | event | down | starting | ... | */
static char *row_of(enum slot_event_kind e)
{
    char *row = xasprintf("| %s |", slot_event_word(e));
    for (int s = 0; s < DAEMON_STATE_COUNT; s++) {
        const char *word = slot_action_word(slot_action_for((enum daemon_state)s, e));
        char *longer = xasprintf("%s %s |", row, strcmp(word, "nop") == 0 ? "-" : word);
        free(row);
        row = longer;
    }
    return row;
}

static void the_document_shows_the_same_table(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n = 0;
    struct err err = {0};
    assert_true(dirs_read_file(TESTS_DIR "/../docs/STATES.md", 65536, &text, &n, &err));
    for (int e = 0; e < SLOT_EVENT_COUNT; e++) {
        char *row = row_of((enum slot_event_kind)e);
        if (!strstr(text, row))
            fail_msg("docs/STATES.md lacks this row:\n%s", row);
        free(row);
    }
    free(text);
}

static void the_document_explains_every_action(void **state)
{
    (void)state;
    static const char *const names[] = {
#define X(name) #name,
        SLOT_ACTIONS(X)
#undef X
    };
    char *text = NULL;
    size_t n = 0;
    struct err err = {0};
    assert_true(dirs_read_file(TESTS_DIR "/../docs/STATES.md", 65536, &text, &n, &err));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *start = xasprintf("**%s**", names[i]);
        if (!strstr(text, start) && strcmp(names[i], "nop") != 0)
            fail_msg("docs/STATES.md does not explain %s", names[i]);
        free(start);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_answers_every_event),
        cmocka_unit_test(the_end_of_a_living_daemon_is_never_ignored),
        cmocka_unit_test(the_document_shows_the_same_table),
        cmocka_unit_test(the_document_explains_every_action),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
