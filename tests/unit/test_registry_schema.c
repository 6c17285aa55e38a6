/* tests/unit/test_registry_schema.c - the tables explain themselves; versions up and too new. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "registry/schema.h"
#include "tests/unit/registry_fixture.h"

#include <sqlite3.h>

struct text {
    char last[400];
    int rows;
};

static int last_text(void *arg, int columns, char **values, char **names)
{
    (void)columns;
    (void)names;
    struct text *text = arg;
    text->rows++;
    snprintf(text->last, sizeof text->last, "%s", values[0] ? values[0] : "");
    return 0;
}

static void every_table_is_strict_and_explains_itself(void **state)
{
    (void)state;
    struct text bad = {0}, all = {0};
    sqlite3 *db;
    make_registry(0);
    assert_int_equal(sqlite3_open(scratch_path("registry.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "SELECT name FROM sqlite_schema WHERE type = 'table' AND name "
                                  "NOT LIKE 'sqlite_%' AND (sql NOT LIKE '%STRICT' OR sql NOT "
                                  "LIKE '%(' || char(10) || '    -- %')",
                                  last_text, &bad, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "SELECT name FROM sqlite_schema WHERE type = 'table' AND name "
                                  "NOT LIKE 'sqlite_%'",
                                  last_text, &all, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    assert_string_equal(bad.last, "");
    assert_true(all.rows >= 5);
}

static sqlite3 *database_of_version(const char *file, int version)
{
    int count, code;
    struct err err = {0};
    sqlite3 *db;
    const char *const *const *steps = schema_steps(&count);
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    if (version > 0 && !schema_migrate(db, steps, version, &code, &err))
        fail_msg("%s", err.text);
    return db;
}

static void every_earlier_version_is_brought_up_to_date(void **state)
{
    (void)state;
    for (int version = 0; version <= registry_schema_version(); version++) {
        char name[32];
        int found = -1;
        snprintf(name, sizeof name, "version-%d.db", version);
        const char *file = scratch_path(name);
        sqlite3_close(database_of_version(file, version));
        struct registry *r = NULL;
        char *damaged = NULL;
        assert_true(registry_open(file, &r, &damaged, NULL));
        assert_null(damaged);
        assert_int_equal(projects_in(r), 0);
        registry_close(r);
        sqlite3 *db;
        assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
        assert_true(schema_read_version(db, &found));
        sqlite3_close(db);
        assert_int_equal(found, registry_schema_version());
    }
}

static void count_session(void *arg, const struct session_row *row)
{
    assert_string_equal(row->id, "s1");
    assert_string_equal(row->level, "");
    assert_string_equal(row->subscriptions, "");
    ++*(int *)arg;
}

static void the_rows_of_the_first_version_stay_and_new_columns_are_empty(void **state)
{
    (void)state;
    sqlite3 *db = database_of_version(file(), 1);
    assert_int_equal(
        sqlite3_exec(db,
                     "INSERT INTO project VALUES ('a-1', '/a', 1, 5, 6);"
                     "INSERT INTO session VALUES ('s1', 'a-1', 'serena', '2025-06-18', 'tester',"
                     " '{}', '', '', 'http', 5, 6, 0)",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    struct registry *r = opened(NULL);
    int sessions = 0;
    assert_int_equal(projects_in(r), 1);
    assert_true(registry_sessions(r, count_session, &sessions, NULL));
    assert_int_equal(sessions, 1);
    registry_close(r);
}

static void a_migration_is_all_or_nothing(void **state)
{
    (void)state;
    int count, code = 0, version = -1;
    struct err err = {0};
    const char *const *const *real = schema_steps(&count);
    static const char *const good[] = {"CREATE TABLE extra (a INTEGER) STRICT", NULL};
    static const char *const broken[] = {"CREATE TABLE another (a INTEGER) STRICT",
                                         "CREATE TABLE extra (b TEXT) STRICT", NULL};
    const char *const *const steps[] = {real[0], good, broken};
    sqlite3 *db = database_of_version(scratch_path("m.db"), 0);
    assert_true(schema_migrate(db, steps, 2, &code, &err));
    assert_false(schema_migrate(db, steps, 3, &code, &err));
    assert_int_equal(err.code, ERR_REGISTRY);
    assert_true(schema_read_version(db, &version));
    assert_int_equal(version, 2);
    assert_int_not_equal(sqlite3_exec(db, "SELECT 1 FROM another", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "SELECT a FROM extra", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_newer_schema_is_refused_and_left_alone(void **state)
{
    (void)state;
    struct registry *r = NULL;
    char *damaged = NULL, words[64];
    struct err err = {0};
    sqlite3 *db = database_of_version(scratch_path("new.db"), registry_schema_version());
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 999", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_false(registry_open(scratch_path("new.db"), &r, &damaged, &err));
    assert_int_equal(err.code, ERR_REGISTRY);
    snprintf(words, sizeof words, "version 999, this poold knows versions up to %d",
             registry_schema_version());
    assert_non_null(strstr(err.text, words));
    assert_null(damaged);
    err_clear(&err);
    assert_false(registry_open_readonly(scratch_path("new.db"), &r, &err));
    assert_non_null(strstr(err.text, words));
    assert_int_equal(scratch_count("new.db", NULL, 0), 1);
}

static void a_database_of_another_program_is_refused_and_left_alone(void **state)
{
    (void)state;
    struct registry *r = NULL;
    char *damaged = NULL;
    struct err err = {0};
    sqlite3 *db;
    assert_int_equal(sqlite3_open(scratch_path("other.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE songs (a)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_false(registry_open(scratch_path("other.db"), &r, &damaged, &err));
    assert_non_null(strstr(err.text, "another program"));
    assert_int_equal(scratch_count("other.db", NULL, 0), 1);
}

#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(every_table_is_strict_and_explains_itself),
        SCRATCH_TEST(every_earlier_version_is_brought_up_to_date),
        SCRATCH_TEST(the_rows_of_the_first_version_stay_and_new_columns_are_empty),
        SCRATCH_TEST(a_migration_is_all_or_nothing),
        SCRATCH_TEST(a_newer_schema_is_refused_and_left_alone),
        SCRATCH_TEST(a_database_of_another_program_is_refused_and_left_alone),
    };
    return cmocka_run_group_tests_name("registry schema", tests, NULL, NULL);
}
