/* tests/unit/test_modern.c - the stateless revision on the wire: told apart, checked, translated.
 */
#include "mcp/modern.h"

#include "base/str.h"
#include "mcp/handshake.h"
#include "mcp/json_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/cases.h"

#define META                                                                                       \
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                       \
    "\"io.modelcontextprotocol/clientCapabilities\":{}}"
#define REQUEST(method, params)                                                                    \
    "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"" method "\",\"params\":{" params "}}"

static struct span of(const char *text)
{
    return (struct span){text, text ? strlen(text) : 0};
}

static struct rpc_peek peek_at(const char *json)
{
    struct rpc_peek peek;
    rpc_peek(json, strlen(json), &peek);
    assert_int_not_equal(peek.kind, RPC_INVALID);
    return peek;
}

/* What a writer wrote. */
static void assert_wrote(struct buf *out, bool ok, const char *want)
{
    assert_true(ok);
    assert_string_equal(buf_text(out), want);
    buf_release(out);
}

/* --- text --- */

static void a_string_is_compared_by_what_it_says(void **state)
{
    (void)state;
    assert_true(json_text_equals(of("caf\\u00e9 \\ud83d\\ude00\\n"), of("café 😀\n")));
    assert_true(json_text_same(of("a\\/b"), of("a/\\u0062")));
    assert_false(json_text_same(of("a"), of("A")));
    assert_true(json_text_equals(of("\\ud83d!"), of("\xef\xbf\xbd!")));
    struct buf out = BUF_INIT(100);
    assert_false(json_text_write(&out, of("\\x")));
    assert_false(json_text_write(&out, of("\\u12")));
    buf_release(&out);
}

/* --- eras --- */

static void the_body_tells_the_era_and_else_the_header(void **state)
{
    (void)state;
    struct rpc_peek claims = peek_at(REQUEST("tools/list", META));
    struct rpc_peek silent = peek_at(REQUEST("tools/list", ""));
    assert_true(modern_is(&claims, (struct span){0}));
    assert_true(modern_is(&claims, of("2025-11-25")));
    assert_true(modern_is(&silent, of("2026-07-28")));
    assert_true(modern_is(&silent, of("2027-01-01")));
    static const char *const legacy[] = {"2025-11-25", "2024-11-05", "v999.0.0", "2026-07-2", ""};
    for (size_t i = 0; i < sizeof legacy / sizeof *legacy; i++)
        assert_false(modern_is(&silent, of(legacy[i])));
    assert_false(modern_is(&silent, (struct span){0}));
}

/* --- checks --- */

static struct http_head head_of(const char *const (*headers)[2], size_t count)
{
    struct http_head head = {.count = count};
    for (size_t i = 0; i < count; i++)
        head.headers[i] = (struct http_header){of(headers[i][0]), of(headers[i][1])};
    return head;
}

static int code_with(const char *json, const char *const (*headers)[2], size_t count)
{
    struct rpc_peek peek = peek_at(json);
    struct http_head head = head_of(headers, count);
    struct modern_fault fault;
    bool ok = modern_check(&peek, &head, &fault);
    if (!ok)
        assert_int_equal(fault.http, 400);
    return ok ? 0 : fault.code;
}

static int code_without_headers(const char *json)
{
    struct rpc_peek peek = peek_at(json);
    struct modern_fault fault;
    return modern_check(&peek, NULL, &fault) ? 0 : fault.code;
}

static void the_required_meta_must_be_there(void **state)
{
    (void)state;
    assert_int_equal(code_without_headers(REQUEST("tools/list", META)), 0);
    assert_int_equal(code_without_headers(REQUEST("tools/list", "")), -32602);
    assert_int_equal(code_without_headers(REQUEST("tools/list", "\"_meta\":7")), -32602);
    assert_int_equal(
        code_without_headers(REQUEST("tools/list", "\"_meta\":{\"io.modelcontextprotocol/"
                                                   "protocolVersion\":\"2026-07-28\"}")),
        -32602);
    assert_int_equal(
        code_without_headers(REQUEST("tools/list", "\"_meta\":{\"io.modelcontextprotocol/"
                                                   "protocolVersion\":\"2026-07-28\",\"io."
                                                   "modelcontextprotocol/clientCapabilities\":1}")),
        -32602);
}

static void headers_must_mirror_the_body(void **state)
{
    (void)state;
    static const char call[] = REQUEST("tools/call", "\"name\":\"caf\\u00e9\"," META);
    static const char read[] = REQUEST("resources/read", "\"uri\":\"a:b\"," META);
    static const struct {
        const char *json, *version, *method, *name;
        int code;
    } cases[] = {
        {call, "2026-07-28", "tools/call", "=?base64?Y2Fmw6k=?=", 0},
        {call, "2026-07-28", "tools/call", "=?base64?Y2Fmw6l=?=", -32020}, /* not canonical */
        {call, "2026-07-28", "tools/call", "=?base64?Y2Fmw6k?=", -32020},
        {call, "2026-07-28", "tools/call", "cafe", -32020},
        {call, "2026-07-28", "tools/Call", "=?base64?Y2Fmw6k=?=", -32020},
        {call, "2025-11-25", "tools/call", "=?base64?Y2Fmw6k=?=", -32020},
        {read, "2026-07-28", "resources/read", "a:b", 0},
        {read, "2026-07-28", "resources/read", "a:c", -32020},
        {REQUEST("prompts/get", "\"name\":\"p\"," META), "2026-07-28", "prompts/get", "p", 0},
        {REQUEST("prompts/get", "\"name\":\"p\"," META), "2026-07-28", "prompts/get", "q", -32020},
        {REQUEST("tools/list", META), "2026-07-28", "tools/list", "whatever", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const headers[][2] = {{"mcp-protocol-version", cases[i].version},
                                          {"MCP-METHOD", cases[i].method},
                                          {"Mcp-Name", cases[i].name}};
        if (code_with(cases[i].json, headers, 3) != cases[i].code)
            fail_msg("case %zu", i);
    }
    const char *const good[][2] = {{"MCP-Protocol-Version", "2026-07-28"},
                                   {"Mcp-Method", "resources/read"},
                                   {"Mcp-Name", "a:b"},
                                   {"mcp-name", "a:b"}};
    assert_int_equal(code_with(read, good, 3), 0);
    assert_int_equal(code_with(read, good, 2), -32020);     /* one is missing */
    assert_int_equal(code_with(read, good + 1, 2), -32020); /* so is one here */
    assert_int_equal(code_with(read, good, 4), -32020);     /* readers could differ about two */
}

static void an_unknown_version_is_told_which_there_are(void **state)
{
    (void)state;
    static const char json[] = REQUEST(
        "tools/list", "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2027-01-01\","
                      "\"io.modelcontextprotocol/clientCapabilities\":{}}");
    struct rpc_peek peek = peek_at(json);
    struct modern_fault fault;
    struct buf out = BUF_INIT(1000);
    assert_false(modern_check(&peek, NULL, &fault));
    assert_wrote(&out, modern_write_fault(&out, peek.id, &fault),
                 "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32022,\"message\":"
                 "\"Unsupported protocol version\",\"data\":{\"supported\":[\"2026-07-28\"],"
                 "\"requested\":\"2027-01-01\"}}}");
}

static void methods_are_told_apart_and_errors_have_a_status(void **state)
{
    (void)state;
    assert_int_equal(modern_method_of(of("ping")), MODERN_REMOVED);
    assert_int_equal(modern_method_of(of("initialize")), MODERN_REMOVED);
    assert_int_equal(modern_method_of(of("server\\/discover")), MODERN_DISCOVER);
    assert_int_equal(modern_method_of(of("subscriptions/listen")), MODERN_LISTEN);
    assert_int_equal(modern_method_of(of("resources/read")), MODERN_CACHED);
    assert_int_equal(modern_method_of(of("tools/call")), MODERN_OTHER);
    assert_int_equal(modern_http_status(0), 200);
    assert_int_equal(modern_http_status(-32601), 404);
    assert_int_equal(modern_http_status(MODERN_MISSING_CAPABILITY), 400);
    assert_int_equal(modern_http_status(-31004), 200);
}

/* --- translation --- */

static void a_request_loses_what_a_legacy_server_cannot_know(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {REQUEST("tools/call", "\"name\":\"a\",\"requestState\":\"s\",\"inputResponses\":{},"
                               "\"arguments\":{\"requestState\":1}," META),
         "{\"jsonrpc\":\"2.0\",\"id\":\"u\",\"method\":\"tools/call\",\"params\":{\"name\":\"a\","
         "\"arguments\":{\"requestState\":1}}}"},
        {REQUEST("tools/list", "\"_meta\":{\"x/y\":{\"z\":1},\"progressToken\":0,"
                               "\"io.modelcontextprotocol/logLevel\":\"debug\","
                               "\"io.modelcontextprotocol\\/clientInfo\":{}},\"cursor\":\"c\""),
         "{\"jsonrpc\":\"2.0\",\"id\":\"u\",\"method\":\"tools/list\",\"params\":{\"_meta\":"
         "{\"x/y\":{\"z\":1},\"progressToken\":\"u\"},\"cursor\":\"c\"}}"},
        {REQUEST("a/b", META),
         "{\"jsonrpc\":\"2.0\",\"id\":\"u\",\"method\":\"a/b\",\"params\":{}}"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a/b\"}",
         "{\"jsonrpc\":\"2.0\",\"id\":\"u\",\"method\":\"a/b\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rpc_peek peek = peek_at(cases[i].in);
        struct buf out = BUF_INIT(1000);
        assert_wrote(&out, modern_write_legacy(&out, &peek, of("\"u\"")), cases[i].out);
    }
}

static void an_answer_gets_what_the_revision_requires(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        bool is_cached;
        const char *out;
        int code;
    } cases[] = {
        {"{\"jsonrpc\":\"2.0\",\"id\":\"u\",\"result\":{}}", false,
         "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"resultType\":\"complete\"}}", 0},
        {"{\"result\":{ \"a\" : [1, 2] },\"jsonrpc\":\"2.0\",\"id\":\"u\"}", true,
         "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"a\":[1, 2],\"resultType\":\"complete\","
         "\"ttlMs\":0,\"cacheScope\":\"private\"}}",
         0},
        {"{\"result\":{\"ttlMs\":9,\"resultType\":\"input_required\",\"cacheScope\":\"public\"}}",
         true,
         "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"resultType\":\"input_required\",\"ttlMs\":0,"
         "\"cacheScope\":\"private\"}}",
         0},
        {"{\"id\":\"u\",\"error\":{\"code\":-32002,\"message\":\"no\",\"data\":{\"uri\":1}}}", true,
         "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32602,\"message\":\"no\",\"data\":"
         "{\"uri\":1}}}",
         -32002},
        {"{\"id\":\"u\",\"error\":{\"code\":-32601,\"message\":\"no\"}}", false,
         "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32601,\"message\":\"no\"}}", -32601},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = BUF_INIT(1000);
        int code = 1;
        bool ok = modern_write_answer(&out, of(cases[i].in), of("7"), cases[i].is_cached, &code);
        assert_wrote(&out, ok, cases[i].out);
        assert_int_equal(code, cases[i].code);
    }
}

static void what_does_not_fit_is_not_written_in_part(void **state)
{
    (void)state;
    struct rpc_peek peek = peek_at(REQUEST("tools/list", "\"cursor\":\"c\"," META));
    struct buf out = BUF_INIT(60);
    int code;
    assert_true(buf_add_str(&out, "x"));
    assert_false(modern_write_legacy(&out, &peek, of("\"a long id that takes much room\"")));
    assert_false(modern_write_answer(&out, of("{\"result\":{\"a\":1}}"), of("7"), true, &code));
    assert_false(modern_write_answer(&out, of("{\"id\":1}"), of("7"), true, &code));
    assert_false(modern_write_answer(&out, of("{\"error\":7}"), of("7"), true, &code));
    assert_false(modern_write_tagged(&out, of("{\"jsonrpc\":\"2.0\",\"method\":\"a\"}"), of("7")));
    assert_string_equal(buf_text(&out), "x");
    buf_release(&out);
}

static void progress_goes_back_under_the_clients_token(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1000);
    assert_wrote(&out,
                 modern_write_progress(
                     &out,
                     of("{\"method\":\"notifications/progress\",\"params\":{\"progress\":1,"
                        "\"progressToken\":\"u\",\"total\":2},\"jsonrpc\":\"2.0\"}"),
                     of("5")),
                 "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":"
                 "{\"progress\":1,\"progressToken\":5,\"total\":2}}");
    assert_true(modern_level_reaches(of("\"error\""), of("\"warning\"")));
    assert_true(modern_level_reaches(of("\"warning\""), of("\"warning\"")));
    assert_false(modern_level_reaches(of("\"info\""), of("\"warning\"")));
    assert_false(modern_level_reaches(of("\"info\""), of("\"loud\"")));
}

/* --- cases: what becomes of a message on its way to the other era --- */

static bool dump_translated(const char *in, size_t n, struct buf *out, struct err *err)
{
    struct rpc_peek peek;
    int code;
    rpc_peek(in, n, &peek);
    switch (peek.kind) {
    case RPC_REQUEST:
        return modern_write_legacy(out, &peek, of("\"u\"")) ||
               err_set(err, ERR_PARSE, 0, "no request");
    case RPC_RESPONSE:
        return modern_write_answer(out, (struct span){in, n}, of("7"), true, &code) ||
               err_set(err, ERR_PARSE, 0, "no answer");
    default:
        return modern_write_tagged(out, (struct span){in, n}, of("7")) ||
               err_set(err, ERR_PARSE, 0, "no notification");
    }
}

static void each_case_is_translated_as_it_says(void **state)
{
    (void)state;
    cases_run("modern", "", dump_translated);
}

/* --- listen --- */

static void a_filter_wants_what_it_names(void **state)
{
    (void)state;
    struct span filter = of("{\"toolsListChanged\":true,\"promptsListChanged\":false,"
                            "\"resourceSubscriptions\":[\"a:b\",\"c:\\u00e9\"]}");
    static const struct {
        const char *json;
        bool wanted;
    } cases[] = {
        {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}", true},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/prompts/list_changed\"}", false},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/list_changed\"}", false},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":"
         "{\"uri\":\"c:é\"}}",
         true},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":"
         "{\"uri\":\"a:c\"}}",
         false},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rpc_peek peek = peek_at(cases[i].json);
        assert_int_equal(modern_listen_wants(filter, &peek), cases[i].wanted);
    }
}

static void what_is_said_on_a_listen_stream_is_tagged(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1000);
    assert_wrote(&out,
                 modern_write_acknowledged(
                     &out, of("\"l\""),
                     of("{\"toolsListChanged\":true,\"promptsListChanged\":false,\"other\":true,"
                        "\"resourceSubscriptions\":[\"a:b\"]}")),
                 "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\","
                 "\"params\":{\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":\"l\"},"
                 "\"notifications\":{\"toolsListChanged\":true,\"resourceSubscriptions\":"
                 "[\"a:b\"]}}}");
    out.cap = 1000;
    assert_wrote(&out,
                 modern_write_tagged(&out, of("{\"jsonrpc\":\"2.0\",\"method\":\"n/a\"}"), of("1")),
                 "{\"jsonrpc\":\"2.0\",\"method\":\"n/a\",\"params\":{\"_meta\":"
                 "{\"io.modelcontextprotocol/subscriptionId\":1}}}");
    assert_wrote(&out,
                 modern_write_tagged(
                     &out,
                     of("{\"jsonrpc\":\"2.0\",\"method\":\"n/a\",\"params\":{\"_meta\":{\"x\":1,"
                        "\"io.modelcontextprotocol/subscriptionId\":9},\"uri\":\"u\"}}"),
                     of("1")),
                 "{\"jsonrpc\":\"2.0\",\"method\":\"n/a\",\"params\":{\"_meta\":{\"x\":1,"
                 "\"io.modelcontextprotocol/subscriptionId\":1},\"uri\":\"u\"}}");
    assert_wrote(&out, modern_write_listen_end(&out, of("1")),
                 "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":\"complete\","
                 "\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":1}}}");
}

static void discover_is_answered_out_of_either_handshake(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(2000);
    assert_wrote(
        &out,
        handshake_discover(&out,
                           of("{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{},"
                              "\"tasks\":{}},\"serverInfo\":{\"name\":\"s\",\"version\":\"1\"}}"),
                           of("7"), "note"),
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"capabilities\":{\"tools\":{\"listChanged\":"
        "true}},\"instructions\":\"note\",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":"
        "{\"name\":\"s\",\"version\":\"1\"}},\"supportedVersions\":[\"2026-07-28\"],"
        "\"resultType\":\"complete\",\"ttlMs\":0,\"cacheScope\":\"private\"}}");
    assert_false(handshake_discover(&out, of("{}"), of("7"), "note"));
    assert_false(handshake_discover(&out, of("7"), of("7"), "note"));
    buf_release(&out);
    char *params = handshake_params(of("{\"name\":\"c\"}"));
    assert_string_equal(params, "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},"
                                "\"clientInfo\":{\"name\":\"c\"}}");
    free(params);
}

static void requests_of_our_own_say_all_that_is_required(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1000);
    struct buf message = BUF_INIT(2000);
    struct modern_fault fault;
    assert_true(modern_write_params(&out, of("{\"cursor\":1}"), of("{\"roots\":{}}")));
    assert_true(buf_printf(
        &message, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"params\":%s}", buf_text(&out)));
    struct rpc_peek peek = peek_at(buf_text(&message));
    assert_true(modern_check(&peek, NULL, &fault));
    assert_non_null(strstr(buf_text(&message), "clientCapabilities\":{\"roots\":{}}"));
    assert_true(span_is(rpc_member(peek.params, "cursor"), "1"));
    buf_release(&out);
    buf_release(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_string_is_compared_by_what_it_says),
        cmocka_unit_test(the_body_tells_the_era_and_else_the_header),
        cmocka_unit_test(the_required_meta_must_be_there),
        cmocka_unit_test(headers_must_mirror_the_body),
        cmocka_unit_test(an_unknown_version_is_told_which_there_are),
        cmocka_unit_test(methods_are_told_apart_and_errors_have_a_status),
        cmocka_unit_test(a_request_loses_what_a_legacy_server_cannot_know),
        cmocka_unit_test(an_answer_gets_what_the_revision_requires),
        cmocka_unit_test(what_does_not_fit_is_not_written_in_part),
        cmocka_unit_test(progress_goes_back_under_the_clients_token),
        cmocka_unit_test(each_case_is_translated_as_it_says),
        cmocka_unit_test(a_filter_wants_what_it_names),
        cmocka_unit_test(what_is_said_on_a_listen_stream_is_tagged),
        cmocka_unit_test(discover_is_answered_out_of_either_handshake),
        cmocka_unit_test(requests_of_our_own_say_all_that_is_required),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
