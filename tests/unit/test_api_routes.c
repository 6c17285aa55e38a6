/* tests/unit/test_api_routes.c - the table of routes: finding, checking, and docs/api.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "api/json_views.h"
#include "api/routes.h"
#include "api/wire.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

/* --- finding --- */

static void a_path_finds_its_route_and_its_variables(void **state)
{
    (void)state;
    struct err err = {0};
    const char *allow = NULL;
    json_t *vars = json_object();
    const struct route *r =
        route_find("POST", API_PREFIX "/daemons/repo-abc/serena/stop", vars, &allow, &err);
    assert_non_null(r);
    assert_string_equal(r->name, "daemonStop");
    assert_string_equal(json_string_value(json_object_get(vars, "key")), "repo-abc");
    assert_string_equal(json_string_value(json_object_get(vars, "server")), "serena");
    json_decref(vars);
}

static void head_is_served_as_get(void **state)
{
    (void)state;
    const char *allow = NULL;
    json_t *vars = json_object();
    const struct route *r = route_find("HEAD", API_PREFIX "/version", vars, &allow, NULL);
    assert_non_null(r);
    assert_string_equal(r->name, "version");
    json_decref(vars);
}

static void another_method_is_refused_with_what_is_allowed(void **state)
{
    (void)state;
    struct err err = {0};
    const char *allow = NULL;
    json_t *vars = json_object();
    assert_null(route_find("POST", API_PREFIX "/daemons", vars, &allow, &err));
    assert_int_equal(err.code, ERR_METHOD);
    assert_string_equal(allow, "GET, HEAD");
    err_clear(&err);
    assert_null(route_find("GET", API_PREFIX "/projects/some-key", vars, &allow, &err));
    assert_string_equal(allow, "DELETE");
    assert_int_equal(json_object_size(vars), 0);
    json_decref(vars);
}

static void a_path_that_is_almost_one_is_not_found(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/",
        "",
        API_PREFIX,
        API_PREFIX "/",
        API_PREFIX "/daemons/",
        API_PREFIX "/daemonsx",
        API_PREFIX "/daemons/a",
        API_PREFIX "/daemons//b",
        API_PREFIX "/daemons/a/b/stop/",
        "/api/v2/daemons",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct err err = {0};
        const char *allow = NULL;
        json_t *vars = json_object();
        if (route_find("GET", paths[i], vars, &allow, &err))
            fail_msg("%s has a route", paths[i]);
        assert_int_equal(err.code, ERR_NOT_FOUND);
        assert_null(allow);
        json_decref(vars);
    }
}

/* --- parameters --- */

static const struct route *route_named(const char *name)
{
    size_t count;
    const struct route *rows = route_rows(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    fail_msg("no route is named %s", name);
    return NULL;
}

/* Result of checking: "" and *into, or the error's text. Borrowed, static. */
static const char *check(const char *route, const char *query, const char *body, json_t **into)
{
    static char text[400];
    struct err err = {0};
    json_t *q = json_loads(query, 0, NULL), *b = body ? json_loads(body, 0, NULL) : NULL;
    json_t *out = json_object();
    assert_non_null(q);
    assert_true(!body || b);
    bool ok = route_params(route_named(route), q, b, out, &err);
    assert_true(ok == !err.code);
    assert_true(ok || err.code == ERR_BAD_REQUEST);
    snprintf(text, sizeof text, "%s", ok ? "" : err_text(&err));
    json_decref(q);
    json_decref(b);
    if (into)
        *into = out;
    else
        json_decref(out);
    return text;
}

static void known_members_of_the_right_type_pass(void **state)
{
    (void)state;
    json_t *out;
    assert_string_equal(check("ensure", "{}", "{\"path\":\"/x\",\"waitMs\":0,\"warm\":true}", &out),
                        "");
    assert_string_equal(json_string_value(json_object_get(out, "path")), "/x");
    assert_true(json_is_true(json_object_get(out, "warm")));
    json_decref(out);
    assert_string_equal(check("ensure", "{}", "{\"waitMs\":2e1}", &out), "");
    assert_int_equal(json_integer_value(json_object_get(out, "waitMs")), 20);
    json_decref(out);
    assert_string_equal(
        check("logs", "{\"project\":\"k\",\"lines\":\"5\",\"follow\":\"1\"}", NULL, &out), "");
    assert_int_equal(json_integer_value(json_object_get(out, "lines")), 5);
    assert_true(json_is_true(json_object_get(out, "follow")));
    json_decref(out);
}

static void a_mistake_names_the_member_and_what_was_expected(void **state)
{
    (void)state;
    static const struct {
        const char *route, *query, *body, *text;
    } cases[] = {
        {"ensure", "{}", "{\"pth\":\"/x\"}",
         "unknown member \"pth\" (known: path, project, server, waitMs, noWait, trust, brought, warm, "
         "force)"},
        {"ensure", "{}", "{\"path\":7}", "\"path\": expected a text of 1 to 4096 bytes"},
        {"ensure", "{}", "{\"path\":\"\"}", "\"path\": expected a text of 1 to 4096 bytes"},
        {"ensure", "{}", "{\"waitMs\":\"5\"}", "\"waitMs\": expected a whole number, 0 to 3600000"},
        {"ensure", "{}", "{\"waitMs\":1.5}", "\"waitMs\": expected a whole number, 0 to 3600000"},
        {"ensure", "{}", "{\"waitMs\":3600001}",
         "\"waitMs\": expected a whole number, 0 to 3600000"},
        {"ensure", "{}", "{\"warm\":null}", "\"warm\": expected true or false"},
        {"ensure", "{\"path\":\"/x\"}", NULL, "unknown parameter \"path\" (known: none)"},
        {"logs", "{\"lines\":\"-1\"}", NULL, "\"lines\": expected a whole number, 0 to 1000000"},
        {"logs", "{\"lines\":\"5 \"}", NULL, "\"lines\": expected a whole number, 0 to 1000000"},
        {"logs", "{\"follow\":\"yes\"}", NULL, "\"follow\": expected 1 or 0"},
        {"trust", "{}", "{}", "\"trusted\" is missing: trust it or not"},
        {"version", "{\"x\":\"1\"}", NULL, "unknown parameter \"x\" (known: none)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(check(cases[i].route, cases[i].query, cases[i].body, NULL),
                            cases[i].text);
}

static void a_text_with_a_nul_inside_is_refused(void **state)
{
    (void)state;
    struct err err = {0};
    json_t *body = json_pack("{s:o}", "path", json_stringn("/a\0b", 4)), *out = json_object();
    json_t *query = json_object();
    assert_false(route_params(route_named("ensure"), query, body, out, &err));
    assert_int_equal(err.code, ERR_BAD_REQUEST);
    json_decref(body);
    json_decref(query);
    json_decref(out);
}

/* --- the table itself --- */

static void every_route_is_complete_and_named_once(void **state)
{
    (void)state;
    size_t count;
    const struct route *rows = route_rows(&count);
    assert_true(count > 15);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(rows[i].handle);
        assert_true(rows[i].summary[0] && rows[i].summary[strlen(rows[i].summary) - 1] == '.');
        assert_true(rows[i].status >= 200 && rows[i].status < 300);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(rows[i].name, rows[k].name);
        size_t variables = 0, declared = 0;
        for (const char *c = rows[i].path; (c = strchr(c, '{')); c++)
            variables++;
        for (const struct param *p = rows[i].params; p->name; p++) {
            declared += p->place == IN_PATH;
            assert_true(p->place != IN_BODY || strcmp(rows[i].method, "GET") != 0);
        }
        assert_int_equal(variables, declared);
    }
}

static void every_error_that_a_route_names_exists(void **state)
{
    (void)state;
    size_t count;
    const struct route *rows = route_rows(&count);
    for (size_t i = 0; i < count; i++) {
        char words[200], *rest = words;
        snprintf(words, sizeof words, "%s", rows[i].errors);
        for (char *word; (word = strsep(&rest, " "));)
            if (*word && err_by_name(word) == ERR_COUNT)
                fail_msg("%s names the error %s", rows[i].name, word);
    }
}

static void docs_api_md_is_what_the_table_prints(void **state)
{
    (void)state;
    struct buf printed = BUF_INIT(1 << 20), stored = BUF_INIT(1 << 20);
    assert_true(routes_print(&printed));
    const char *write_to = getenv("POOLD_PRINT_API_DOC");
    if (write_to) {
        FILE *out = fopen(write_to, "w");
        assert_non_null(out);
        assert_int_equal(fwrite(printed.data, 1, printed.len, out), printed.len);
        assert_int_equal(fclose(out), 0);
    }
    FILE *in = fopen(TESTS_DIR "/../docs/api.md", "r");
    assert_non_null(in);
    char block[4096];
    for (size_t n; (n = fread(block, 1, sizeof block, in)) > 0;)
        assert_true(buf_add(&stored, block, n));
    fclose(in);
    assert_string_equal(buf_text(&printed), buf_text(&stored));
    buf_release(&printed);
    buf_release(&stored);
}

/* --- words in JSON --- */

static void bytes_that_are_no_utf8_do_not_lose_the_text(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"plain", "plain"},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"caf\xe9 bar", "caf? bar"},
        {"\xff\xfe", "??"},
        {"cut \xe2\x82", "cut ??"},
        {"\xc0\xaf overlong", "?? overlong"},
        {"\xed\xa0\x80 surrogate", "??? surrogate"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *text = view_text(cases[i].in);
        assert_string_equal(json_string_value(text), cases[i].out);
        json_decref(text);
    }
    assert_true(json_is_null(view_text("")));
    assert_true(json_is_null(view_text(NULL)));
}

static void a_problem_has_the_members_of_rfc_9457_and_ours(void **state)
{
    (void)state;
    struct err err = {0};
    err_set(&err, ERR_NO_PROJECT, 0, "nothing at /x");
    json_t *p = view_problem(404, &err, json_pack("{s:s, s:s}", "tail", "last", "code", "mine"));
    assert_string_equal(json_string_value(json_object_get(p, "type")),
                        "urn:poold:error:no-project");
    assert_int_equal(json_integer_value(json_object_get(p, "status")), 404);
    assert_string_equal(json_string_value(json_object_get(p, "detail")), "nothing at /x");
    assert_string_equal(json_string_value(json_object_get(p, "code")), "no-project");
    assert_string_equal(json_string_value(json_object_get(p, "tail")), "last");
    assert_non_null(json_object_get(p, "title"));
    json_decref(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_finds_its_route_and_its_variables),
        cmocka_unit_test(head_is_served_as_get),
        cmocka_unit_test(another_method_is_refused_with_what_is_allowed),
        cmocka_unit_test(a_path_that_is_almost_one_is_not_found),
        cmocka_unit_test(known_members_of_the_right_type_pass),
        cmocka_unit_test(a_mistake_names_the_member_and_what_was_expected),
        cmocka_unit_test(a_text_with_a_nul_inside_is_refused),
        cmocka_unit_test(every_route_is_complete_and_named_once),
        cmocka_unit_test(every_error_that_a_route_names_exists),
        cmocka_unit_test(docs_api_md_is_what_the_table_prints),
        cmocka_unit_test(bytes_that_are_no_utf8_do_not_lose_the_text),
        cmocka_unit_test(a_problem_has_the_members_of_rfc_9457_and_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
