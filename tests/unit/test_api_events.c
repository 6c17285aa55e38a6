/* tests/unit/test_api_events.c - the ring of events: bounds, ids, and where a reader begins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "api/events.h"

#include <stdio.h>
#include <string.h>

#define EPOCH 1700000000123

static struct api api = {.host = {.started_unix_ms = EPOCH}};
static struct events *events;

static int setup(void **state)
{
    (void)state;
    events = events_new(&api);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    events_free(events);
    return 0;
}

static void tell(int count)
{
    for (int i = 0; i < count; i++)
        events_forget(events, "/home/somebody/repo", "repo-abc");
}

/* Where a reader that saw number last goes on; 0: it is told to list again. */
static int64_t after(int64_t number)
{
    char id[64];
    int64_t next;
    snprintf(id, sizeof id, "%lld-%lld", (long long)EPOCH, (long long)number);
    return events_position(events, id, &next) ? next : 0;
}

static void a_reader_without_an_id_begins_with_what_follows(void **state)
{
    (void)state;
    int64_t next;
    assert_true(events_position(events, NULL, &next));
    assert_int_equal(next, 1);
    tell(3);
    assert_true(events_position(events, NULL, &next));
    assert_int_equal(next, 4);
}

static void a_reader_goes_on_behind_its_last_event(void **state)
{
    (void)state;
    assert_int_equal(after(0), 1); /* it came before the first event */
    tell(5);
    assert_int_equal(after(0), 1);
    assert_int_equal(after(3), 4);
    assert_int_equal(after(5), 6); /* it has seen all */
    assert_int_equal(after(6), 0); /* never issued */
}

static void ids_that_are_not_ours_are_unknown(void **state)
{
    (void)state;
    static const char *const ids[] = {"",  "1", "1700000000123", "1700000000123-",
                                      "-", "x", "1700000000122-1", "1700000000123-1x",
                                      "1700000000123--1", "1700000000123-9999999999999999999",
                                      "01700000000123-1"};
    tell(5);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        int64_t next = 0;
        if (events_position(events, ids[i], &next))
            fail_msg("\"%s\" is known", ids[i]);
        assert_int_equal(next, 6);
    }
}

static void the_ring_holds_so_many_and_the_oldest_go(void **state)
{
    (void)state;
    tell(EVENTS_MAX);
    assert_int_equal(events_count(events), EVENTS_MAX);
    assert_int_equal(after(0), 1);
    tell(1);
    assert_int_equal(events_count(events), EVENTS_MAX);
    assert_int_equal(after(0), 0);
    assert_int_equal(after(1), 2);
}

static void the_ring_holds_so_many_bytes_too(void **state)
{
    (void)state;
    char root[8000];
    memset(root, 'x', sizeof root - 1);
    root[0] = '/';
    root[sizeof root - 1] = '\0';
    for (int i = 0; i < 200; i++) {
        events_forget(events, root, "repo-abc");
        assert_true(events_bytes(events) <= EVENTS_BYTES);
    }
    assert_true(events_count(events) > 20 && events_count(events) < 40);
    assert_int_equal(after(200), 201);
    assert_int_equal(after(1), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_reader_without_an_id_begins_with_what_follows),
        T(a_reader_goes_on_behind_its_last_event),
        T(ids_that_are_not_ours_are_unknown),
        T(the_ring_holds_so_many_and_the_oldest_go),
        T(the_ring_holds_so_many_bytes_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
