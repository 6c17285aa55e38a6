/* What the answer to a call of poold's own says: mcp/tool_result.c. */
#include "mcp/tool_result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum tool_verdict judge(const char *json, char text[64])
{
    return tool_result_judge(json, strlen(json), text, 64);
}

static void a_result_is_judged_by_isError_and_its_first_lines(void **state)
{
    (void)state;
    char text[64];
    assert_int_equal(
        judge("{\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"[]\"}],"
              "\"isError\":false}}",
              text),
        TOOL_WORKS);
    assert_string_equal(text, "");
    assert_int_equal(
        judge("{\"result\":{\"isError\":true,\"content\":"
              "[{\"text\":\"no \\\"ls\\\"\\n\\r\\n2\\n3\\n4\"}]}}",
              text),
        TOOL_FAILS);
    assert_string_equal(text, "no \"ls\" 2 3");
    assert_int_equal(judge("{\"result\" : { \"content\" : [ {\"x\":{\"text\":\"Error\"},"
                           "\"text\":\"Error executing tool f: gone\"} ] } }",
                           text),
                     TOOL_FAILS);
    assert_string_equal(text, "Error executing tool f: gone");
    assert_int_equal(judge("{\"result\":{\"content\":[]}}", text), TOOL_WORKS);
    assert_int_equal(judge("{\"result\":{\"isError\":true}}", text), TOOL_FAILS);
    assert_int_equal(judge("{\"error\":{\"code\":-32602,\"message\":\"no tool x\"}}", text),
                     TOOL_REFUSED);
    assert_string_equal(text, "no tool x");
}

static void broken_json_is_judged_without_reading_past_it(void **state)
{
    (void)state;
    static const char whole[] =
        "{\"a\":[1,{\"b\":\"\\\"}\"}],\"result\":{\"content\":[{\"text\":\"Error \\u00e4\\\\\"}],"
        "\"isError\":true}}";
    for (size_t n = 0; n < sizeof whole; n++) {
        char *exact = malloc(n ? n : 1), text[64]; /* so that the sanitizer sees each step beyond */
        memcpy(exact, whole, n);
        tool_result_judge(exact, n, text, sizeof text);
        assert_true(strlen(text) < sizeof text);
        free(exact);
    }
}


int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_is_judged_by_isError_and_its_first_lines),
        cmocka_unit_test(broken_json_is_judged_without_reading_past_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
