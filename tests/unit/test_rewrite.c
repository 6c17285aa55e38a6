/* tests/unit/test_rewrite.c - messages under other ids, and ids that say whose request they were.
 */
#include "mcp/jsonrpc.h"
#include "mcp/rewrite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "tests/unit/cases.h"

static struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

/* What stands in a message's place when it goes to a shared daemon, or comes from one. */
static bool dump_rewritten(const char *in, size_t n, struct buf *out, struct err *err)
{
    struct rpc_peek p;
    rpc_peek(in, n, &p);
    if (p.kind == RPC_INVALID || p.kind == RPC_BATCH)
        return err_set(err, ERR_PARSE, 0, "no single message");
    const struct rpc_edit edits[] = {{p.progress_token, span_of("\"TOKEN\"")},
                                     {p.id, span_of("\"ID\"")},
                                     {p.progress_of, span_of("7")},
                                     {rpc_member(p.params, "requestId"), span_of("\"REQUEST\"")}};
    assert_true(rpc_rewrite(out, (struct span){in, n}, edits, 4));
    struct rpc_peek again;
    rpc_peek(out->data, out->len, &again);
    assert_int_equal(again.kind, p.kind);
    assert_null(memchr(out->data, '\n', out->len));
    return buf_add_str(out, "\n");
}

static void every_message_keeps_all_but_its_ids(void **state)
{
    (void)state;
    cases_run("rewrite", "", dump_rewritten);
}

static void a_message_past_the_cap_is_not_appended_at_all(void **state)
{
    (void)state;
    static const char message[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"}";
    struct span whole = {message, sizeof message - 1};
    struct rpc_edit edit = {{strstr(message, "1,"), 1}, span_of("\"abc\"")};
    for (size_t cap = 0; cap < whole.n + 8; cap++) {
        struct buf b = BUF_INIT(cap);
        bool written = rpc_rewrite(&b, whole, &edit, 1);
        assert_int_equal(written, cap >= whole.n + 4);
        assert_int_equal(b.len, written ? whole.n + 4 : 0);
        buf_release(&b);
    }
}

static void the_clients_id_comes_back_with_its_type_and_value(void **state)
{
    (void)state;
    static const char *const ids[] = {"0",
                                      "7",
                                      "-1",
                                      "1.5e3",
                                      "\"7\"",
                                      "\"\"",
                                      "\"a.b\"",
                                      "null",
                                      "\"\\u00e9\\\"\"",
                                      "\"1.2.s3\"",
                                      "123456789012345678901234"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char text[RPC_ALIAS_MAX];
        struct rpc_alias alias;
        struct buf id = BUF_INIT(1000);
        size_t n = rpc_alias_write(text, sizeof text, 0xfee1, span_of("18f~abc"), span_of(ids[i]));
        assert_true(n > 0);
        assert_true(rpc_alias_read((struct span){text, n}, &alias));
        assert_int_equal(alias.serial, 0xfee1);
        assert_true(span_is(alias.tag, "18f~abc"));
        assert_true(rpc_alias_id(&alias, &id));
        assert_string_equal(buf_text(&id), ids[i]);
        buf_release(&id);
    }
}

static void an_id_that_is_too_long_is_not_carried(void **state)
{
    (void)state;
    char id[RPC_ALIAS_ID_MAX + 2], text[RPC_ALIAS_MAX];
    struct rpc_alias alias;
    struct buf out = BUF_INIT(1000);
    memset(id, 'a', sizeof id);
    id[0] = id[RPC_ALIAS_ID_MAX] = '"';
    size_t n = rpc_alias_write(text, sizeof text, 1, span_of("-"),
                               (struct span){id, RPC_ALIAS_ID_MAX + 1});
    assert_true(rpc_alias_read((struct span){text, n}, &alias));
    assert_false(rpc_alias_id(&alias, &out));
    id[RPC_ALIAS_ID_MAX - 1] = '"';
    n = rpc_alias_write(text, sizeof text, UINT64_MAX, span_of("-"),
                        (struct span){id, RPC_ALIAS_ID_MAX});
    assert_true(n > 0 && rpc_alias_read((struct span){text, n}, &alias));
    assert_int_equal(alias.serial, UINT64_MAX);
    assert_true(rpc_alias_id(&alias, &out));
    assert_int_equal(out.len, RPC_ALIAS_ID_MAX);
    buf_release(&out);
}

static void a_progress_token_of_ours_is_its_serial_alone(void **state)
{
    (void)state;
    char text[RPC_ALIAS_MAX];
    struct rpc_alias alias;
    size_t n = rpc_alias_write(text, sizeof text, 255, (struct span){0}, span_of("1"));
    assert_true(span_is((struct span){text, n}, "\"poold.ff\""));
    assert_true(rpc_alias_read((struct span){text, n}, &alias));
    assert_int_equal(alias.tag.n, 0);
    assert_false(rpc_alias_id(&alias, &(struct buf)BUF_INIT(10)));
    assert_int_equal(rpc_alias_write(text, n, 255, (struct span){0}, span_of("1")), 0);
}

static void what_is_no_alias_of_ours_is_not_taken_for_one(void **state)
{
    (void)state;
    static const char *const others[] = {"7",
                                         "\"\"",
                                         "\"poold\"",
                                         "\"poold.\"",
                                         "\"poold.g\"",
                                         "\"poold.0f\"",
                                         "\"poold.FF\"",
                                         "\"poold.1.\"",
                                         "\"poold.1.a\"",
                                         "\"poold.1.a.\"",
                                         "\"poold.1..n1\"",
                                         "\"poold.1.A.n1\"",
                                         "\"Poold.1\"",
                                         "null",
                                         "\"poold.pool.3\"",
                                         "\"poold.11111111111111111\""};
    struct rpc_alias alias;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (rpc_alias_read(span_of(others[i]), &alias))
            fail_msg("%s", others[i]);
    static const char *const strange[] = {"\"poold.1.a.n01\"", "\"poold.1.a.n1,2\"",
                                          "\"poold.1.a.n\"",   "\"poold.1.a.z1\"",
                                          "\"poold.1.a.x\"",   "\"poold.1.a.ntrue\""};
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        struct buf out = BUF_INIT(100);
        assert_true(rpc_alias_read(span_of(strange[i]), &alias));
        assert_false(rpc_alias_id(&alias, &out));
        buf_release(&out);
    }
}

static void ids_are_compared_by_value_and_type(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool same;
    } pairs[] = {
        {"1", "1", true},
        {"1", "\"1\"", false},
        {"1", "2", false},
        {"\"a/b\"", "\"a\\/b\"", true},
        {"\"\\u0061\"", "\"a\"", true},
        {"\"\xc3\xa9\"", "\"\\u00E9\"", true},
        {"\"\xe2\x82\xac\"", "\"\\u20ac\"", true},
        {"\"\xf0\x9f\x98\x80\"", "\"\\ud83d\\ude00\"", true},
        {"\"\\ud83d\"", "\"\\ude00\"", false},
        {"\"\\ud83d\"", "\"\\ud83d\"", true},
        {"\"a\"", "\"ab\"", false},
        {"\"ab\"", "\"a\"", false},
        {"\"\\n\"", "\"\\u000a\"", true},
        {"\"\"", "\"\"", true},
        {"", "", false},
        {"\"\\x\"", "\"\\y\"", false},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (rpc_same_value(span_of(pairs[i].a), span_of(pairs[i].b)) != pairs[i].same)
            fail_msg("%s and %s", pairs[i].a, pairs[i].b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_keeps_all_but_its_ids),
        cmocka_unit_test(a_message_past_the_cap_is_not_appended_at_all),
        cmocka_unit_test(the_clients_id_comes_back_with_its_type_and_value),
        cmocka_unit_test(an_id_that_is_too_long_is_not_carried),
        cmocka_unit_test(a_progress_token_of_ours_is_its_serial_alone),
        cmocka_unit_test(what_is_no_alias_of_ours_is_not_taken_for_one),
        cmocka_unit_test(ids_are_compared_by_value_and_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
