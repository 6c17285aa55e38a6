/* test_private_servers.c - config/private_servers.c: which servers are not shared by default. */
#include "config/private_servers.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* The package that this command line starts by the table, "" if none. */
static const char *found(const char *command, const char *arg, const char *arg2)
{
    struct strv args = {0};
    if (arg)
        strv_add(&args, arg);
    if (arg2)
        strv_add(&args, arg2);
    const struct private_server *row = private_server_find(command, &args);
    strv_finish(&args);
    return row ? row->package : "";
}

static void a_package_is_found_however_it_is_started(void **state)
{
    (void)state;
    assert_string_equal(found("npx", "-y", "@modelcontextprotocol/server-everything"),
                        "server-everything");
    assert_string_equal(found("npx", "@modelcontextprotocol/server-everything@2026.8.31", "stdio"),
                        "server-everything");
    assert_string_equal(found("node", "/x/server-everything/dist/index.js", "stdio"),
                        "server-everything");
    assert_string_equal(found("/usr/bin/mcp-server-sequential-thinking", NULL, NULL),
                        "mcp-server-sequential-thinking");
    assert_string_equal(found("python", "-m", "mcp_server_puppeteer"), "mcp-server-puppeteer");
    assert_string_equal(found("docker", "run", "mcp/sequentialthinking:latest"),
                        "mcp/sequentialthinking");
    assert_string_equal(found("npx", "@playwright/mcp@latest", NULL), "@playwright/mcp");
}

static void what_only_looks_like_one_is_none(void **state)
{
    (void)state;
    assert_string_equal(found("npx", "@modelcontextprotocol/server-filesystem", NULL), "");
    assert_string_equal(found("npx", "my-server-everything", NULL), "");
    assert_string_equal(found("npx", "server-everything-else", NULL), "");
    assert_string_equal(found("npx", "@other/mcp", NULL), "");
    assert_string_equal(found("git", "/home/me/playwright", "puppeteer"), "");
    assert_string_equal(found(NULL, NULL, NULL), "");
    assert_string_equal(found("", "", NULL), "");
}

static void every_row_is_found_by_its_own_name_and_says_why(void **state)
{
    (void)state;
    size_t count;
    const struct private_server *rows = private_server_rows(&count);
    assert_true(count > 5);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(found("npx", rows[i].package, NULL), rows[i].package);
        assert_true(strlen(rows[i].why) > 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_package_is_found_however_it_is_started),
        cmocka_unit_test(what_only_looks_like_one_is_none),
        cmocka_unit_test(every_row_is_found_by_its_own_name_and_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
