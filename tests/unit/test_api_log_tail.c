/* tests/unit/test_api_log_tail.c - the end of a log, across its rotation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "scratch.h"

#include "api/log_tail.h"
#include "base/buf.h"

static void put(const char *name, const char *mode, const char *text)
{
    FILE *f = fopen(scratch_path(name), mode);
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* All that can be read now. Borrowed, static. */
static const char *rest(struct log_tail *t)
{
    static char text[4096];
    size_t n = 0, more;
    while ((more = log_tail_read(t, text + n, 3)) > 0) /* small pieces: nothing may get lost */
        n += more;
    text[n] = '\0';
    return text;
}

static const char *last_lines(int64_t lines)
{
    struct log_tail *t = log_tail_open(scratch_path("log"), lines);
    const char *text = rest(t);
    log_tail_close(t);
    return text;
}

static void the_last_lines_are_given(void **state)
{
    (void)state;
    put("log", "w", "one\ntwo\nthree\n");
    assert_string_equal(last_lines(2), "two\nthree\n");
    assert_string_equal(last_lines(3), "one\ntwo\nthree\n");
    assert_string_equal(last_lines(9), "one\ntwo\nthree\n");
    assert_string_equal(last_lines(0), "");
}

static void a_last_line_without_end_counts(void **state)
{
    (void)state;
    put("log", "w", "one\ntwo\nthr");
    assert_string_equal(last_lines(1), "thr");
    assert_string_equal(last_lines(2), "two\nthr");
}

static void missing_lines_come_from_the_rotated_file(void **state)
{
    (void)state;
    put("log.1", "w", "old one\nold two\n");
    put("log", "w", "new\n");
    assert_string_equal(last_lines(1), "new\n");
    assert_string_equal(last_lines(2), "old two\nnew\n");
    assert_string_equal(last_lines(3), "old one\nold two\nnew\n");
    assert_string_equal(last_lines(9), "old one\nold two\nnew\n");
}

static void a_log_that_is_not_there_is_empty_and_may_come(void **state)
{
    (void)state;
    struct log_tail *t = log_tail_open(scratch_path("log"), 10);
    assert_string_equal(rest(t), "");
    put("log", "w", "first\n");
    assert_string_equal(rest(t), "first\n");
    log_tail_close(t);
}

static void what_is_added_follows_also_across_rotations(void **state)
{
    (void)state;
    char old[256];
    put("log", "w", "one\n");
    struct log_tail *t = log_tail_open(scratch_path("log"), 10);
    assert_string_equal(rest(t), "one\n");
    put("log", "a", "two\n");
    assert_string_equal(rest(t), "two\n");
    put("log", "a", "three\n");
    snprintf(old, sizeof old, "%s", scratch_path("log.1"));
    assert_int_equal(rename(scratch_path("log"), old), 0);
    put("log", "w", "four\n");
    assert_string_equal(rest(t), "three\nfour\n");
    put("log", "a", "five\n");
    assert_string_equal(rest(t), "five\n");
    put("log", "w", "6\n"); /* emptied in place, and shorter than before */
    assert_string_equal(rest(t), "6\n");
    log_tail_close(t);
}

static void lines_longer_than_a_block_are_whole(void **state)
{
    (void)state;
    FILE *f = fopen(scratch_path("log"), "w");
    assert_non_null(f);
    for (int line = 0; line < 3; line++) {
        for (int i = 0; i < 40000; i++)
            fputc('a' + line, f);
        fputc('\n', f);
    }
    assert_int_equal(fclose(f), 0);
    struct log_tail *t = log_tail_open(scratch_path("log"), 2);
    struct buf all = BUF_INIT(1 << 20);
    char block[1000];
    for (size_t n; (n = log_tail_read(t, block, sizeof block)) > 0;)
        assert_true(buf_add(&all, block, n));
    assert_int_equal(all.len, 80002);
    assert_int_equal(all.data[0], 'b');
    buf_release(&all);
    log_tail_close(t);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(the_last_lines_are_given),
        IN_SCRATCH(a_last_line_without_end_counts),
        IN_SCRATCH(missing_lines_come_from_the_rotated_file),
        IN_SCRATCH(a_log_that_is_not_there_is_empty_and_may_come),
        IN_SCRATCH(what_is_added_follows_also_across_rotations),
        IN_SCRATCH(lines_longer_than_a_block_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
