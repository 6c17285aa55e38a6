/* Three tools in the place of many: mcp/lean.c. */
#include "mcp/lean.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char tools[] =
    "{\"tools\":["
    "{\"name\":\"read_file\",\"description\":\"Reads a file.\\nAll of it.\",\"inputSchema\":"
    "{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\"},\"lines\":{}},"
    "\"required\":[\"path\"]}},"
    "{\"name\":\"find_symbol\",\"description\":\"Finds a symbol in the project's files.\"},"
    "{\"name\":\"think\"}]}";

static struct span of(const char *text)
{
    return (struct span){text, strlen(text)};
}

static char *answer(enum lean_tool tool, const char *params)
{
    struct buf out = BUF_INIT(1 << 20);
    assert_true(lean_write_answer(&out, tool, of("7"), of(params), of(tools)));
    assert_true(buf_add(&out, "", 1));
    return buf_take(&out);
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text);
}

static void the_list_is_three_tools_under_the_id_of_the_request(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1 << 20);
    assert_true(lean_write_list(&out, of("\"a\"")));
    assert_true(buf_add(&out, "", 1));
    assert_memory_equal(out.data, "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"result\":{\"tools\":[", 44);
    assert_has(out.data, "\"search_tools\"");
    assert_has(out.data, "\"describe_tool\"");
    assert_has(out.data, "\"call_tool\"");
    assert_true(out.len < 1200);
    assert_int_equal(lean_tool_of(of("call_tool")), LEAN_CALL);
    assert_int_equal(lean_tool_of(of("read_file")), LEAN_NONE);
    buf_release(&out);
}

static void a_search_names_what_fits_best_first_with_its_arguments(void **state)
{
    (void)state;
    char *text = answer(LEAN_SEARCH, "{\"arguments\":{\"query\":\"read some file\"}}");
    assert_has(text, "2 of 3 tools:\\n- read_file(path, lines?): Reads a file.\\n- find_symbol()");
    assert_null(strstr(text, "think"));
    free(text);
    text = answer(LEAN_SEARCH, "{\"arguments\":{\"query\":\"file\",\"limit\":1}}");
    assert_has(text, "1 of 3 tools (the best; raise limit for more):\\n- read_file");
    assert_null(strstr(text, "find_symbol"));
    free(text);
    text = answer(LEAN_SEARCH, "{}");
    assert_has(text, "3 of 3 tools");
    assert_has(text, "- think()\\n");
    free(text);
    text = answer(LEAN_SEARCH, "{\"arguments\":{\"query\":\"weather\"}}");
    assert_has(text, "None of the 3 tools fits");
    free(text);
}

static void a_description_is_the_whole_definition_or_a_tool_error(void **state)
{
    (void)state;
    char *text = answer(LEAN_DESCRIBE, "{\"arguments\":{\"name\":\"read_file\"}}");
    assert_has(text, "\\\"required\\\":[\\\"path\\\"]");
    assert_null(strstr(text, "isError"));
    free(text);
    text = answer(LEAN_DESCRIBE, "{\"arguments\":{\"name\":\"rm\"}}");
    assert_has(text, "There is no tool \\\"rm\\\"");
    assert_has(text, "\"isError\":true");
    free(text);
}

/* What call is turned into, or NULL with the err in why. */
static char *unwrap(const char *call, char why[300])
{
    struct buf out = BUF_INIT(1 << 20);
    struct rpc_peek peek;
    struct span name;
    struct err err = {0};
    rpc_peek(call, strlen(call), &peek);
    if (!lean_unwrap(&out, of(call), &peek, &name, &err)) {
        strncpy(why, err_text(&err), 299);
        buf_release(&out);
        return NULL;
    }
    assert_true(name.p > out.data && name.p < out.data + out.len);
    assert_true(buf_add(&out, "", 1));
    return buf_take(&out);
}

static void a_call_becomes_the_call_of_the_tool_that_it_names(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/"
         "call\",\"params\":{\"name\":\"call_tool\","
         "\"arguments\":{\"name\":\"read_file\",\"arguments\":{\"path\":\"a\"}},"
         "\"_meta\":{\"progressToken\":0}}}",
         "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/"
         "call\",\"params\":{\"name\":\"read_file\","
         "\"arguments\":{\"path\":\"a\"},\"_meta\":{\"progressToken\":0}}}"},
        {"{\"jsonrpc\":\"2.0\",\"params\":{\"arguments\":{\"arguments\":\"{\\\"x\\\": 1}\","
         "\"name\":\"t\"},\"name\":\"call_tool\"},\"id\":\"a\",\"method\":\"tools/call\"}",
         "{\"jsonrpc\":\"2.0\",\"params\":{\"arguments\":{\"x\":1},\"name\":\"t\"},\"id\":\"a\","
         "\"method\":\"tools/call\"}"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/"
         "call\",\"params\":{\"name\":\"call_tool\","
         "\"arguments\":{\"name\":\"think\"}}}",
         "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"think\","
         "\"arguments\":{}}}"},
    };
    char why[300];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *out = unwrap(cases[i][0], why);
        assert_non_null(out);
        assert_string_equal(out, cases[i][1]);
        free(out);
    }
}

static void a_call_that_names_no_tool_says_what_is_missing(void **state)
{
    (void)state;
    char why[300] = "";
    assert_null(unwrap("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":"
                       "{\"name\":\"call_tool\",\"arguments\":{\"tool\":\"x\"}}}",
                       why));
    assert_has(why, "call_tool needs");
    assert_null(unwrap("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":"
                       "{\"name\":\"call_tool\"}}",
                       why));
    assert_null(unwrap("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":"
                       "{\"name\":\"call_tool\",\"arguments\":{\"name\":\"x\",\"arguments\":[1]}}}",
                       why));
    assert_has(why, "must be an object");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_is_three_tools_under_the_id_of_the_request),
        cmocka_unit_test(a_search_names_what_fits_best_first_with_its_arguments),
        cmocka_unit_test(a_description_is_the_whole_definition_or_a_tool_error),
        cmocka_unit_test(a_call_becomes_the_call_of_the_tool_that_it_names),
        cmocka_unit_test(a_call_that_names_no_tool_says_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
