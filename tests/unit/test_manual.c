/* tests/unit/test_manual.c - the manual pages say what the tables of the code say, all of it, and
 * `poolctl help` shows the same. POOLD_UPDATE=1 test_manual prints docs/man anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "api/routes.h"
#include "base/str.h"
#include "cli/cmdline.h"
#include "cli/commands.h"
#include "cli/manual_text.h"
#include "cli/problem.h"
#include "config/options.h"
#include "config/settings.h"
#include "manual/manual.h"
#include "manual/page.h"
#include "platform/dirs.h"
#include "pool/pool.h"
#include "registry/registry.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define ROOT TESTS_DIR "/.."

/* The page as it is printed now. New string. */
static char *printed(const struct manual_page *page)
{
    char *text = NULL;
    size_t n;
    struct err err = {0};
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    if (!manual_print(ROOT "/manual", page, out, &err))
        fail_msg("%s", err_text(&err));
    fclose(out);
    return text;
}

static void docs_man_is_what_the_tables_print(void **state)
{
    (void)state;
    size_t count;
    const struct manual_page *pages = manual_pages(&count);
    for (size_t i = 0; i < count; i++) {
        char *want = printed(&pages[i]), *have = NULL;
        char *path = xasprintf(ROOT "/docs/man/%s", pages[i].file);
        struct err err = {0};
        if (getenv("POOLD_UPDATE") && !dirs_write_file(path, want, strlen(want), 0644, &err))
            fail_msg("%s", err.text);
        if (!dirs_read_file(path, 1 << 20, &have, NULL, &err))
            fail_msg("%s", err.text);
        if (strcmp(have, want) != 0)
            fail_msg("docs/man/%s is not what the tables say: run test_manual with POOLD_UPDATE=1",
                     pages[i].file);
        free(want);
        free(have);
        free(path);
    }
}

static void poolctl_carries_the_pages_of_docs_man(void **state)
{
    (void)state;
    size_t count;
    const struct manual_page *pages = manual_pages(&count);
    for (size_t i = 0; i < count; i++) {
        const struct manual_file *f = manual_files;
        while (f->name && strcmp(f->name, pages[i].file) != 0)
            f++;
        assert_non_null(f->name);
        char *path = xasprintf(ROOT "/docs/man/%s", pages[i].file), *have = NULL;
        assert_true(dirs_read_file(path, 1 << 20, &have, NULL, NULL));
        if (strcmp(have, f->roff) != 0)
            fail_msg("poolctl carries another %s: build again", f->name);
        free(have);
        free(path);
    }
}

/* --- as text: the words as they stand, with one blank between --- */

static char *squeezed(const char *text)
{
    char *out = xmalloc(strlen(text) + 1), *to = out;
    for (; *text; text++)
        if (!isspace((unsigned char)*text) || (to > out && to[-1] != ' '))
            *to++ = isspace((unsigned char)*text) ? ' ' : *text;
    *to = '\0';
    return out;
}

/* `poolctl help NAME`, squeezed. New string. */
static char *help_on(const char *name)
{
    char *text = NULL;
    size_t n;
    const struct topic *topic = topic_find(name);
    if (!topic)
        fail_msg("there is no topic %s", name);
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    if (!topic_print(topic, out))
        fail_msg("%s lacks one of %s", topic->file, topic->sections);
    fclose(out);
    char *words = squeezed(text);
    free(text);
    return words;
}

/* Does the topic say that? Marks of bold do not count. */
static void assert_says(const char *topic, const char *text)
{
    char *help = help_on(topic), *wanted = squeezed(text), *to = wanted;
    for (const char *c = wanted; *c; c++)
        if (*c != '`')
            *to++ = *c;
    *to = '\0';
    if (!strstr(help, wanted))
        fail_msg("`poolctl help %s` lacks: %s", topic, wanted);
    free(help);
    free(wanted);
}

static void every_setting_and_server_key_is_there(void **state)
{
    (void)state;
    size_t count;
    const struct setting *rows = setting_rows(&count);
    for (size_t i = 0; i < count; i++) {
        char *expected = setting_expected(&rows[i]);
        char *start = xasprintf("%s %s Expected: %s", rows[i].name, rows[i].sentence, expected);
        char *standard = xasprintf("Default: %s.", rows[i].standard);
        assert_says("config", start);
        assert_says("poold.conf", standard);
        free(expected);
        free(start);
        free(standard);
    }
    const struct server_key *keys = server_key_rows(&count);
    for (size_t i = 0; i < count; i++) {
        char *start =
            xasprintf("%s %s Expected: %s", keys[i].name, keys[i].sentence, keys[i].shape);
        assert_says("config", start);
        free(start);
    }
}

static void every_error_is_there_with_its_codes(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_COUNT; i++) {
        const struct err_row *row = err_row((enum err_code)i);
        char *start = xasprintf("%s %c%s. HTTP status %d,", row->name, toupper(row->meaning[0]),
                                row->meaning + 1, row->http);
        assert_says("errors", start);
        free(start);
    }
}

static void every_exit_status_is_there_with_its_remedy(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_COUNT; i++) {
        const struct err_row *row = err_row((enum err_code)i);
        char *remedy = problem_remedy((enum err_code)i, "DIR");
        char *text = xasprintf("%d, %s %s%s%s", row->exit, row->name, row->meaning,
                               remedy ? "; " : "", remedy ? remedy : "");
        assert_says("exit-codes", text);
        assert_says("poolctl", text);
        free(remedy);
        free(text);
    }
}

static void every_option_of_poold_is_there_and_in_its_usage(void **state)
{
    (void)state;
    char *usage = NULL;
    size_t n;
    FILE *out = open_memstream(&usage, &n);
    assert_non_null(out);
    options_print_usage(out);
    fclose(out);
    for (int i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *o = option_row((enum poold_option)i);
        char *start = xasprintf("--%s%s%s %s", o->name, o->value ? " " : "",
                                o->value ? o->value : "", o->sentence);
        assert_says("poold", start);
        char *words = squeezed(usage);
        assert_non_null(strstr(words, start));
        free(words);
        free(start);
        if (*o->variable)
            assert_says("environment", o->variable);
    }
    free(usage);
}

static void every_command_and_option_of_poolctl_is_there(void **state)
{
    (void)state;
    for (const struct opt *o = cmdline_globals; o->name; o++)
        assert_says("poolctl", o->help);
    for (const struct cmd *const *c = commands; *c; c++) {
        char *title = xasprintf("poolctl %s%s%s", (*c)->name, *(*c)->args ? " " : "", (*c)->args);
        assert_says("poolctl", title);
        assert_says("poolctl", (*c)->text);
        free(title);
        for (const struct opt *o = (*c)->options; o && o->name; o++) {
            char *start = xasprintf("--%s%s%s %s", o->name, o->value ? " " : "",
                                    o->value ? o->value : "", o->help);
            assert_says("poolctl", start);
            free(start);
        }
    }
}

static void every_route_and_parameter_is_there(void **state)
{
    (void)state;
    size_t count;
    const struct route *rows = route_rows(&count);
    for (size_t i = 0; i < count; i++) {
        char *title = xasprintf("%s %s %s", rows[i].method, rows[i].path, rows[i].summary);
        assert_says("api", title);
        free(title);
        for (const struct param *p = rows[i].params; p->name; p++) {
            assert_says("api", p->name);
            assert_says("api", p->help);
        }
    }
}

static void every_state_reason_and_rule_of_routing_is_explained(void **state)
{
    (void)state;
    for (int i = 0; i < DAEMON_STATE_COUNT; i++) {
        const char *word = daemon_state_word((enum daemon_state)i);
        if (!manual_state(word))
            fail_msg("manual/words.c does not explain the state %s", word);
        char *text = xasprintf("%s %s", word, manual_state(word));
        assert_says("states", text);
        free(text);
    }
    for (int i = 1; i < REASON_COUNT; i++) {
        const char *word = reason_word((enum reason)i);
        if (!manual_reason(word))
            fail_msg("manual/words.c does not explain the reason %s", word);
        char *text = xasprintf("%s %s", word, manual_reason(word));
        assert_says("reasons", text);
        free(text);
    }
    const char *word;
    for (size_t i = 0; (word = manual_route_word(i)); i++) {
        if (!manual_route_rule(word))
            fail_msg("manual/words.c does not explain the rule %s", word);
        assert_says("routing", manual_route_rule(word));
    }
    assert_null(manual_state("dead"));
}

static void every_variable_is_there(void **state)
{
    (void)state;
    size_t count;
    const struct variable_row *rows = variable_rows_read(&count);
    for (size_t i = 0; i < count; i++) {
        char *text = xasprintf("%s %s", rows[i].name, rows[i].sentence);
        assert_says("environment", text);
        free(text);
    }
    rows = variable_rows_given(&count);
    for (size_t i = 0; i < count; i++) {
        char *text = xasprintf("%s %s", rows[i].name, rows[i].sentence);
        assert_says("environment", text);
        assert_says("poold.conf", text);
        free(text);
    }
}

/* --- the form --- */

static void every_topic_finds_its_sections(void **state)
{
    (void)state;
    for (const struct topic *t = topics; t->name; t++) {
        char *text = help_on(t->name);
        assert_true(strlen(text) > 100);
        assert_true(*t->summary && !str_ends(t->summary, "."));
        free(text);
    }
    assert_null(topic_find("nonsense"));
    assert_ptr_equal(topic_find("poold.8"), topic_find("poold"));
}

static void text_keeps_to_80_columns(void **state)
{
    (void)state;
    char *text = NULL, *rest;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    assert_true(topic_print(topic_find("states"), out));
    assert_true(topic_print(topic_find("config"), out));
    fclose(out);
    rest = text;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (strlen(line) > 80)
            fail_msg("%zu columns: %s", strlen(line), line);
    free(text);
}

static void marks_become_roff_without_accidental_requests(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    page_print("## One two\n\n.not a request, `bold-face` it's\n  goes on\n\n<!-- gone\n gone -->\n"
               "- `term`: its text\n- a point\n\n    .as it\n    stands\n\n"
               "| a | b |\n|---|---|\n| `x\\|y` | **last** |\n\n### POST /x\nand ***   text\n",
               out);
    fclose(out);
    assert_string_equal(text, ".SH ONE TWO\n"
                              "\\&.not a request, \\fBbold\\-face\\fR it\\(aqs goes on\n"
                              ".TP\n\\fBterm\\fR\nits text\n"
                              ".IP \\(bu 2\na point\n"
                              ".PP\n.RS 4\n.nf\n\\&.as it\nstands\n.fi\n.RE\n"
                              ".TP\n\\fBx|y\\fR\n\\fBlast\\fR\n"
                              ".SS POST /x\nand *** text\n");
    free(text);
}

static void text_shows_only_the_sections_that_were_asked_for(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    int shown = manual_print_text(".TH X 1\n.SH A\nno\n.SH B\nyes \\fBit\\fR\nis\n.PP\nnext\n.TP\n"
                                  "\\fBterm\\fR\ntext\n.IP \\(bu 2\npoint\n.RS 4\n.nf\na\\-b\n.fi\n"
                                  ".RE\n.SH C\nno\n.SH D\nd\n",
                                  "B|D", out);
    fclose(out);
    assert_int_equal(shown, 2);
    assert_string_equal(text, "B\n    yes it is\n\n    next\n    term\n        text\n    * point\n"
                              "        a-b\n\nD\n    d\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(docs_man_is_what_the_tables_print),
        cmocka_unit_test(poolctl_carries_the_pages_of_docs_man),
        cmocka_unit_test(every_setting_and_server_key_is_there),
        cmocka_unit_test(every_error_is_there_with_its_codes),
        cmocka_unit_test(every_exit_status_is_there_with_its_remedy),
        cmocka_unit_test(every_option_of_poold_is_there_and_in_its_usage),
        cmocka_unit_test(every_command_and_option_of_poolctl_is_there),
        cmocka_unit_test(every_route_and_parameter_is_there),
        cmocka_unit_test(every_state_reason_and_rule_of_routing_is_explained),
        cmocka_unit_test(every_variable_is_there),
        cmocka_unit_test(every_topic_finds_its_sections),
        cmocka_unit_test(text_keeps_to_80_columns),
        cmocka_unit_test(marks_become_roff_without_accidental_requests),
        cmocka_unit_test(text_shows_only_the_sections_that_were_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
