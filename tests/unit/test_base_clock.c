/* tests/unit/test_base_clock.c - clocks and their text. */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <time.h>

static void a_moment_is_written_in_utc_with_milliseconds(void **state)
{
    (void)state;
    char out[CLOCK_TEXT_SIZE];
    assert_string_equal(clock_text(0, out), "1970-01-01T00:00:00.000Z");
    assert_string_equal(clock_text(1769860800007, out), "2026-01-31T12:00:00.007Z");
    assert_ptr_equal(clock_text(1, out), out);
}

static void the_wall_clock_counts_from_1970(void **state)
{
    (void)state;
    int64_t before_s = (int64_t)time(NULL), now_ms = clock_unix_ms();
    assert_in_range(now_ms, (before_s - 1) * 1000, (before_s + 60) * 1000);
}

static void the_monotonic_clock_never_goes_back(void **state)
{
    (void)state;
    int64_t start_ms = clock_ms(), last_ms = start_ms;
    while (last_ms < start_ms + 5) { /* and it goes on at all */
        int64_t now_ms = clock_ms();
        assert_true(now_ms >= last_ms);
        last_ms = now_ms;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moment_is_written_in_utc_with_milliseconds),
        cmocka_unit_test(the_wall_clock_counts_from_1970),
        cmocka_unit_test(the_monotonic_clock_never_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
