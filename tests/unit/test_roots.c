/* What a client says of its roots: mcp/roots.c, and the answer to initialize that does not know
 * the project yet. */
#include "mcp/handshake.h"
#include "mcp/roots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

static struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

static void is_path(const char *uri, const char *expected)
{
    char json[512], path[64] = "untouched";
    snprintf(json, sizeof json, "{\"roots\":[{\"uri\":\"%s\"},{\"uri\":\"file:///other\"}]}", uri);
    bool found = roots_first_path(span_of(json), path, sizeof path);
    assert_int_equal(found, expected != NULL);
    assert_string_equal(path, expected ? expected : "untouched");
}

static void the_first_file_uri_is_the_path(void **state)
{
    (void)state;
    is_path("file:///home/me/repo", "/home/me/repo");
    is_path("file://localhost/home/me", "/home/me");
    is_path("file:/home/me", "/home/me");
    is_path("file:///a%20b/%C3%A9+c", "/a b/\xc3\xa9+c");
    is_path("file:\\/\\/\\/a", "/a");
    is_path("file:///a?x#y", "/a");
}

static void what_is_no_path_of_this_machine_says_nothing(void **state)
{
    (void)state;
    static const char *const others[] = {
        "https://host/a", "file://server/share", "file:///nul%00", "file:///bad%2", "file:a",
        "file://localhosts/a", "", "file:///a-path-that-is-longer-than-the-sixty-four-bytes-of-room-that-there-are"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        is_path(others[i], NULL);
}

static void no_roots_say_nothing(void **state)
{
    (void)state;
    static const char *const results[] = {"",           "{}",
                                          "null",       "{\"roots\":[]}",
                                          "{\"roots\"", "{\"roots\":[{\"uri\":7}]}",
                                          "[]",         "{\"roots\":{\"uri\":\"file:///a\"}}"};
    char path[8];
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        assert_false(roots_first_path(span_of(results[i]), path, sizeof path));
}

static void a_client_declares_roots_by_an_object(void **state)
{
    (void)state;
    assert_true(roots_declared(span_of("{\"capabilities\":{\"roots\":{}}}")));
    assert_true(roots_declared(span_of("{\"capabilities\":{\"roots\":{\"listChanged\":true}}}")));
    assert_false(roots_declared(span_of("{\"capabilities\":{}}")));
    assert_false(roots_declared(span_of("{\"capabilities\":{\"roots\":false}}")));
    assert_false(roots_declared(span_of("")));
}

static void the_neutral_answer_takes_the_revision_that_is_asked_for(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"{\"protocolVersion\":\"2024-11-05\"}", "2024-11-05"},
        {"{\"protocolVersion\":\"2025-06-18\"}", "2025-06-18"},
        {"{\"protocolVersion\":\"1999-01-01\"}", "2025-11-25"},
        {"{}", "2025-11-25"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char protocol[16], checked[16];
        struct buf out = BUF_INIT(4096);
        struct err err = {0};
        assert_true(handshake_neutral(&out, span_of(pairs[i][0]), protocol, sizeof protocol));
        assert_string_equal(protocol, pairs[i][1]);
        assert_true(
            handshake_check((struct span){out.data, out.len}, checked, sizeof checked, &err));
        assert_string_equal(checked, pairs[i][1]);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_file_uri_is_the_path),
        cmocka_unit_test(what_is_no_path_of_this_machine_says_nothing),
        cmocka_unit_test(no_roots_say_nothing),
        cmocka_unit_test(a_client_declares_roots_by_an_object),
        cmocka_unit_test(the_neutral_answer_takes_the_revision_that_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
