/* tests/unit/test_handshake.c - what poold reads out of a handshake, and what it says instead. */
#include "mcp/handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

static struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

static void the_revision_of_an_answer_is_read(void **state)
{
    (void)state;
    char protocol[16] = "";
    assert_true(handshake_check(span_of("{\"result\":{\"protocolVersion\":\"2025-06-18\"}}"), protocol,
                                sizeof protocol, NULL));
    assert_string_equal(protocol, "2025-06-18");
}

static void a_revision_that_would_write_into_heads_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"1\\r\\nX: y", "1~2", "", "2025-06-18 and more"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char protocol[16] = "same", text[128];
        struct err err = {0};
        snprintf(text, sizeof text, "{\"result\":{\"protocolVersion\":\"%s\"}}", bad[i]);
        assert_false(handshake_check(span_of(text), protocol, sizeof protocol, &err));
        assert_string_equal(protocol, "same");
        assert_int_equal(err.code, ERR_START_FAILED);
    }
}

static void an_error_answer_is_quoted(void **state)
{
    (void)state;
    char protocol[16];
    struct err err = {0};
    assert_false(handshake_check(span_of("{\"error\":{\"message\":\"no more\"}}"), protocol,
                                 sizeof protocol, &err));
    assert_non_null(strstr(err_text(&err), "no more"));
}

static void the_answer_has_the_clients_id_and_the_note(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    assert_true(handshake_answer(&out, span_of("{\"id\":1,\"result\":{\"instructions\":\"old\"}}"),
                                 span_of("\"x\""), "note"));
    assert_string_equal(buf_text(&out), "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":"
                                        "{\"instructions\":\"old\\n\\nnote\"}}");
    buf_release(&out);
}

static void a_path_that_is_not_utf8_does_not_spoil_the_answer(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    assert_true(handshake_answer(&out, span_of("{\"result\":{}}"), span_of("1"), "/home/\xff"));
    assert_non_null(strstr(buf_text(&out), "/home/\xef\xbf\xbd"));
    buf_release(&out);
}

static void a_request_without_kept_params_has_the_usual_ones(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    assert_true(handshake_request(&out, (struct span){0}, "2024-11-05", "7"));
    assert_non_null(strstr(buf_text(&out), "\"id\":7,\"method\":\"initialize\""));
    assert_non_null(strstr(buf_text(&out), "\"protocolVersion\":\"2024-11-05\""));
    buf_release(&out);
}

static void a_shared_daemons_answer_is_put_into_the_clients_revision_without_tasks(void **state)
{
    (void)state;
    static const char answer[] =
        "{\"jsonrpc\":\"2.0\",\"id\":\"poold.pool.1\",\"result\":{\"protocolVersion\":\"2025-11-25\","
        "\"capabilities\":{\"tasks\":{\"list\":{}},\"tools\":{}},\"serverInfo\":{\"name\":\"s\"}}}";
    static const struct {
        const char *params, *revision;
    } cases[] = {
        {"{\"protocolVersion\":\"2024-11-05\"}", "2024-11-05"},
        {"{\"protocolVersion\":\"2025-06-18\"}", "2025-06-18"},
        {"{\"protocolVersion\":\"2026-07-28\"}", "2025-11-25"}, /* that era has no handshake */
        {"{\"protocolVersion\":\"1\"}", "2025-11-25"},
        {"{}", "2025-11-25"},
        {"", "2025-11-25"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = BUF_INIT(10000);
        char protocol[16];
        assert_true(handshake_share(&out, span_of(answer), span_of(cases[i].params)));
        assert_true(handshake_check((struct span){out.data, out.len}, protocol, sizeof protocol, NULL));
        assert_string_equal(protocol, cases[i].revision);
        assert_null(strstr(buf_text(&out), "tasks"));
        assert_non_null(strstr(buf_text(&out), "\"tools\""));
        buf_release(&out);
    }
    struct buf none = BUF_INIT(10000);
    assert_false(handshake_share(&none, span_of("{\"error\":{}}"), span_of("{}")));
    buf_release(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_revision_of_an_answer_is_read),
        cmocka_unit_test(a_revision_that_would_write_into_heads_is_refused),
        cmocka_unit_test(an_error_answer_is_quoted),
        cmocka_unit_test(the_answer_has_the_clients_id_and_the_note),
        cmocka_unit_test(a_path_that_is_not_utf8_does_not_spoil_the_answer),
        cmocka_unit_test(a_request_without_kept_params_has_the_usual_ones),
        cmocka_unit_test(a_shared_daemons_answer_is_put_into_the_clients_revision_without_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
