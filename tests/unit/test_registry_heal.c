/* tests/unit/test_registry_heal.c - a registry that cannot be opened, is damaged, or is taken away
 * while it is open: what it says of itself, and how it comes back under the same handle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "tests/unit/registry_fixture.h"

#include <unistd.h>

#define SCRATCH_TEST(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

static struct registry *opened_anyhow(void)
{
    struct registry *r = NULL;
    char *damaged = NULL;
    struct err err = {0};
    if (!registry_open_anyhow(file(), &r, &damaged, &err))
        fail_msg("%s", err_text(&err));
    assert_null(damaged);
    return r;
}

static void heals(struct registry *r, bool is_damaged)
{
    char *damaged = NULL;
    struct err err = {0};
    if (!registry_heal(r, &damaged, &err))
        fail_msg("%s", err_text(&err));
    assert_int_equal(damaged != NULL, is_damaged);
    free(damaged);
}

static void a_sound_one_has_no_problem_and_nothing_to_heal(void **state)
{
    (void)state;
    struct registry *r = opened_anyhow();
    assert_null(registry_problem(r));
    assert_false(registry_is_absent(r));
    assert_true(put_project(r, 1, NULL));
    heals(r, false);
    assert_int_equal(projects_in(r), 1);
    registry_close(r);
}

static void one_that_cannot_be_opened_comes_back_with_all_it_had(void **state)
{
    (void)state;
    struct err err = {0};
    char *damaged = NULL, *kept = xstrdup(scratch_path("kept"));
    make_registry(3);
    assert_int_equal(rename(file(), kept), 0);
    assert_int_equal(mkdir(file(), 0700), 0); /* in its place, something that is no file */
    struct registry *r = opened_anyhow();
    assert_true(registry_is_absent(r));
    assert_non_null(strstr(registry_problem(r), "registry.db"));
    assert_false(put_project(r, 9, &err));
    assert_int_equal(err.code, ERR_REGISTRY);
    assert_false(registry_begin(r, NULL));
    registry_tick(r, INT64_MAX);
    assert_false(registry_heal(r, &damaged, NULL));
    assert_int_equal(rmdir(file()), 0);
    assert_int_equal(rename(kept, file()), 0);
    free(kept);
    heals(r, false);
    assert_int_equal(projects_in(r), 3);
    assert_non_null(registry_problem(r)); /* until it is known to take rows */
    assert_true(put_project(r, 9, NULL));
    assert_null(registry_problem(r));
    registry_close(r);
}

static void one_that_never_came_can_be_closed(void **state)
{
    (void)state;
    assert_int_equal(mkdir(file(), 0700), 0);
    registry_close(opened_anyhow());
}

static void a_newer_schema_stays_a_refusal(void **state)
{
    (void)state;
    struct registry *r = NULL;
    char *damaged = NULL, version[4] = {0, 0, 0, 99};
    struct err err = {0};
    make_registry(1);
    write_at(file(), 60, version, sizeof version); /* user_version in the header */
    assert_false(registry_open_anyhow(file(), &r, &damaged, &err));
    assert_int_equal(err.code, ERR_REGISTRY);
    assert_non_null(strstr(err.text, "version 99"));
    assert_null(r);
}

static void a_removed_file_is_noticed_at_the_next_change_and_begun_anew(void **state)
{
    (void)state;
    make_registry(2);
    struct registry *r = opened_anyhow();
    assert_int_equal(unlink(file()), 0);
    assert_false(put_project(r, 5, NULL));
    assert_non_null(strstr(registry_problem(r), "removed"));
    unlink(scratch_path("registry.db-wal"));
    heals(r, false);
    assert_int_equal(projects_in(r), 0);
    assert_true(put_project(r, 5, NULL));
    assert_null(registry_problem(r));
    registry_close(r);
    r = opened(NULL);
    assert_int_equal(projects_in(r), 1);
    registry_close(r);
}

static void a_replaced_file_is_taken_as_it_is_and_not_written_into(void **state)
{
    (void)state;
    char *other = xstrdup(scratch_path("other"));
    make_registry(7);
    assert_int_equal(rename(file(), other), 0);
    make_registry(2);
    struct registry *r = opened_anyhow();
    assert_true(put_project(r, 100, NULL)); /* lies in the -wal */
    assert_int_equal(rename(other, file()), 0);
    free(other);
    assert_false(put_project(r, 101, NULL));
    unlink(scratch_path("registry.db-wal"));
    heals(r, false);
    assert_int_equal(projects_in(r), 7);
    registry_close(r);
}

static void damage_at_run_time_is_put_aside_under_the_same_handle(void **state)
{
    (void)state;
    char noise[4096];
    int n = 0;
    make_registry(2000); /* more than the page cache holds */
    struct registry *r = opened_anyhow();
    memset(noise, 0xa5, sizeof noise);
    for (long at = 4096; at + 4096 <= size_of(file()); at += 4096)
        write_at(file(), at, noise, sizeof noise);
    assert_false(registry_projects(r, count_one, &n, NULL));
    assert_non_null(strstr(registry_problem(r), "damaged"));
    heals(r, true);
    assert_int_equal(projects_in(r), 0);
    assert_true(put_project(r, 1, NULL));
    assert_null(registry_problem(r));
    registry_close(r);
}

static void a_row_that_breaks_a_rule_is_no_problem_but_one_without_its_project_is(void **state)
{
    (void)state;
    struct registry *r = opened_anyhow();
    assert_true(put_project(r, 1, NULL));
    assert_true(registry_lease_put(r, 21000, "project-1", "a", NULL));
    assert_false(registry_lease_put(r, 21000, "project-1", "b", NULL));
    assert_null(registry_problem(r));
    assert_false(registry_lease_put(r, 21001, "project-2", "a", NULL));
    assert_non_null(registry_problem(r));
    assert_true(put_project(r, 2, NULL));
    assert_true(registry_lease_put(r, 21001, "project-2", "a", NULL));
    assert_null(registry_problem(r));
    registry_close(r);
}

static void no_registry_at_all_says_so(void **state)
{
    (void)state;
    char *damaged = NULL;
    assert_true(registry_is_absent(NULL));
    assert_non_null(registry_problem(NULL));
    assert_false(registry_heal(NULL, &damaged, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(a_sound_one_has_no_problem_and_nothing_to_heal),
        SCRATCH_TEST(one_that_cannot_be_opened_comes_back_with_all_it_had),
        SCRATCH_TEST(one_that_never_came_can_be_closed),
        SCRATCH_TEST(a_newer_schema_stays_a_refusal),
        SCRATCH_TEST(a_removed_file_is_noticed_at_the_next_change_and_begun_anew),
        SCRATCH_TEST(a_replaced_file_is_taken_as_it_is_and_not_written_into),
        SCRATCH_TEST(damage_at_run_time_is_put_aside_under_the_same_handle),
        SCRATCH_TEST(a_row_that_breaks_a_rule_is_no_problem_but_one_without_its_project_is),
        SCRATCH_TEST(no_registry_at_all_says_so),
    };
    return cmocka_run_group_tests_name("registry heal", tests, NULL, NULL);
}
