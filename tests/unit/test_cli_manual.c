/* tests/unit/test_cli_manual.c - what is printed from poolctl's tables is what is checked in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "base/str.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/problem.h"
#include "platform/dirs.h"

#include <stdlib.h>
#include <string.h>

typedef void print_fn(FILE *out);

static void assert_file_is_printed(const char *file, print_fn *print, const char *remedy)
{
    char *path = xasprintf("%s/../%s", TESTS_DIR, file), *want = NULL, *got = NULL;
    struct err err = {0};
    size_t n;
    if (!dirs_read_file(path, 1 << 20, &want, NULL, &err))
        fail_msg("%s", err.text);
    FILE *out = open_memstream(&got, &n);
    assert_non_null(out);
    print(out);
    fclose(out);
    if (strcmp(got, want) != 0)
        fail_msg("%s is not what the tables say; print it anew: %s > %s", file, remedy, file);
    free(path);
    free(want);
    free(got);
}

static void the_manual_is_what_the_tables_say(void **state)
{
    (void)state;
    assert_file_is_printed("docs/poolctl.md", help_print_manual, "poolctl help --markdown");
}

static void the_completions_are_what_the_tables_say(void **state)
{
    (void)state;
    assert_file_is_printed("etc/completions/poolctl.bash", help_print_bash, "poolctl help --bash");
    assert_file_is_printed("etc/completions/_poolctl", help_print_zsh, "poolctl help --zsh");
}

static void every_command_and_option_says_what_it_is(void **state)
{
    (void)state;
    for (const struct cmd *const *c = commands; *c; c++) {
        assert_true(strlen((*c)->summary) > 10 && strlen((*c)->summary) <= 80);
        assert_false(str_ends((*c)->summary, "."));
        assert_true(str_ends((*c)->text, "."));
        assert_true(!(*c)->max_args == !*(*c)->args);
        assert_non_null((*c)->run);
        for (const struct opt *o = (*c)->options; o && o->name; o++) {
            assert_true(str_ends(o->help, "."));
            assert_true((o->kind == OPT_FLAG) == !o->value);
        }
    }
}

static void remedies_name_the_project_that_was_meant(void **state)
{
    (void)state;
    char *remedy = problem_remedy(ERR_DEGRADED, "-s x ~/a");
    assert_string_equal(remedy, "poolctl logs -s x ~/a; then poolctl restart -s x ~/a");
    free(remedy);
    assert_null(problem_remedy(ERR_OK, "."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manual_is_what_the_tables_say),
        cmocka_unit_test(the_completions_are_what_the_tables_say),
        cmocka_unit_test(every_command_and_option_says_what_it_is),
        cmocka_unit_test(remedies_name_the_project_that_was_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
