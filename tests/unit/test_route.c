/* Which URL means what, and who may ask: front/route.c and front/check.c. */
#include "front/check.h"
#include "front/route.h"
#include "mcp/http_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PORT 7337

static struct route_url parse(const char *path)
{
    return route_parse((struct span){path, strlen(path)});
}

static void mcp_paths_are_known_with_and_without_prefixes(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum route_endpoint endpoint;
        const char *key, *server;
    } rows[] = {
        {"/mcp", ENDPOINT_MCP, "", ""},
        {"/mcp/", ENDPOINT_MCP, "", ""},
        {"/sse", ENDPOINT_SSE, "", ""},
        {"/messages", ENDPOINT_MESSAGES, "", ""},
        {"/p/repo-abc/mcp", ENDPOINT_MCP, "repo-abc", ""},
        {"/p/repo-abc/s/git/mcp", ENDPOINT_MCP, "repo-abc", "git"},
        {"/s/git/sse", ENDPOINT_SSE, "", "git"},
        {"/api/v1/health", ENDPOINT_API, "", ""},
        {"/", ENDPOINT_API, "", ""},
        {"/mcpx", ENDPOINT_API, "", ""},
        {"/s/git/p/repo/mcp", ENDPOINT_API, "", "git"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct route_url url = parse(rows[i].path);
        if (url.endpoint != rows[i].endpoint)
            fail_msg("%s: endpoint %d, expected %d", rows[i].path, url.endpoint, rows[i].endpoint);
        if (rows[i].endpoint == ENDPOINT_API)
            continue;
        assert_true(span_is(url.key, rows[i].key));
        assert_true(span_is(url.server, rows[i].server));
    }
}

static struct check_result check(const char *method, const char *headers, bool is_mcp)
{
    char text[1024];
    struct http_head head;
    struct err err = {0};
    struct peer_id peer = {.is_known = true, .uid = getuid()};
    snprintf(text, sizeof text, "%s / HTTP/1.1\r\n%s\r\n", method, headers);
    if (!http_request_parse(text, strlen(text), &head, &err))
        fail_msg("%s: %s", headers, err_text(&err));
    return check_request(&head, &peer, getuid(), is_mcp, PORT);
}

static void a_foreign_host_is_refused(void **state)
{
    (void)state;
    assert_int_equal(check("POST", "Host: evil.example:7337\r\n", true).status, 421);
    assert_int_equal(check("POST", "Host: 127.0.0.1.evil.example\r\n", true).status, 421);
    assert_int_equal(check("POST", "Host: 127.0.0.1:7338\r\n", true).status, 421);
    assert_int_equal(check("POST", "Host: localhost:7337\r\n", true).status, 0);
    assert_int_equal(check("POST", "Host: [::1]:7337\r\n", true).status, 0);
}

static void web_pages_reach_neither_mcp_nor_the_api(void **state)
{
    (void)state;
    static const char host[] = "Host: 127.0.0.1:7337\r\n";
    char headers[400];
    static const struct {
        const char *extra;
        int on_mcp, on_api;
    } rows[] = {
        {"", 0, 0},
        {"Origin: https://evil.example\r\n", 403, 403},
        {"Origin: null\r\n", 403, 403},
        {"Origin: http://localhost:3000\r\n", 0, 403},
        {"Origin: http://localhost.evil.example\r\n", 403, 403},
        {"Origin: http://127.0.0.1:7337\r\n", 0, 0},
        {"Sec-Fetch-Site: cross-site\r\n", 403, 403},
        {"Sec-Fetch-Site: same-site\r\n", 403, 403},
        {"Sec-Fetch-Site: none\r\n", 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(headers, sizeof headers, "%s%s", host, rows[i].extra);
        assert_int_equal(check("GET", headers, true).status, rows[i].on_mcp);
        assert_int_equal(check("GET", headers, false).status, rows[i].on_api);
    }
}

static void changes_through_the_api_need_json(void **state)
{
    (void)state;
    static const char host[] = "Host: 127.0.0.1:7337\r\n";
    assert_int_equal(check("POST", host, false).status, 415);
    assert_int_equal(check("POST", "Host: 127.0.0.1:7337\r\nContent-Type: text/plain\r\n", false).status,
                     415);
    assert_int_equal(
        check("POST", "Host: 127.0.0.1:7337\r\nContent-Type: application/json\r\n", false).status, 0);
    assert_int_equal(check("PATCH", "Host: 127.0.0.1:7337\r\n", false).status, 405);
}

static void another_user_and_an_unknown_one_are_refused(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct http_head head;
    assert_true(http_request_parse(text, sizeof text - 1, &head, NULL));
    struct peer_id other = {.is_known = true, .uid = getuid() + 1};
    struct peer_id unknown = {.is_known = false, .uid = 0};
    assert_int_equal(check_request(&head, &other, getuid(), true, PORT).status, 403);
    assert_int_equal(check_request(&head, &unknown, getuid(), true, PORT).status, 403);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mcp_paths_are_known_with_and_without_prefixes),
        cmocka_unit_test(a_foreign_host_is_refused),
        cmocka_unit_test(web_pages_reach_neither_mcp_nor_the_api),
        cmocka_unit_test(changes_through_the_api_need_json),
        cmocka_unit_test(another_user_and_an_unknown_one_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
