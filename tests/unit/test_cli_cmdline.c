/* tests/unit/test_cli_cmdline.c - the command line by the tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "cli/cmdline.h"
#include "cli/commands.h"

#include <string.h>

#define ARGS_MAX 16

/* Parse "poolctl " + words, split at blanks. */
static bool parse(const char *words, struct cli *cli, struct err *err)
{
    static char line[512];
    char *argv[ARGS_MAX] = {"poolctl"}, *save = NULL;
    int argc = 1;
    snprintf(line, sizeof line, "%s", words);
    for (char *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    *cli = (struct cli){0};
    *err = (struct err){0};
    return cmdline_parse(argc, argv, commands, cli, err);
}

static void assert_refused(const char *words, const char *text)
{
    struct cli cli;
    struct err err;
    assert_false(parse(words, &cli, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_string_equal(err.text, text);
    cli_finish(&cli);
}

static void options_stand_before_and_after_the_command(void **state)
{
    (void)state;
    struct cli cli;
    struct err err;
    assert_true(parse("--run-dir /r ensure --json /p --timeout=7", &cli, &err));
    assert_string_equal(cli.cmd->name, "ensure");
    assert_string_equal(cli_text(&cli, "run-dir"), "/r");
    assert_int_equal(cli_number(&cli, "timeout", 0), 7);
    assert_true(cli.is_json);
    assert_string_equal(cli_arg(&cli, 0, "."), "/p");
    cli_finish(&cli);
}

static void options_of_a_command_may_stand_before_it(void **state)
{
    (void)state;
    struct cli cli;
    struct err err;
    assert_true(parse("-n 5 logs /p", &cli, &err));
    assert_int_equal(cli_number(&cli, "lines", 0), 5);
    cli_finish(&cli);
    assert_refused("--warm list", "unknown option '--warm' for list");
}

static void short_options_can_be_joined(void **state)
{
    (void)state;
    struct cli cli;
    struct err err;
    assert_true(parse("logs -fn20", &cli, &err));
    assert_true(cli_has(&cli, "follow"));
    assert_int_equal(cli_number(&cli, "lines", 0), 20);
    assert_string_equal(cli_arg(&cli, 0, "."), ".");
    cli_finish(&cli);
}

static void a_double_dash_ends_the_options(void **state)
{
    (void)state;
    struct cli cli;
    struct err err;
    assert_true(parse("ensure -- --json", &cli, &err));
    assert_string_equal(cli_arg(&cli, 0, "."), "--json");
    assert_false(cli.is_json);
    cli_finish(&cli);
}

static void the_last_of_repeated_options_counts(void **state)
{
    (void)state;
    struct cli cli;
    struct err err;
    assert_true(parse("ensure -s a -s b", &cli, &err));
    assert_string_equal(cli_text(&cli, "server"), "b");
    cli_finish(&cli);
}

static void mistyped_words_are_answered_with_the_nearest(void **state)
{
    (void)state;
    assert_refused("lsit", "unknown command 'lsit'; did you mean list?");
    assert_refused("xyzzy", "unknown command 'xyzzy'");
    assert_refused("ensure --tiemout 3", "unknown option '--tiemout' for ensure; did you mean "
                                         "--timeout?");
    assert_refused("ensure -q", "unknown option '-q' for ensure");
    assert_refused("--jsn=1", "unknown option '--jsn'; did you mean --json?");
}

static void values_are_checked(void **state)
{
    (void)state;
    assert_refused("ensure --timeout", "--timeout needs a value (SECONDS)");
    assert_refused("ensure --timeout 1.5",
                   "--timeout: expected a whole number from 0 to 3600, found '1.5'");
    assert_refused("ensure --timeout 3601",
                   "--timeout: expected a whole number from 0 to 3600, found '3601'");
    assert_refused("ensure --warm=yes", "--warm takes no value");
}

static void the_number_of_arguments_is_checked(void **state)
{
    (void)state;
    assert_refused("forget", "forget needs DIR");
    assert_refused("ensure a b", "ensure: 'b' is one argument too many");
    struct cli cli;
    struct err err;
    assert_true(parse("forget --help", &cli, &err));
    cli_finish(&cli);
}

static void json_holds_for_the_error_of_a_mistyped_command_too(void **state)
{
    (void)state;
    struct cli cli;
    struct err err;
    assert_false(parse("--json nothing-like-it", &cli, &err));
    assert_true(cli.is_json);
    cli_finish(&cli);
}

static void no_two_options_of_a_command_share_a_name(void **state)
{
    (void)state;
    for (const struct cmd *const *c = commands; *c; c++) {
        for (const struct opt *o = (*c)->options; o && o->name; o++) {
            for (const struct opt *g = cmdline_globals; g->name; g++) {
                assert_string_not_equal(o->name, g->name);
                assert_true(!o->letter || o->letter != g->letter);
            }
            for (const struct opt *b = (*c)->options; b != o; b++) {
                assert_string_not_equal(o->name, b->name);
                assert_true(!o->letter || o->letter != b->letter);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_before_and_after_the_command),
        cmocka_unit_test(options_of_a_command_may_stand_before_it),
        cmocka_unit_test(short_options_can_be_joined),
        cmocka_unit_test(a_double_dash_ends_the_options),
        cmocka_unit_test(the_last_of_repeated_options_counts),
        cmocka_unit_test(mistyped_words_are_answered_with_the_nearest),
        cmocka_unit_test(values_are_checked),
        cmocka_unit_test(the_number_of_arguments_is_checked),
        cmocka_unit_test(json_holds_for_the_error_of_a_mistyped_command_too),
        cmocka_unit_test(no_two_options_of_a_command_share_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
