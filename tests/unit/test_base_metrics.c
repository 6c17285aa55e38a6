/* tests/unit/test_base_metrics.c - histograms and Prometheus' text format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "base/metrics.h"

static const int64_t bounds_us[] = {100, 1000, 2500000, 0};

static void a_value_counts_in_the_first_bucket_that_holds_it(void **state)
{
    (void)state;
    struct histogram h = {.bounds_us = bounds_us};
    static const int64_t values[] = {0, 100, 101, 2500000, 2500001, -5};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        histogram_add(&h, values[i]);
    assert_int_equal(h.counts[0], 3); /* 0, 100, and a clock that went back */
    assert_int_equal(h.counts[1], 1);
    assert_int_equal(h.counts[2], 1);
    assert_int_equal(h.counts[3], 1);
    assert_int_equal(h.sum_us, 5000202);
}

static void a_histogram_is_printed_with_rising_sums(void **state)
{
    (void)state;
    struct histogram h = {.bounds_us = bounds_us};
    struct buf out = BUF_INIT(4096);
    histogram_add(&h, 50);
    histogram_add(&h, 500);
    histogram_add(&h, 9000000);
    assert_true(metrics_histogram(&out, "x_seconds", "How long.", &h));
    assert_string_equal(buf_text(&out), "# HELP x_seconds How long.\n"
                                        "# TYPE x_seconds histogram\n"
                                        "x_seconds_bucket{le=\"0.0001\"} 1\n"
                                        "x_seconds_bucket{le=\"0.001\"} 2\n"
                                        "x_seconds_bucket{le=\"2.5\"} 2\n"
                                        "x_seconds_bucket{le=\"+Inf\"} 3\n"
                                        "x_seconds_sum 9.000550\n"
                                        "x_seconds_count 3\n");
    buf_release(&out);
}

static void samples_have_labels_or_none(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    assert_true(metrics_family(&out, "x", "gauge", "An x."));
    assert_true(metrics_value(&out, "x", "a=\"b\"", -7));
    assert_true(metrics_value(&out, "x", "", 8));
    assert_true(metrics_seconds(&out, "x", 1500000));
    assert_string_equal(buf_text(&out),
                        "# HELP x An x.\n# TYPE x gauge\nx{a=\"b\"} -7\nx 8\nx 1.500000\n");
    buf_release(&out);
}

static void values_of_labels_are_escaped(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    assert_true(metrics_label(&out, "a", "plain"));
    assert_true(metrics_label(&out, "b", "q\" s\\ n\n."));
    assert_string_equal(buf_text(&out), "a=\"plain\",b=\"q\\\" s\\\\ n\\n.\"");
    buf_release(&out);
}

static void a_full_buffer_is_said(void **state)
{
    (void)state;
    struct histogram h = {.bounds_us = bounds_us};
    struct buf out = BUF_INIT(60);
    assert_false(metrics_histogram(&out, "x_seconds", "How long.", &h));
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_counts_in_the_first_bucket_that_holds_it),
        cmocka_unit_test(a_histogram_is_printed_with_rising_sums),
        cmocka_unit_test(samples_have_labels_or_none),
        cmocka_unit_test(values_of_labels_are_escaped),
        cmocka_unit_test(a_full_buffer_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
