/* tests/unit/test_log_limit.c - which logs go when all of them together are too big. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "pool/log_limit.h"
#include "tests/unit/scratch.h"

#include <fcntl.h>
#include <sys/stat.h>

/* A file of that many bytes, last changed so many seconds after 1970. */
static void put(const char *name, size_t bytes, time_t changed)
{
    int fd = open(scratch_path(name), O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    assert_int_equal(futimens(fd, (struct timespec[]){{.tv_sec = changed}, {.tv_sec = changed}}),
                     0);
    close(fd);
}

static bool is_there(const char *name)
{
    return access(scratch_path(name), F_OK) == 0;
}

static bool lives(void *arg, const char *path)
{
    (void)arg;
    return str_ends(path, "/living.log");
}

static void below_the_limit_nothing_goes(void **state)
{
    (void)state;
    put("a.log", 500, 1);
    put("a.log.1", 500, 1);
    assert_int_equal(log_limit_apply(scratch, 1000, lives, NULL), 0);
    assert_true(is_there("a.log") && is_there("a.log.1"));
}

static void the_oldest_goes_first_and_no_more_than_must(void **state)
{
    (void)state;
    put("new.log", 400, 30);
    put("old.log", 300, 10);
    put("middle.log.1", 300, 20);
    assert_int_equal(log_limit_apply(scratch, 700, lives, NULL), 300);
    assert_false(is_there("old.log"));
    assert_true(is_there("middle.log.1") && is_there("new.log"));
}

static void a_log_that_is_written_stays_and_its_old_copy_goes_last(void **state)
{
    (void)state;
    put("living.log", 900, 1);
    put("living.log.1", 900, 2);
    put("down.log", 900, 3);
    assert_int_equal(log_limit_apply(scratch, 1800, lives, NULL), 900);
    assert_true(is_there("living.log.1"));
    assert_false(is_there("down.log"));
    assert_int_equal(log_limit_apply(scratch, 100, lives, NULL), 900);
    assert_true(is_there("living.log"));
    assert_false(is_there("living.log.1"));
}

static void what_is_no_log_is_neither_counted_nor_removed(void **state)
{
    (void)state;
    put("notes.txt", 5000, 1);
    put("x.log.2", 5000, 1);
    put("a.log", 10, 2);
    assert_int_equal(mkdir(scratch_path("d.log"), 0700), 0);
    assert_int_equal(symlink("notes.txt", scratch_path("link.log")), 0);
    assert_int_equal(log_limit_apply(scratch, 100, lives, NULL), 0);
    assert_int_equal(log_limit_apply(scratch, 0, lives, NULL), 10);
    assert_true(is_there("notes.txt") && is_there("x.log.2") && is_there("link.log"));
}

static void without_the_folder_there_is_nothing_to_do(void **state)
{
    (void)state;
    assert_int_equal(log_limit_apply(scratch_path("none"), 0, lives, NULL), 0);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(below_the_limit_nothing_goes),
        IN_SCRATCH(the_oldest_goes_first_and_no_more_than_must),
        IN_SCRATCH(a_log_that_is_written_stays_and_its_old_copy_goes_last),
        IN_SCRATCH(what_is_no_log_is_neither_counted_nor_removed),
        IN_SCRATCH(without_the_folder_there_is_nothing_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
