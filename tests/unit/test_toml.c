/* TOML as clients' configurations use it: config/toml.c. */
#include "config/toml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *as_json(const char *text, struct err *err)
{
    size_t n = strlen(text);
    char *exact = malloc(n ? n : 1); /* so that the sanitizer sees each step beyond */
    memcpy(exact, text, n);
    json_t *root = toml_parse("config.toml", exact, n, err);
    free(exact);
    char *out = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return out;
}

static void what_clients_write_is_read(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "{}"},
        {"# nothing\n\n", "{}"},
        {"a = 1\nb = \"x\\ty\\u00e4\"\nc = 'C:\\x'\nd = true\r\ne = 1.5 # half\n",
         "{\"a\":1,\"b\":\"x\\ty\xc3\xa4\",\"c\":\"C:\\\\x\",\"d\":true,\"e\":\"1.5\"}"},
        {"[mcp_servers.docs]\ncommand = \"npx\"\nargs = [\n  \"-y\", # yes\n  \"docs\",\n]\n"
         "env = { A = \"1\", \"B C\" = '2' }\n[mcp_servers.docs.extra]\nx=1",
         "{\"mcp_servers\":{\"docs\":{\"command\":\"npx\",\"args\":[\"-y\",\"docs\"],"
         "\"env\":{\"A\":\"1\",\"B C\":\"2\"},\"extra\":{\"x\":1}}}}"},
        {"a.b.c = 1\na.b.d = [[1,2],[]]\n", "{\"a\":{\"b\":{\"c\":1,\"d\":[[1,2],[]]}}}"},
        {"[[t]]\nx=1\n[[t]]\nx=2\n[t.u]\ny=3\n", "{\"t\":[{\"x\":1},{\"x\":2,\"u\":{\"y\":3}}]}"},
        {"a = \"\"\"\none \\\n   two\"\"\"\"\nb = '''x\n'y' '''",
         "{\"a\":\"one two\\\"\",\"b\":\"x\\n'y' \"}"},
        {"d = 2026-11-22T10:00:00Z\n[\"a b\".'c.d']\n", "{\"d\":\"2026-11-22T10:00:00Z\","
                                                        "\"a b\":{\"c.d\":{}}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        char *out = as_json(cases[i][0], &err);
        if (!out)
            fail_msg("%s: %s", cases[i][0], err_text(&err));
        assert_string_equal(out, cases[i][1]);
        free(out);
    }
}

static void a_mistake_names_the_file_and_the_line(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a = 1\nb\n", "config.toml:2: expected ="},
        {"a = \"x\n", "config.toml:1: a string has no end"},
        {"a = [1, 2\n", "config.toml:2: "},
        {"a = 1 2\n", "config.toml:1: expected the end of the line"},
        {"a = 1\na = 2\n", "config.toml:2: a key stands twice"},
        {"a = 1\n[a]\n", "config.toml:2: a key is used as a table and as a value"},
        {"a = {x = 1\n", "config.toml:2: an inline table has no end"},
        {"[a\nb = 1", "config.toml:1: a table's name has no end"},
        {"a = \"\\q\"", "config.toml:1: an escape in a string is not known"},
        {"a = \"\\ud800\"", "config.toml:1: a \\u escape names no character"},
        {"a = ", "config.toml:1: expected a value"},
        {"= 1", "config.toml:1: expected a key"},
        {"a = \"\xff\"", "config.toml:1: a string is not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        assert_null(as_json(cases[i][0], &err));
        if (!strstr(err_text(&err), cases[i][1]))
            fail_msg("%s: %s", cases[i][0], err_text(&err));
    }
}

static void a_text_cut_anywhere_is_read_without_reading_past_it(void **state)
{
    (void)state;
    static const char whole[] = "\xef\xbb\xbf[a.'b']\nc = [\"\\u00e4\", {x = '''y'''}]\n[[d]]\ne=1";
    for (size_t n = 0; n < sizeof whole; n++) {
        struct err err = {0};
        char *exact = malloc(n ? n : 1);
        memcpy(exact, whole, n);
        json_decref(toml_parse("x", exact, n, &err));
        free(exact);
    }
    char deep[200];
    memset(deep, '[', sizeof deep);
    memcpy(deep, "a=", 2);
    struct err err = {0};
    assert_null(toml_parse("x", deep, sizeof deep, &err));
    assert_non_null(strstr(err_text(&err), "nested too deep"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_clients_write_is_read),
        cmocka_unit_test(a_mistake_names_the_file_and_the_line),
        cmocka_unit_test(a_text_cut_anywhere_is_read_without_reading_past_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
