/* test_cut.c - mcp/cut.h: whose answer was too long? */
#include "mcp/cut.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

static struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

static void the_id_is_found_on_either_side(void **state)
{
    (void)state;
    static const struct {
        const char *start, *end, *id;
    } cases[] = {
        {"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[{\"text\":\"aa", "aa\"}]}}", "7"},
        {"{\"id\": \"poold.1.x.n7\" , \"result\":{\"a\":\"", "\"}}", "\"poold.1.x.n7\""},
        {"{\"result\":{\"content\":[{\"text\":\"aa", "aa\"}]},\"jsonrpc\":\"2.0\",\"id\":7}", "7"},
        {"{\"error\":{\"message\":\"aa", "aa\"}, \"id\": \"x\", \"jsonrpc\":\"2.0\"} ", "\"x\""},
        /* what only looks like it */
        {"{\"result\":{\"a\":\"aa", "aa\",\"id\":8}}", NULL},
        {"{\"result\":{\"a\":\"aa", "aa\",\"id\":8},\"id\":9}", "9"},
        {"{\"result\":{\"a\":\"aa", "aa,\\\"id\\\":8}\"}}", NULL},
        {"{\"result\":{\"a\":\"aa", "a\"},\"id\":9,\"x\":{\"y\":1,\"id\":8}}", "9"},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"a\":\"aa", "aa\"},\"id\":9}", NULL},
        {"{\"params\":{\"a\":\"aa", "aa\"},\"id\":9,\"method\":\"m\"}", NULL},
        {"{\"jsonrpc\":\"2.0\",\"id\":12", "45}", NULL}, /* it may go on in between */
        {"aaaa", "aaaa", NULL},
        {"", "", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span id = {0};
        bool found = cut_answer_id(span_of(cases[i].start), span_of(cases[i].end), &id);
        assert_int_equal(found, cases[i].id != NULL);
        if (found)
            assert_true(span_is(id, cases[i].id));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_id_is_found_on_either_side)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
