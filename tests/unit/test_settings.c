/* tests/unit/test_settings.c - the table of settings, and that what is made from it agrees with
 * it. After a change of the table: POOLD_UPDATE=1 test_settings writes etc/poold.conf anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "base/str.h"
#include "config/config.h"
#include "config/nearest.h"
#include "config/settings.h"

#include <ctype.h>
#include <string.h>

/* What a printing function prints; the caller frees it. */
static char *printed(void (*print)(FILE *out))
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    assert_non_null(f);
    print(f);
    assert_int_equal(fclose(f), 0);
    return text;
}

static void every_row_is_whole(void **state)
{
    (void)state;
    size_t count;
    const struct setting *rows = setting_rows(&count);
    assert_true(count >= 16);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(setting_find(rows[i].name), &rows[i]);
        assert_true(islower((unsigned char)rows[i].name[0]));
        assert_true(rows[i].min <= rows[i].max);
        assert_true(str_ends(rows[i].sentence, "."));
        assert_true(*rows[i].unit && *rows[i].standard);
        assert_null(server_key_find(rows[i].name));
    }
    assert_null(setting_find("idle_s"));
    assert_null(setting_find(""));
}

static void a_name_of_a_number_tells_its_unit(void **state)
{
    (void)state;
    size_t count;
    const struct setting *rows = setting_rows(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].unit, "seconds") == 0)
            assert_true(str_ends(rows[i].name, "Seconds"));
        if (strcmp(rows[i].unit, "MiB") == 0)
            assert_true(str_ends(rows[i].name, "MiB"));
    }
}

static void every_default_is_in_its_range_and_is_what_a_new_struct_holds(void **state)
{
    (void)state;
    size_t count;
    struct settings s;
    const struct setting *rows = setting_rows(&count);
    settings_defaults(&s);
    for (size_t i = 0; i < count; i++) {
        char *text = setting_text(&s, &rows[i]);
        assert_string_equal(text, rows[i].standard);
        if (rows[i].type == SETTING_INT)
            assert_true(setting_set_number(&s, &rows[i], setting_number(&s, &rows[i])));
        free(text);
    }
    assert_int_equal(s.idle_s, 1800);
    assert_int_equal(s.ports.first, 21000);
    assert_int_equal(s.ports.last, 21999);
    assert_string_equal(s.default_server, "serena");
    settings_finish(&s);
    assert_null(s.default_server);
}

static void a_number_is_taken_up_to_its_limits_and_no_further(void **state)
{
    (void)state;
    size_t count;
    struct settings s;
    const struct setting *rows = setting_rows(&count);
    settings_defaults(&s);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].type != SETTING_INT) {
            assert_false(setting_set_number(&s, &rows[i], rows[i].min));
            continue;
        }
        assert_true(setting_set_number(&s, &rows[i], rows[i].max));
        assert_true(setting_set_number(&s, &rows[i], rows[i].min));
        assert_false(setting_set_number(&s, &rows[i], rows[i].min - 1));
        assert_false(setting_set_number(&s, &rows[i], rows[i].max + 1));
        assert_false(setting_set_text(&s, &rows[i], "5"));
        assert_int_equal(setting_number(&s, &rows[i]), rows[i].min);
    }
    settings_finish(&s);
}

static void a_refused_text_leaves_the_value(void **state)
{
    (void)state;
    struct settings s;
    settings_defaults(&s);
    assert_true(setting_set_text(&s, setting_find("portRange"), "30000-30000"));
    assert_false(setting_set_text(&s, setting_find("portRange"), "31000-30000"));
    assert_int_equal(s.ports.first, 30000);
    assert_int_equal(s.ports.last, 30000);
    assert_false(setting_set_text(&s, setting_find("logLevel"), "loud"));
    assert_string_equal(s.log_level, "info");
    assert_false(setting_set_text(&s, setting_find("logFormat"), "xml"));
    assert_true(setting_set_text(&s, setting_find("logFormat"), "json"));
    assert_string_equal(s.log_format, "json");
    settings_finish(&s);
}

static void a_copy_is_a_thing_of_its_own(void **state)
{
    (void)state;
    struct settings s, copy;
    settings_defaults(&s);
    s.idle_s = 77;
    assert_true(setting_set_text(&s, setting_find("logLevel"), "debug"));
    settings_copy(&copy, &s);
    settings_finish(&s);
    assert_int_equal(copy.idle_s, 77);
    assert_string_equal(copy.log_level, "debug");
    settings_finish(&copy);
}

static void the_example_file_is_what_the_table_prints(void **state)
{
    (void)state;
    char *want = printed(settings_print_example);
    static const char path[] = TESTS_DIR "/../etc/poold.conf";
    if (getenv("POOLD_UPDATE")) {
        FILE *out = fopen(path, "w");
        assert_non_null(out);
        fputs(want, out);
        assert_int_equal(fclose(out), 0);
    }
    char *have = xcalloc(1, 65536);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    assert_true(fread(have, 1, 65535, in) > 0);
    fclose(in);
    if (strcmp(have, want) != 0)
        fail_msg("etc/poold.conf differs from the table: run this test with POOLD_UPDATE=1");
    free(have);
    free(want);
}

static void the_example_file_is_valid_and_means_the_defaults(void **state)
{
    (void)state;
    size_t count;
    struct err err = {0};
    char *text = printed(settings_print_example);
    struct config *c =
        config_parse("etc/poold.conf", text, strlen(text), "{\"command\": \"x\"}", &err);
    if (!c)
        fail_msg("%s", err.text);
    const struct setting *rows = setting_rows(&count);
    for (size_t i = 0; i < count; i++) {
        char *is = setting_text(&c->settings, &rows[i]);
        assert_string_equal(is, rows[i].standard);
        free(is);
        char *key = xasprintf("\n    \"%s\": ", rows[i].name);
        assert_non_null(strstr(text, key));
        free(key);
    }
    assert_int_equal(c->warnings.count, 0);
    config_free(c);
    free(text);
}

/* The entry that stands in the example in comments, as an entry of a file of its own. */
static char *entry_of_the_example(void)
{
    static const char mark[] = "    //   ";
    char *text = printed(settings_print_example), *out = xstrdup("{\"mcpServers\": {\n");
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (!str_starts(line, mark))
            continue;
        char *longer = xasprintf("%s%s\n", out, line + strlen(mark));
        free(out);
        out = longer;
    }
    char *whole = xasprintf("%s}}\n", out);
    free(out);
    free(text);
    return whole;
}

static void the_entry_shown_in_the_example_works_when_it_is_taken_out_of_its_comment(void **state)
{
    (void)state;
    struct err err = {0};
    char *text = entry_of_the_example();
    struct config *c = config_parse("entry", text, strlen(text), "{\"command\": \"x\"}", &err);
    if (!c)
        fail_msg("%s\n%s", err.text, text);
    const struct config_server *s = config_find(c, "my-server", &err);
    assert_non_null(s);
    assert_string_equal(s->command, "uvx");
    assert_int_equal(s->transport, CONFIG_HTTP);
    assert_string_equal(s->warmup_tool, "search");
    assert_int_equal(c->warnings.count, 0);
    config_free(c);
    free(text);
}

static void a_slip_finds_the_name_that_was_meant(void **state)
{
    (void)state;
    static const char *const names[] = {"idleSeconds", "maxDaemons", "env", "args"};
    assert_string_equal(nearest_name("idelSeconds", names, 4), "idleSeconds");
    assert_string_equal(nearest_name("IDLESECONDS", names, 4), "idleSeconds");
    assert_string_equal(nearest_name("idleSecond", names, 4), "idleSeconds");
    assert_string_equal(nearest_name("idle", names, 4), "idleSeconds");
    assert_string_equal(nearest_name("arg", names, 4), "args");
    assert_string_equal(nearest_name("nev", names, 4), "env");
    assert_null(nearest_name("x", names, 4));
    assert_null(nearest_name("", names, 4));
    assert_null(nearest_name("timeout", names, 4));
    assert_null(nearest_name("idleSecondsidleSecondsidleSecondsidleSeconds", names, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_whole),
        cmocka_unit_test(a_name_of_a_number_tells_its_unit),
        cmocka_unit_test(every_default_is_in_its_range_and_is_what_a_new_struct_holds),
        cmocka_unit_test(a_number_is_taken_up_to_its_limits_and_no_further),
        cmocka_unit_test(a_refused_text_leaves_the_value),
        cmocka_unit_test(a_copy_is_a_thing_of_its_own),
        cmocka_unit_test(the_example_file_is_what_the_table_prints),
        cmocka_unit_test(the_example_file_is_valid_and_means_the_defaults),
        cmocka_unit_test(
            the_entry_shown_in_the_example_works_when_it_is_taken_out_of_its_comment),
        cmocka_unit_test(a_slip_finds_the_name_that_was_meant),
    };
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
