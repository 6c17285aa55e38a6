/* test_evict.c - pool/evict.c: who goes, in which order, and when. */
#include "pool/evict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const struct evict_view idle = {.state = DAEMON_READY, .may_evict = true, .used_ms = 1000};

static struct evict_view used_at(int64_t used_ms)
{
    struct evict_view view = idle;
    view.used_ms = used_ms;
    return view;
}

static void the_least_recently_used_one_goes_first(void **state)
{
    (void)state;
    const struct evict_view views[] = {used_at(30), used_at(10), used_at(20)};
    assert_int_equal(evict_first(views, 3), 1);
    assert_int_equal(evict_first(views, 1), 0);
}

static void nobody_goes_when_nobody_may(void **state)
{
    (void)state;
    struct evict_view views[6];
    for (int i = 0; i < 6; i++)
        views[i] = used_at(i);
    views[0].in_flight = 1;
    views[1].is_pinned = true;
    views[2].is_held = true;
    views[3].may_evict = false;
    views[4].is_warming = true;
    views[5].state = DAEMON_STARTING;
    assert_true(evict_first(views, 6) == SIZE_MAX);
    assert_true(evict_first(views, 0) == SIZE_MAX);
    views[2].is_held = false;
    assert_int_equal(evict_first(views, 6), 2);
}

static void a_busy_one_never_goes_however_old_its_last_use(void **state)
{
    (void)state;
    struct evict_view views[] = {used_at(1), used_at(500)};
    views[0].in_flight = 2;
    assert_int_equal(evict_first(views, 2), 1);
    views[0].in_flight = 0;
    views[0].state = DAEMON_BUSY;
    assert_int_equal(evict_first(views, 2), 1);
}

static void the_idle_time_runs_from_the_end_of_work(void **state)
{
    (void)state;
    const char *why = "unset";
    struct evict_view view = used_at(1000);
    assert_int_equal(evict_in_ms(&view, 500, 1100, &why), 400);
    assert_null(why);
    assert_int_equal(evict_in_ms(&view, 500, 1500, &why), 0);
    assert_int_equal(evict_in_ms(&view, 500, 9999, NULL), 0);
}

static void a_spare_goes_before_all_others(void **state)
{
    (void)state;
    struct evict_view views[] = {used_at(1), used_at(30), used_at(20)};
    views[1].is_spare = views[2].is_spare = true;
    assert_int_equal(evict_first(views, 3), 2);
    views[2].is_pinned = true;
    assert_int_equal(evict_first(views, 3), 1);
    views[1].is_pinned = true;
    assert_int_equal(evict_first(views, 3), 0);
}

static void why_it_stays_is_said(void **state)
{
    (void)state;
    const char *why;
    struct evict_view view = idle;
    assert_int_equal(evict_in_ms(&view, 0, 9999, &why), -1);
    assert_string_equal(why, "never (idleSeconds 0)");
    view.is_held = true;
    assert_int_equal(evict_in_ms(&view, 1, 9999, &why), -1);
    assert_string_equal(why, "held by a subscription");
    view.in_flight = 1;
    assert_int_equal(evict_in_ms(&view, 1, 9999, &why), -1);
    assert_string_equal(why, "busy");
    view.is_pinned = true;
    assert_int_equal(evict_in_ms(&view, 1, 9999, &why), -1);
    assert_string_equal(why, "pinned");
    view.may_evict = false;
    assert_int_equal(evict_in_ms(&view, 1, 9999, &why), -1);
    assert_string_equal(why, "evict is false");
    view.state = DAEMON_DOWN;
    assert_int_equal(evict_in_ms(&view, 1, 9999, &why), -1);
    assert_string_equal(why, "down");
}

static void a_subscription_is_looked_at_again_in_the_idle_time_but_never_at_once(void **state)
{
    (void)state;
    assert_int_equal(evict_look_in_ms(1000), 1000);
    assert_int_equal(evict_look_in_ms(1800000), 30000);
    assert_int_equal(evict_look_in_ms(0), 30000); /* no idle time: the loop must not spin */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_recently_used_one_goes_first),
        cmocka_unit_test(nobody_goes_when_nobody_may),
        cmocka_unit_test(a_busy_one_never_goes_however_old_its_last_use),
        cmocka_unit_test(the_idle_time_runs_from_the_end_of_work),
        cmocka_unit_test(a_spare_goes_before_all_others),
        cmocka_unit_test(why_it_stays_is_said),
        cmocka_unit_test(a_subscription_is_looked_at_again_in_the_idle_time_but_never_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
