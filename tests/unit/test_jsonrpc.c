/* tests/unit/test_jsonrpc.c - what the peek sees in messages, and what poold writes itself. */
#include "mcp/json_scan.h"
#include "mcp/jsonrpc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <jansson.h>

#include "tests/unit/cases.h"

static struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

static void dump_span(struct buf *out, const char *name, struct span s)
{
    if (s.n)
        assert_true(buf_printf(out, "%s %.*s\n", name, (int)s.n, s.p));
}

/* However a message is cut: once decided, the answer stays. */
static int is_response_cut_anywhere(const char *in, size_t n)
{
    int decided = -1;
    for (size_t part = 0; part <= n; part++) {
        char *exact = xmalloc(part);
        memcpy(exact, in, part);
        int now = rpc_is_response(exact, part);
        free(exact);
        if (decided != -1)
            assert_int_equal(now, decided);
        decided = now;
    }
    return decided;
}

static bool dump_peek(const char *in, size_t n, struct buf *out, struct err *err)
{
    static const char *const kinds[] = {"invalid", "request", "notification", "response", "batch"};
    (void)err;
    struct rpc_peek p;
    rpc_peek(in, n, &p);
    assert_true(buf_printf(out, "kind %s\n", kinds[p.kind]));
    dump_span(out, "id", p.id);
    dump_span(out, "method", p.method);
    dump_span(out, "params", p.params);
    dump_span(out, "token", p.progress_token);
    dump_span(out, "progress-of", p.progress_of);
    dump_span(out, "protocol", p.protocol);
    dump_span(out, "tool", p.tool);
    assert_true(buf_printf(out, "%s", p.is_modern ? "modern\n" : ""));
    assert_true(buf_printf(out, "%s", p.is_error ? "error\n" : ""));
    int is_response = is_response_cut_anywhere(in, n);
    if (p.kind != RPC_INVALID)
        assert_int_equal(is_response, p.kind == RPC_RESPONSE);
    struct span element;
    const char *at = in;
    while (p.kind == RPC_BATCH && rpc_batch_next(&at, in + n, &element))
        dump_span(out, "element", element);
    return true;
}

static void every_message_case_is_seen_as_its_files_say(void **state)
{
    (void)state;
    cases_run("jsonrpc", "", dump_peek);
}

static enum rpc_kind kind_of(const char *json)
{
    struct rpc_peek p;
    rpc_peek(json, strlen(json), &p);
    return p.kind;
}

static void no_bytes_at_all_are_no_message(void **state)
{
    (void)state;
    struct rpc_peek p;
    rpc_peek(NULL, 0, &p);
    assert_int_equal(p.kind, RPC_INVALID);
    assert_int_equal(rpc_is_response(NULL, 0), -1);
}

static void every_cut_of_a_message_is_invalid(void **state)
{
    (void)state;
    static const char text[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\\\"b\",\"params\":"
                               "{\"_meta\":{\"progressToken\":[]},\"name\":{\"x\":[1,{}]}}}";
    assert_int_equal(kind_of(text), RPC_REQUEST);
    for (size_t n = 0; n < sizeof text - 1; n++) {
        char *exact = xmalloc(n);
        memcpy(exact, text, n);
        struct rpc_peek p;
        rpc_peek(exact, n, &p);
        assert_int_equal(p.kind, RPC_INVALID);
        assert_int_equal(p.id.n + p.method.n + p.params.n, 0); /* nothing half-read is left */
        free(exact);
    }
}

/* {"jsonrpc":"2.0","method":"m","params":[[[...]]]}, the brackets `depth` deep in all. */
static enum rpc_kind kind_at_depth(size_t depth)
{
    struct buf b = BUF_INIT(1 << 20);
    assert_true(buf_add_str(&b, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":"));
    for (size_t i = 1; i < depth; i++)
        assert_true(buf_add_str(&b, "["));
    for (size_t i = 1; i < depth; i++)
        assert_true(buf_add_str(&b, "]"));
    assert_true(buf_add_str(&b, "}"));
    enum rpc_kind kind = kind_of(buf_text(&b));
    buf_release(&b);
    return kind;
}

static void nesting_of_512_is_taken_and_513_is_refused(void **state)
{
    (void)state;
    assert_int_equal(kind_at_depth(JSON_DEPTH_CAP), RPC_NOTIFICATION);
    assert_int_equal(kind_at_depth(JSON_DEPTH_CAP + 1), RPC_INVALID);
}

static void a_hostile_nesting_of_a_million_ends_early(void **state)
{
    (void)state;
    char *deep = xmalloc(1000000);
    memset(deep, '[', 1000000);
    struct rpc_peek p;
    rpc_peek(deep, 1000000, &p);
    assert_int_equal(p.kind, RPC_INVALID);
    free(deep);
}

static void every_control_byte_in_a_string_is_refused(void **state)
{
    (void)state;
    char text[] = "{\"jsonrpc\":\"2.0\",\"method\":\"m\","
                  "\"params\":{\"a\":\"123456789_123456789_\"}}";
    char *first = strchr(text, '1');
    for (size_t at = 0; at < 20; at++) {
        for (int c = 1; c < 0x20; c++) {
            char was = first[at];
            first[at] = (char)c;
            assert_int_equal(kind_of(text), RPC_INVALID);
            first[at] = was;
        }
    }
    assert_int_equal(kind_of(text), RPC_NOTIFICATION);
}

static void raw_text_compares_with_its_escapes_resolved(void **state)
{
    (void)state;
    assert_true(rpc_text_is(span_of("tools/call"), "tools/call"));
    assert_true(rpc_text_is(span_of("tools\\/call"), "tools/call"));
    assert_true(rpc_text_is(span_of("\\u0074ools\\u002Fcall"), "tools/call"));
    assert_true(rpc_text_is(span_of("\\\"\\\\\\b\\f\\n\\r\\t"), "\"\\\b\f\n\r\t"));
    assert_false(rpc_text_is(span_of("tools\\/cal"), "tools/call"));
    assert_false(rpc_text_is(span_of("tools\\/calls"), "tools/call"));
    assert_false(rpc_text_is(span_of("tools\\x2fcall"), "tools/call"));
    assert_false(rpc_text_is(span_of("\\u00"), "tools/call"));
    assert_false(rpc_text_is(span_of("\\"), "tools/call"));
    assert_false(rpc_text_is(span_of("\\u0174ools"), "tools"));
    assert_false(rpc_text_is((struct span){0}, "a"));
}

static void an_iteration_over_no_array_gives_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "{}", "[]", "[", "[1", "7", " "};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *at = texts[i];
        struct span element;
        assert_false(rpc_batch_next(&at, texts[i] + strlen(texts[i]), &element));
    }
}

static void an_error_is_written_with_the_id_it_answers(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(400);
    assert_true(rpc_write_error(&b, span_of("\"a\\\"b\""), -31004, "no \"x\"\n", (struct span){0}));
    assert_string_equal(buf_text(&b), "{\"jsonrpc\":\"2.0\",\"id\":\"a\\\"b\",\"error\":"
                                      "{\"code\":-31004,\"message\":\"no \\\"x\\\"\\n\"}}");
    buf_consume(&b, b.len);
    assert_true(rpc_write_error(&b, (struct span){0}, -32700, "x", span_of("{\"a\":[1]}")));
    assert_string_equal(buf_text(&b), "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":"
                                      "{\"code\":-32700,\"message\":\"x\",\"data\":{\"a\":[1]}}}");
    buf_release(&b);
}

static void a_writer_past_the_cap_appends_nothing(void **state)
{
    (void)state;
    for (size_t cap = 3; cap < 80; cap++) {
        struct buf b = BUF_INIT(cap);
        assert_true(buf_add_str(&b, "abc"));
        if (!rpc_write_error(&b, span_of("12"), 1, "some\nlines\n", span_of("{}")))
            assert_int_equal(b.len, 3);
        else
            assert_true(cap > 60);
        struct buf c = BUF_INIT(cap % 8 + 3);
        assert_true(buf_add_str(&c, "abc"));
        if (!json_write_string(&c, "a\nb", 3))
            assert_string_equal(buf_text(&c), "abc");
        else
            assert_string_equal(buf_text(&c), "abc\"a\\nb\"");
        buf_release(&b);
        buf_release(&c);
    }
}

static void string_becomes(const char *bytes, size_t n, const char *json)
{
    struct buf b = BUF_INIT(400);
    assert_true(json_write_string(&b, bytes, n));
    assert_string_equal(buf_text(&b), json);
    json_error_t error;
    json_t *parsed = json_loadb(b.data, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    assert_non_null(parsed);
    json_decref(parsed);
    buf_release(&b);
}

static void a_string_is_escaped_and_its_broken_utf8_replaced(void **state)
{
    (void)state;
    string_becomes("", 0, "\"\"");
    string_becomes("a/b\"\\\b\f\n\r\t\x01\x1f\x7f", 13,
                   "\"a/b\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
    string_becomes("a\0b", 3, "\"a\\u0000b\"");
    string_becomes("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", 11,
                   "\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\"");
    string_becomes("a\xff" "b", 3, "\"a\xef\xbf\xbd" "b\"");
    string_becomes("\xc3", 1, "\"\xef\xbf\xbd\"");                      /* cut */
    string_becomes("\xc0\x80", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");      /* overlong */
    string_becomes("\xe0\x80\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    string_becomes("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); /* surrogate */
    string_becomes("\xf4\x90\x80\x80", 4,
                   "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); /* above U+10FFFF */
    string_becomes("\xf0\x9f\x98", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_case_is_seen_as_its_files_say),
        cmocka_unit_test(no_bytes_at_all_are_no_message),
        cmocka_unit_test(every_cut_of_a_message_is_invalid),
        cmocka_unit_test(nesting_of_512_is_taken_and_513_is_refused),
        cmocka_unit_test(a_hostile_nesting_of_a_million_ends_early),
        cmocka_unit_test(every_control_byte_in_a_string_is_refused),
        cmocka_unit_test(raw_text_compares_with_its_escapes_resolved),
        cmocka_unit_test(an_iteration_over_no_array_gives_nothing),
        cmocka_unit_test(an_error_is_written_with_the_id_it_answers),
        cmocka_unit_test(a_writer_past_the_cap_appends_nothing),
        cmocka_unit_test(a_string_is_escaped_and_its_broken_utf8_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
