/* tests/unit/test_registry_damage.c - damaged files are put aside whole, never emptied. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "tests/unit/registry_fixture.h"

#include <regex.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

static void make_garbage(void)
{
    write_at(file(), 0, "this is not a database, it only has its name, and is longer than a header "
                        "would be, so that nobody takes it for an empty one...................",
             140);
}

static void make_truncated(void)
{
    make_registry(200);
    assert_int_equal(truncate(file(), size_of(file()) / 2), 0);
}

static void make_cut_in_header(void)
{
    make_registry(1);
    assert_int_equal(truncate(file(), 50), 0);
}

/* Noise in every second page behind the schema, which is read first. */
static void overwrite_pages(void)
{
    char noise[4096];
    memset(noise, 0xa5, sizeof noise);
    for (long at = size_of(file()) / 8192 * 4096; at + 4096 <= size_of(file()); at += 8192)
        write_at(file(), at, noise, sizeof noise);
}

static void make_page_overwritten(void)
{
    make_registry(200);
    overwrite_pages();
}

/* The same with the WAL of a writer that was killed. */
static void make_page_overwritten_beside_a_wal(void)
{
    make_registry(200);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct registry *r = opened(NULL);
        _exit(put_project(r, 0, NULL) ? 0 : 1); /* without closing it */
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(size_of(scratch_path("registry.db-wal")) > 0);
    overwrite_pages();
}

static void make_table_missing(void)
{
    sqlite3 *db;
    make_registry(1);
    assert_int_equal(sqlite3_open(file(), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DROP TABLE port_lease", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void make_column_missing(void)
{
    sqlite3 *db;
    make_registry(1);
    assert_int_equal(sqlite3_open(file(), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "ALTER TABLE daemon DROP COLUMN pid", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
}

static void make_main_file_gone(void)
{
    make_registry(1);
    assert_int_equal(unlink(file()), 0);
    write_at(scratch_path("registry.db-wal"), 0, "what was only in the WAL", 24);
}

static void make_main_file_emptied(void)
{
    make_main_file_gone();
    write_at(file(), 0, "", 0);
}

/* Every file of the registry is found again beside it, byte for byte in size; a fresh one works. */
static void is_put_aside(void (*make)(void), bool has_main)
{
    static const char *const tails[] = {"-wal", "-shm", "-journal"};
    char *damaged = NULL;
    make();
    long was = size_of(file());
    long wal_was = size_of(scratch_path("registry.db-wal"));
    struct registry *r = opened(&damaged);
    assert_non_null(damaged);
    regex_t name;
    assert_int_equal(regcomp(&name, "/registry\\.db\\.damaged-[0-9]{8}T[0-9]{6}$",
                             REG_EXTENDED | REG_NOSUB),
                     0);
    assert_int_equal(regexec(&name, damaged, 0, NULL, 0), 0);
    regfree(&name);
    if (has_main)
        assert_int_equal(size_of(damaged), was);
    char *wal = xasprintf("%s%s", damaged, tails[0]);
    assert_true(wal_was <= 0 || size_of(wal) == wal_was);
    free(wal);
    free(damaged);
    assert_int_equal(projects_in(r), 0);
    assert_true(put_project(r, 1, NULL));
    registry_close(r);
    r = opened(NULL);
    assert_int_equal(projects_in(r), 1);
    registry_close(r);
}

static void garbage_is_put_aside(void **state)
{
    (void)state;
    is_put_aside(make_garbage, true);
}

static void a_truncated_file_is_put_aside(void **state)
{
    (void)state;
    is_put_aside(make_truncated, true);
}

static void a_file_cut_in_its_header_is_put_aside(void **state)
{
    (void)state;
    is_put_aside(make_cut_in_header, true);
}

static void overwritten_pages_are_put_aside(void **state)
{
    (void)state;
    is_put_aside(make_page_overwritten, true);
}

static void damage_beside_a_wal_keeps_the_wal_as_it_was(void **state)
{
    (void)state;
    is_put_aside(make_page_overwritten_beside_a_wal, true);
}

static void a_file_without_one_of_its_tables_is_put_aside(void **state)
{
    (void)state;
    is_put_aside(make_table_missing, true);
}

static void a_file_without_one_of_its_columns_is_put_aside(void **state)
{
    (void)state;
    is_put_aside(make_column_missing, true);
}

static void a_wal_whose_main_file_is_gone_is_put_aside(void **state)
{
    (void)state;
    is_put_aside(make_main_file_gone, false);
}

static void a_wal_whose_main_file_was_emptied_is_put_aside(void **state)
{
    (void)state;
    is_put_aside(make_main_file_emptied, true);
}

static void two_damages_in_one_second_keep_both_files(void **state)
{
    (void)state;
    char *first, *second;
    make_garbage();
    registry_close(opened(&first));
    assert_int_equal(unlink(file()), 0);
    make_garbage();
    registry_close(opened(&second));
    assert_string_not_equal(first, second);
    assert_int_equal(size_of(first), 140);
    assert_int_equal(size_of(second), 140);
    free(first);
    free(second);
}

static void a_reader_says_that_the_file_is_damaged_and_leaves_it(void **state)
{
    (void)state;
    struct registry *r = NULL;
    struct err err = {0};
    make_garbage();
    assert_false(registry_open_readonly(file(), &r, &err));
    assert_int_equal(err.code, ERR_REGISTRY);
    assert_non_null(strstr(err.text, "not a database"));
    assert_int_equal(size_of(file()), 140);
}

static void damage_while_it_is_open_is_an_error_and_the_next_opening_begins_anew(void **state)
{
    (void)state;
    char noise[4096], *damaged = NULL;
    struct err err = {0};
    make_registry(2000); /* more than the page cache holds */
    struct registry *r = opened(NULL);
    memset(noise, 0xa5, sizeof noise);
    for (long at = 4096; at + 4096 <= size_of(file()); at += 4096)
        write_at(file(), at, noise, sizeof noise);
    int n = 0;
    assert_false(registry_projects(r, count_one, &n, &err));
    assert_int_equal(err.code, ERR_REGISTRY);
    assert_non_null(strstr(err.text, "damaged"));
    assert_true(registry_is_damaged(r));
    err_clear(&err);
    assert_false(put_project(r, 5000, &err)); /* the caller goes on, each call an error */
    assert_int_equal(err.code, ERR_REGISTRY);
    registry_close(r);
    r = opened(&damaged);
    assert_non_null(damaged);
    free(damaged);
    assert_int_equal(projects_in(r), 0);
    registry_close(r);
}

static void what_cannot_be_put_aside_is_an_error_and_nothing_is_lost(void **state)
{
    (void)state;
    struct registry *r = NULL;
    char *damaged = NULL;
    struct err err = {0};
    make_registry(1);
    assert_int_equal(mkdir(scratch_path("dir"), 0700), 0);
    assert_false(registry_open(scratch_path("dir"), &r, &damaged, &err));
    assert_int_equal(err.code, ERR_REGISTRY);
    assert_null(damaged);
    err_clear(&err);
    assert_false(registry_open(scratch_path("no/such/registry.db"), &r, &damaged, &err));
    assert_int_equal(err.code, ERR_REGISTRY);
    assert_non_null(strstr(err.text, "No such file"));
}

static void no_descriptor_is_left_behind(void **state)
{
    (void)state;
    int before = open_descriptors();
    for (int i = 0; i < 10; i++) {
        char *damaged = NULL;
        struct registry *r = opened(&damaged), *reader = NULL;
        assert_true(put_project(r, i, NULL));
        assert_true(registry_open_readonly(file(), &reader, NULL));
        registry_close(reader);
        registry_close(r);
        assert_int_equal(damaged != NULL, i > 0);
        free(damaged);
        make_garbage();
        assert_false(registry_open_readonly(file(), &reader, NULL));
    }
    assert_int_equal(open_descriptors(), before);
}

#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(garbage_is_put_aside),
        SCRATCH_TEST(a_truncated_file_is_put_aside),
        SCRATCH_TEST(a_file_cut_in_its_header_is_put_aside),
        SCRATCH_TEST(overwritten_pages_are_put_aside),
        SCRATCH_TEST(damage_beside_a_wal_keeps_the_wal_as_it_was),
        SCRATCH_TEST(a_file_without_one_of_its_tables_is_put_aside),
        SCRATCH_TEST(a_file_without_one_of_its_columns_is_put_aside),
        SCRATCH_TEST(a_wal_whose_main_file_is_gone_is_put_aside),
        SCRATCH_TEST(a_wal_whose_main_file_was_emptied_is_put_aside),
        SCRATCH_TEST(two_damages_in_one_second_keep_both_files),
        SCRATCH_TEST(a_reader_says_that_the_file_is_damaged_and_leaves_it),
        SCRATCH_TEST(damage_while_it_is_open_is_an_error_and_the_next_opening_begins_anew),
        SCRATCH_TEST(what_cannot_be_put_aside_is_an_error_and_nothing_is_lost),
        SCRATCH_TEST(no_descriptor_is_left_behind),
    };
    return cmocka_run_group_tests_name("registry damage", tests, NULL, NULL);
}
