/* Unit tests of mcp/lines.h and mcp/repeat.h: the control messages on mcp.sock, and what may be
 * asked twice. */
#include "base/str.h"
#include "mcp/lines.h"
#include "mcp/repeat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct span text(const char *s)
{
    return (struct span){s, strlen(s)};
}

static void only_the_first_key_makes_a_control_message(void **state)
{
    (void)state;
    assert_true(lines_is_control(text("{\"poold\":{}}")));
    assert_true(lines_is_control(text(" {\t\"po\\u006fld\" : 1}")));
    assert_false(lines_is_control(text("{\"jsonrpc\":\"2.0\",\"poold\":{}}")));
    assert_false(lines_is_control(text("[\"poold\"]")));
    assert_false(lines_is_control(text("{")));
    assert_false(lines_is_control((struct span){0}));
}

static void a_first_line_is_read(void **state)
{
    (void)state;
    struct lines_hello hello;
    struct err err = {0};
    assert_true(
        lines_hello_read(text("{\"poold\":{\"project\":\"/a \\\"b\\\" \\u00e9\",\"server\":null,"
                              "\"session\":\"\",\"lean\":true,\"later\":[1]}}"),
                         &hello, &err));
    assert_string_equal(hello.project, "/a \"b\" \xc3\xa9");
    assert_null(hello.server);
    assert_null(hello.session);
    assert_true(hello.is_lean);
    lines_hello_finish(&hello);
    assert_true(lines_hello_read(text("{\"poold\":{}}"), &hello, &err));
    assert_null(hello.project);
    lines_hello_finish(&hello);
}

static void a_first_line_that_makes_no_sense_says_why(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"poold\":7}", "{\"poold\":{\"project\":7}}", "{\"poold\":{\"session\":[]}}",
        "{\"poold\":{\"project\":\"/a\"}", "{\"poold\":{\"project\":\"/a\",\"project\":\"/b\"}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct lines_hello hello;
        struct err err = {0};
        if (lines_hello_read(text(bad[i]), &hello, &err))
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(err.code, ERR_BAD_REQUEST);
        assert_true(err_text(&err)[0]);
    }
}

static void what_is_asked_again_is_a_request_or_an_id(void **state)
{
    (void)state;
    struct span again = lines_again(text("{\"poold\":{\"again\":{\"id\":1}}}"));
    assert_int_equal(again.n, 8);
    again = lines_again(text("{\"poold\":{\"again\":\"x\"}}"));
    assert_memory_equal(again.p, "\"x\"", 3);
    assert_int_equal(lines_again(text("{\"poold\":{}}")).n, 0);
}

static void an_answer_is_json_whatever_the_project_is_called(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    assert_true(lines_welcome_write(
        &out, &(struct lines_welcome){"1~a", "/a\n\"b\"", "a-1", "serena", true}));
    assert_string_equal(buf_text(&out), "{\"poold\":{\"session\":\"1~a\",\"initialized\":true,"
                                        "\"project\":\"/a\\n\\\"b\\\"\",\"projectKey\":\"a-1\","
                                        "\"server\":\"serena\"}}");
    buf_release(&out);
    struct err err = {0};
    err_set(&err, ERR_NO_PROJECT, 0, "not \"there\"");
    assert_true(lines_refusal_write(&out, &err));
    assert_string_equal(buf_text(&out), "{\"poold\":{\"error\":{\"code\":\"no-project\","
                                        "\"message\":\"not \\\"there\\\"\"}}}");
    buf_release(&out);
}

/* --- asking twice --- */

static const char tools[] =
    "{\"tools\":[{\"name\":\"read\",\"annotations\":{\"title\":\"x\",\"readOnlyHint\":true}},"
    "{\"annotations\":{\"idempotentHint\":true,\"readOnlyHint\":false},\"name\":\"set\"},"
    "{\"name\":\"write\",\"annotations\":{\"readOnlyHint\":false}},"
    "{\"name\":\"odd\",\"annotations\":{\"readOnlyHint\":\"true\"}},{\"name\":\"bare\"}]}";

static bool is_safe(const char *method, const char *tool, const char *list)
{
    char *message = tool ? xasprintf("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":"
                                     "{\"name\":\"%s\"}}",
                                     method, tool)
                         : xasprintf("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\"}", method);
    struct rpc_peek peek;
    rpc_peek(message, strlen(message), &peek);
    bool safe = repeat_is_safe(&peek, text(list));
    free(message);
    return safe;
}

static void a_tool_is_asked_twice_only_if_it_says_that_this_is_harmless(void **state)
{
    (void)state;
    assert_true(is_safe("tools/call", "read", tools));
    assert_true(is_safe("tools/call", "set", tools));
    assert_false(is_safe("tools/call", "write", tools));
    assert_false(is_safe("tools/call", "odd", tools));
    assert_false(is_safe("tools/call", "bare", tools));
    assert_false(is_safe("tools/call", "rea", tools));
    assert_false(is_safe("tools/call", "unknown", tools));
    assert_false(is_safe("tools/call", "read", ""));
    assert_false(is_safe("tools/call", "read", "{\"tools\":7}"));
    assert_false(is_safe("tools/call", NULL, tools));
}

static void methods_that_read_or_set_may_be_asked_twice_and_unknown_ones_not(void **state)
{
    (void)state;
    assert_true(is_safe("tools/list", NULL, ""));
    assert_true(is_safe("initialize", NULL, ""));
    assert_true(is_safe("logging\\/setLevel", NULL, ""));
    assert_true(is_safe("prompts/get", "read", ""));
    assert_false(is_safe("tasks/cancel", NULL, ""));
    assert_false(is_safe("x/y", NULL, tools));
    struct rpc_peek peek;
    const char *said = "{\"jsonrpc\":\"2.0\",\"method\":\"tools/list\"}";
    rpc_peek(said, strlen(said), &peek);
    assert_false(repeat_is_safe(&peek, text(tools))); /* a notification */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_first_key_makes_a_control_message),
        cmocka_unit_test(a_first_line_is_read),
        cmocka_unit_test(a_first_line_that_makes_no_sense_says_why),
        cmocka_unit_test(what_is_asked_again_is_a_request_or_an_id),
        cmocka_unit_test(an_answer_is_json_whatever_the_project_is_called),
        cmocka_unit_test(a_tool_is_asked_twice_only_if_it_says_that_this_is_harmless),
        cmocka_unit_test(methods_that_read_or_set_may_be_asked_twice_and_unknown_ones_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
