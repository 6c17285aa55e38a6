/* tests/unit/test_cli_text.c - words and tables for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "base/str.h"
#include "cli/daemon_text.h"
#include "cli/table.h"

#include <stdlib.h>
#include <string.h>

static void assert_text(char *got, const char *want)
{
    assert_string_equal(got, want);
    free(got);
}

static void durations_read_as_people_say_them(void **state)
{
    (void)state;
    assert_text(say_duration(0), "0.0 s");
    assert_text(say_duration(25), "25 ms");
    assert_text(say_duration(1249), "1.2 s");
    assert_text(say_duration(59999), "59 s");
    assert_text(say_duration(250000), "4:10");
    assert_text(say_duration(7500000), "2 h 05 min");
    assert_text(say_duration(180000000), "2 d 2 h");
    assert_text(say_duration(-1), "");
}

static void sizes_have_units_of_1024(void **state)
{
    (void)state;
    assert_text(say_bytes(512), "512 B");
    assert_text(say_bytes(452984832), "432 MiB");
    assert_text(say_bytes(1288490189), "1.2 GiB");
    assert_text(say_bytes(-1), "");
}

static void the_home_directory_is_a_tilde(void **state)
{
    (void)state;
    setenv("HOME", "/home/me", 1);
    assert_text(say_path("/home/me/repo"), "~/repo");
    assert_text(say_path("/home/me"), "~");
    assert_text(say_path("/home/mean"), "/home/mean");
    setenv("HOME", "/", 1);
    assert_text(say_path("/x"), "/x");
}

static void text_of_others_cannot_steer_the_terminal(void **state)
{
    (void)state;
    assert_text(say_clean("a\033[2Jb\nc\x7f"), "a [2Jb c ");
    assert_text(say_clean("caf\xc3\xa9 \xff \xc3"), "caf\xc3\xa9 ? ?");
    assert_text(say_clean("\xc2\x9b"
                          "1m"),
                " 1m");
}

static void words_are_quoted_for_a_shell_where_they_must_be(void **state)
{
    (void)state;
    assert_text(say_quoted("/a/b-1.2"), "/a/b-1.2");
    assert_text(say_quoted("a b"), "'a b'");
    assert_text(say_quoted("it's"), "'it'\\''s'");
    assert_text(say_quoted(""), "''");
}

static void widths_are_columns_and_not_bytes(void **state)
{
    (void)state;
    assert_int_equal(say_width("caf\xc3\xa9"), 4);
    assert_int_equal(say_width("\xe6\x97\xa5\xe6\x9c\xac"), 4); /* two wide characters */
    assert_int_equal(say_fit("\xe6\x97\xa5\xe6\x9c\xac", 3), 3);
    assert_int_equal(say_width("e\xcc\x81"), 1); /* an accent of its own */
}

/* What a table prints. New string. */
static char *printed(struct table *t, size_t width)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    table_print(t, out, width);
    fclose(out);
    table_finish(t);
    return text;
}

static const struct column columns[] = {{"NAME", false, 4, true}, {"N", true, 0, false}};

static void columns_are_as_wide_as_their_text(void **state)
{
    (void)state;
    struct table t = {.columns = columns, .count = 2};
    table_add(&t, xstrdup("caf\xc3\xa9s"), PLAIN);
    table_add(&t, xstrdup("10"), PLAIN);
    table_note(&t, xstrdup("! a note as long as it likes"), RED);
    table_add(&t, xstrdup("b"), PLAIN);
    table_add(&t, xstrdup("9"), PLAIN);
    assert_text(printed(&t, 100), "NAME    N\n"
                                  "caf\xc3\xa9s  10\n"
                                  "! a note as long as it likes\n"
                                  "b       9\n");
}

static void a_table_is_cut_to_the_width(void **state)
{
    (void)state;
    struct table t = {.columns = columns, .count = 2};
    table_add(&t, xstrdup("/very/long/path"), PLAIN);
    table_add(&t, xstrdup("1"), PLAIN);
    assert_text(printed(&t, 12), "NAME       N\n…ong/path  1\n");
}

static json_t *daemon_of(const char *text)
{
    json_t *d = json_loads(text, 0, NULL);
    assert_non_null(d);
    return d;
}

static void states_read_as_lived(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"{\"state\":\"ready\"}", "ready"},
        {"{\"state\":\"down\"}", "down (known)"},
        {"{\"state\":\"busy\",\"inFlight\":2}", "busy: 2 calls"},
        {"{\"state\":\"busy\",\"inFlight\":1}", "busy: 1 call"},
        {"{\"state\":\"failed\",\"retryInMs\":5100}", "failed: next try in 5.1 s"},
        {"{\"state\":\"failed\",\"retryInMs\":0}", "failed"},
        {"{\"state\":\"starting\",\"step\":\"queued\"}", "starting: queued"},
        {"{\"state\":\"starting\",\"startedAt\":\"2026-01-31T12:00:00.000Z\","
         "\"usualStartMs\":3400}",
         "starting 1.2 s of ~3.4 s"},
        {"{\"state\":\"starting\",\"startedAt\":\"2026-01-31T12:00:00.000Z\","
         "\"usualStartMs\":null}",
         "starting 1.2 s"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *d = daemon_of(cases[i].json);
        assert_text(daemon_state_text(d, INT64_C(1769860801200)), cases[i].text);
        json_decref(d);
    }
}

static void a_daemon_that_is_up_with_a_failed_layer_is_degraded(void **state)
{
    (void)state;
    json_t *d = daemon_of("{\"state\":\"ready\",\"projectKey\":\"k-1\",\"server\":\"serena\","
                          "\"health\":{\"process\":\"ok\",\"accepts\":\"ok\",\"mcp\":\"ok\","
                          "\"useful\":\"failed\",\"cause\":\"no clangd\"}}");
    assert_true(daemon_is_degraded(d));
    assert_text(daemon_health_text(d), "useful failed");
    assert_text(daemon_cause(d), "no clangd");
    assert_text(daemon_remedy(d), "poolctl logs k-1; poolctl restart k-1");
    json_object_set_new(d, "state", json_string("down"));
    assert_false(daemon_is_bad(d));
    assert_text(daemon_health_text(d), "-");
    assert_null(daemon_cause(d));
    json_decref(d);
}

static void health_is_ok_only_when_all_layers_are_known(void **state)
{
    (void)state;
    json_t *d = daemon_of("{\"state\":\"ready\",\"health\":{\"process\":\"ok\",\"accepts\":\"ok\","
                          "\"mcp\":\"unknown\",\"useful\":\"unknown\",\"cause\":null}}");
    assert_text(daemon_health_text(d), "mcp unknown");
    json_object_set_new(json_object_get(d, "health"), "mcp", json_string("ok"));
    assert_text(daemon_health_text(d), "ok, no call yet");
    json_object_set_new(json_object_get(d, "health"), "useful", json_string("ok"));
    assert_text(daemon_health_text(d), "ok");
    json_decref(d);
}

static void a_failed_one_has_its_cause_and_a_command_to_copy(void **state)
{
    (void)state;
    json_t *d = daemon_of("{\"state\":\"failed\",\"projectKey\":\"k-1\",\"server\":\"my own\","
                          "\"detail\":\"exit status 3\",\"reason\":\"start-exited\"}");
    assert_text(daemon_cause(d), "exit status 3");
    assert_text(daemon_remedy(d),
                "poolctl logs -s 'my own' k-1; poolctl ensure -f -s 'my own' k-1");
    json_decref(d);
}

static void when_it_goes_or_why_not(void **state)
{
    (void)state;
    json_t *d = daemon_of("{\"state\":\"ready\",\"evictInMs\":250000,\"evictWhy\":null}");
    assert_text(daemon_goes_text(d), "in 4:10");
    json_object_set_new(d, "evictInMs", json_null());
    json_object_set_new(d, "evictWhy", json_string("pinned"));
    assert_text(daemon_goes_text(d), "pinned");
    json_object_set_new(d, "state", json_string("down"));
    assert_text(daemon_goes_text(d), "-");
    json_decref(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_read_as_people_say_them),
        cmocka_unit_test(sizes_have_units_of_1024),
        cmocka_unit_test(the_home_directory_is_a_tilde),
        cmocka_unit_test(text_of_others_cannot_steer_the_terminal),
        cmocka_unit_test(words_are_quoted_for_a_shell_where_they_must_be),
        cmocka_unit_test(widths_are_columns_and_not_bytes),
        cmocka_unit_test(columns_are_as_wide_as_their_text),
        cmocka_unit_test(a_table_is_cut_to_the_width),
        cmocka_unit_test(states_read_as_lived),
        cmocka_unit_test(a_daemon_that_is_up_with_a_failed_layer_is_degraded),
        cmocka_unit_test(health_is_ok_only_when_all_layers_are_known),
        cmocka_unit_test(a_failed_one_has_its_cause_and_a_command_to_copy),
        cmocka_unit_test(when_it_goes_or_why_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
