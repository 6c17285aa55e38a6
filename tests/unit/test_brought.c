/* Servers that a project brings itself: config/brought.c. */
#include "config/brought.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "scratch.h"

static struct settings settings;

static void put(const char *file, const char *text)
{
    char *path = str_path(scratch, file), *slash = strrchr(path, '/');
    *slash = '\0';
    mkdir(path, 0700);
    *slash = '/';
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    free(path);
}

static struct brought *read_it(void)
{
    settings_defaults(&settings);
    struct brought *b = brought_read(scratch, &settings);
    settings_finish(&settings);
    return b;
}

static bool is_warned(const struct brought *b, const char *part)
{
    for (size_t i = 0; i < b->warnings.count; i++)
        if (strstr(b->warnings.items[i], part))
            return true;
    return false;
}

static void each_clients_file_is_read_in_its_own_words(void **state)
{
    (void)state;
    put(".mcp.json", "{\"mcpServers\": {\"a\": {\"command\": \"npx\", \"args\": [\"-y\", \"a\"], "
                     "\"env\": {\"D\": \"${CLAUDE_PROJECT_DIR:-.}\"}, \"alwaysLoad\": true}}}");
    put(".cursor/mcp.json", "{\"mcpServers\": {\"b\": {\"command\": \"${workspaceFolder}/b\"}}}");
    put(".vscode/mcp.json", "{ // comments are usual here\n\"inputs\": [], \"servers\": {\"c\": "
                            "{\"type\": \"stdio\", \"command\": \"c\", \"env\": {\"X\": "
                            "\"${env:X}\"}}}}");
    put(".codex/config.toml", "model = \"x\"\n[mcp_servers.d]\ncommand = \"d\"\nargs = [\"1\"]\n");
    struct brought *b = read_it();
    assert_int_equal(b->count, 4);
    assert_int_equal(b->warnings.count, 0);
    assert_string_equal(brought_find(b, "a")->server->args.items[1], "a");
    assert_string_equal(brought_find(b, "a")->server->env.items[0], "D=${POOLD_PROJECT:-.}");
    assert_string_equal(brought_find(b, "b")->server->command, "${POOLD_PROJECT}/b");
    assert_string_equal(brought_find(b, "c")->server->env.items[0], "X=${X}");
    assert_string_equal(brought_find(b, "d")->file, ".codex/config.toml");
    assert_null(brought_find(b, "e"));
    assert_int_equal(strlen(b->content), BROUGHT_CONTENT_SIZE - 1);
    brought_free(b);
}

static void what_must_not_or_cannot_run_is_left_out(void **state)
{
    (void)state;
    put(".mcp.json", "{\"mcpServers\": {\"remote\": {\"type\": \"http\", \"url\": "
                     "\"http://127.0.0.1:7337/mcp\"},"
                     "\"loop\": {\"command\": \"/usr/bin/poolctl\", \"args\": [\"connect\"]},"
                     "\"off\": {\"command\": \"x\", \"disabled\": true},"
                     "\"refused\": {\"command\": \"x\"}, \"bad name!\": {\"command\": \"x\"},"
                     "\"odd\": {\"command\": 7}, \"wrong\": {\"command\": \"x\", \"args\": \"y\"},"
                     "\"good\": {\"command\": \"x\"}}}");
    put(".claude/settings.local.json", "{\"disabledMcpjsonServers\": [\"refused\"]}");
    put(".cursor/mcp.json", "{\"mcpServers\": {\"good\": {\"command\": \"other\"}}}");
    put(".vscode/mcp.json", "{\"servers\": ");
    struct brought *b = read_it();
    assert_int_equal(b->count, 1);
    assert_string_equal(brought_find(b, "good")->server->command, "x");
    assert_true(is_warned(b, ".mcp.json: off is disabled"));
    assert_true(is_warned(b, ".mcp.json: refused is refused"));
    assert_true(is_warned(b, "bad name!"));
    assert_true(is_warned(b, "wrong.args"));
    assert_true(is_warned(b, ".cursor/mcp.json: good is brought by an earlier file"));
    assert_true(is_warned(b, ".vscode/mcp.json:1"));
    brought_free(b);
}

static void only_an_edit_of_what_would_run_changes_the_content(void **state)
{
    (void)state;
    put(".mcp.json", "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"args\": [\"1\"]}}}");
    struct brought *first = read_it();
    put(".mcp.json", "{\"other\": 1, \"mcpServers\": {\"a\": {\"args\": [\"1\"], \"timeout\": 5,\n"
                     "\"command\": \"x\"}}}");
    struct brought *same = read_it();
    put(".mcp.json", "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"args\": [\"2\"]}}}");
    struct brought *other = read_it();
    assert_string_equal(first->content, same->content);
    assert_string_not_equal(first->content, other->content);
    brought_free(first);
    brought_free(same);
    brought_free(other);
}

static void a_project_without_such_files_brings_nothing(void **state)
{
    (void)state;
    struct brought *b = read_it();
    assert_int_equal(b->count, 0);
    assert_int_equal(b->warnings.count, 0);
    assert_string_equal(b->content, "");
    brought_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_clients_file_is_read_in_its_own_words, scratch_make,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(what_must_not_or_cannot_run_is_left_out, scratch_make,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(only_an_edit_of_what_would_run_changes_the_content,
                                        scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(a_project_without_such_files_brings_nothing, scratch_make,
                                        scratch_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
