/* tests/unit/test_modern_upgrade.c - legacy messages for a stateless server, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "mcp/modern_upgrade.h"

#include <string.h>

static struct span text_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

#define INITIALIZE "{\"capabilities\":{\"roots\":{}},\"clientInfo\":{\"name\":\"c\"}}"
static const struct upgrade_client client = {.initialize = {INITIALIZE, sizeof INITIALIZE - 1},
                                             .level = "\"info\""};

#define META                                                                                       \
    "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                                  \
    "\"io.modelcontextprotocol/clientInfo\":{\"name\":\"c\"},"                                     \
    "\"io.modelcontextprotocol/clientCapabilities\":{\"roots\":{}},"                               \
    "\"io.modelcontextprotocol/logLevel\":\"info\""

static void assert_upgraded(const char *message, const struct upgrade_retry *retry,
                            const char *want)
{
    struct buf out = BUF_INIT(4096);
    struct rpc_peek peek;
    rpc_peek(message, strlen(message), &peek);
    assert_true(upgrade_write_request(&out, &peek, text_of("9"), &client, retry));
    assert_string_equal(buf_text(&out), want);
    buf_release(&out);
}

static void a_request_gets_what_the_revision_requires_and_keeps_the_rest(void **state)
{
    (void)state;
    const struct upgrade_retry none = {0};
    assert_upgraded("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}", &none,
                    "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"tools/list\",\"params\":{\"_meta\":"
                    "{" META "}}}");
    assert_upgraded("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"_meta\":"
                    "{\"progressToken\":\"t\"},\"name\":\"x\"}}",
                    &none,
                    "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"tools/call\",\"params\":{\"name\":"
                    "\"x\",\"_meta\":{\"progressToken\":\"t\"," META "}}}");
}

static void a_repeated_request_carries_the_answers_and_the_state(void **state)
{
    (void)state;
    const struct upgrade_retry retry = {.responses = text_of("{\"r\":{}}"),
                                        .state = text_of("\"s\"")};
    assert_upgraded("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{\"a\":1}}", &retry,
                    "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"m\",\"params\":{\"a\":1,"
                    "\"inputResponses\":{\"r\":{}},\"requestState\":\"s\",\"_meta\":{" META "}}}");
}

static void assert_headers(const char *message, const char *want)
{
    struct buf out = BUF_INIT(4096);
    struct rpc_peek peek;
    rpc_peek(message, strlen(message), &peek);
    assert_true(upgrade_write_headers(&out, &peek));
    assert_string_equal(buf_text(&out), want);
    buf_release(&out);
}

static void headers_mirror_it_and_code_what_no_header_carries(void **state)
{
    (void)state;
    assert_headers("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools\\/list\"}",
                   "Mcp-Method: tools/list\r\n");
    assert_headers("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"resources/read\",\"params\":"
                   "{\"uri\":\"file:///a\"}}",
                   "Mcp-Method: resources/read\r\nMcp-Name: file:///a\r\n");
    assert_headers("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":"
                   "{\"name\":\"\\u00e9\"}}",
                   "Mcp-Method: tools/call\r\nMcp-Name: =?base64?w6k=?=\r\n");
    assert_headers("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":"
                   "{\"name\":\"a\\r\\nX: y\"}}",
                   "Mcp-Method: tools/call\r\nMcp-Name: =?base64?YQ0KWDogeQ==?=\r\n");
    assert_headers("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":"
                   "{\"name\":\"=?x\"}}",
                   "Mcp-Method: tools/call\r\nMcp-Name: =?base64?PT94?=\r\n");
}

static void a_method_that_would_end_its_line_is_refused(void **state)
{
    (void)state;
    static const char *const methods[] = {"a\\r\\nX-Evil: 1", "a b", "\\u00e9", ""};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        struct buf out = BUF_INIT(4096);
        const struct rpc_peek peek = {.method = text_of(methods[i])};
        assert_false(upgrade_write_headers(&out, &peek));
        assert_int_equal(out.len, 0);
        buf_release(&out);
    }
}

static void an_answer_loses_what_the_revision_added(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    assert_true(upgrade_write_answer(
        &out,
        text_of("{\"id\":9,\"result\":{\"resultType\":\"complete\",\"tools\":[{\"ttlMs\":1}],"
                "\"ttlMs\":0,\"cacheScope\":\"private\",\"_meta\":{}}}"),
        text_of("\"mine\"")));
    assert_string_equal(buf_text(&out), "{\"jsonrpc\":\"2.0\",\"id\":\"mine\",\"result\":"
                                        "{\"tools\":[{\"ttlMs\":1}],\"_meta\":{}}}");
    buf_release(&out);
    assert_true(
        upgrade_write_answer(&out, text_of("{\"id\":9,\"error\":{\"code\":-1}}"), text_of("7")));
    assert_string_equal(buf_text(&out), "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-1}}");
    buf_release(&out);
    assert_false(upgrade_write_answer(&out, text_of("{\"id\":9}"), text_of("7")));
    assert_int_equal(out.len, 0);
    buf_release(&out);
}

static void a_notification_loses_its_tag(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    assert_true(upgrade_write_notification(
        &out, text_of("{\"jsonrpc\":\"2.0\",\"method\":\"n\",\"params\":{\"_meta\":"
                      "{\"io.modelcontextprotocol/subscriptionId\":1},\"uri\":\"u\"}}")));
    assert_string_equal(buf_text(&out),
                        "{\"jsonrpc\":\"2.0\",\"method\":\"n\",\"params\":{\"uri\":\"u\"}}");
    buf_release(&out);
}

static void what_asks_for_input_is_known(void **state)
{
    (void)state;
    assert_true(upgrade_asks(text_of("{\"id\":1,\"result\":{\"resultType\":\"input_required\"}}")));
    assert_false(upgrade_asks(text_of("{\"id\":1,\"result\":{\"resultType\":\"complete\"}}")));
    assert_false(upgrade_asks(text_of("{\"id\":1,\"error\":{}}")));
}

static void a_listen_request_names_what_is_followed(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    char *uris[] = {(char[]){"\"a:1\""}, (char[]){"\"a:2\""}};
    assert_true(upgrade_write_listen(&out, "\"l\"", &client, uris, 2));
    assert_string_equal(
        buf_text(&out),
        "{\"jsonrpc\":\"2.0\",\"id\":\"l\",\"method\":\"subscriptions/listen\",\"params\":{"
        "\"notifications\":{\"toolsListChanged\":true,\"promptsListChanged\":true,"
        "\"resourcesListChanged\":true,\"resourceSubscriptions\":[\"a:1\",\"a:2\"]},\"_meta\":"
        "{" META "}}}");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_gets_what_the_revision_requires_and_keeps_the_rest),
        cmocka_unit_test(a_repeated_request_carries_the_answers_and_the_state),
        cmocka_unit_test(headers_mirror_it_and_code_what_no_header_carries),
        cmocka_unit_test(a_method_that_would_end_its_line_is_refused),
        cmocka_unit_test(an_answer_loses_what_the_revision_added),
        cmocka_unit_test(a_notification_loses_its_tag),
        cmocka_unit_test(what_asks_for_input_is_known),
        cmocka_unit_test(a_listen_request_names_what_is_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
