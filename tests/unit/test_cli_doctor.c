/* tests/unit/test_cli_doctor.c - doctor's look at clients' configuration files, also at odd and
 * broken ones, and how it finds programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "cli/doctor.h"
#include "cli/field.h"
#include "platform/dirs.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char home[] = "/tmp/poold-doctor-XXXXXX";

static int make_home(void **state)
{
    (void)state;
    if (!mkdtemp(home))
        return -1;
    char *codex = str_path(home, ".codex");
    int failed = mkdir(codex, 0700);
    free(codex);
    return setenv("HOME", home, 1) || failed;
}

static void put(const char *name, const char *text)
{
    char *path = str_path(home, name);
    struct err err = {0};
    if (!text)
        unlink(path);
    else if (!dirs_write_file(path, text, strlen(text), 0600, &err))
        fail_msg("%s", err_text(&err));
    free(path);
}

static int remove_home(void **state)
{
    (void)state;
    put(".claude.json", NULL);
    put(".codex/config.toml", NULL);
    char *codex = str_path(home, ".codex");
    int failed = rmdir(codex);
    free(codex);
    return failed || rmdir(home);
}

/* "state text|..." of what doctor says of these files. New string. */
static char *findings(const char *claude, const char *codex)
{
    struct doctor d = {.listen = "127.0.0.1:7337", .port = 7337, .checks = json_array()};
    const json_t *c;
    size_t i;
    put(".claude.json", claude);
    put(".codex/config.toml", codex);
    doctor_clients(&d);
    char *all = xstrdup("");
    json_array_foreach(d.checks, i, c)
    {
        char *more = xasprintf("%s%s%s: %s", all, i ? "|" : "", field_text(c, "state"),
                               field_text(c, "text"));
        free(all);
        all = more;
    }
    json_decref(d.checks);
    return all;
}

static void expect(const char *claude, const char *codex, const char *want)
{
    char *is = findings(claude, codex);
    assert_string_equal(is, want);
    free(is);
}

#define CLAUDE(name, url) "{\"mcpServers\": {\"" name "\": {\"url\": \"" url "\"}}}"

static void our_url_is_found_in_every_spelling(void **state)
{
    (void)state;
    static const char ok[] = "ok: Claude Code points at poold";
    expect(CLAUDE("x", "http://127.0.0.1:7337/mcp"), NULL, ok);
    expect(CLAUDE("x", "http://localhost:7337"), NULL, ok);
    expect(CLAUDE("x", "http://[::1]:7337/p/a-b/mcp?x=1"), NULL, ok);
    static const char toml[] =
        "# a comment\n[mcp_servers.\"a b\"]\n  url = 'http://localhost:7337/mcp'\n";
    expect(NULL, toml, "ok: Codex points at poold");
}

static void other_servers_on_this_machine_are_nobodys_business(void **state)
{
    (void)state;
    char *is = findings(CLAUDE("db", "http://127.0.0.1:5000/mcp"), NULL);
    assert_non_null(strstr(is, "warning: Claude Code does not know poold"));
    free(is);
    is = findings(CLAUDE("far", "https://example.org:7337/mcp"), NULL);
    assert_non_null(strstr(is, "does not know poold"));
    free(is);
    is = findings(
        NULL, "url = \"http://localhost:1/p/x/mcp\"\n[other]\nurl = \"http://localhost:1/p/\"\n");
    assert_string_equal(is, "warning: Codex does not know poold (~/.codex/config.toml)");
    free(is);
}

static void a_stale_port_is_told_where_it_can_only_mean_poold(void **state)
{
    (void)state;
    expect(CLAUDE("poold", "http://127.0.0.1:7000/mcp"), NULL,
           "problem: Claude Code: \"poold\" points at port 7000, but poold is at 127.0.0.1:7337");
    expect(NULL, "[mcp_servers.a]\nurl=\"http://127.0.0.1:7000/p/a-b/mcp\"",
           "problem: Codex: \"a\" points at port 7000, but poold is at 127.0.0.1:7337");
}

static void broken_files_are_told_and_no_more(void **state)
{
    (void)state;
    char *is = findings("{\"mcpServers\": ", NULL);
    assert_non_null(strstr(is, "warning: Claude Code: ~/.claude.json cannot be read: line 1"));
    free(is);
    static const char *const odd[] = {"[]", "{}", "{\"mcpServers\": 7, \"projects\": [1]}",
                                      "{\"mcpServers\": {\"a\": 1, \"b\": {\"url\": 2}}}"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        free(findings(odd[i],
                      "[mcp_servers.\n[mcp_servers.a\nurl\nurl = \"\nurl = \"http://[::1]:\"\n"));
    expect(
        NULL, NULL,
        "not-applicable: no configuration of Claude Code, Codex or Cursor in the home directory; "
        "the URL for any client is http://127.0.0.1:7337/mcp");
}

static void programs_are_found_as_a_shell_finds_them(void **state)
{
    (void)state;
    char *found = doctor_which("sh", "/no/such/place::/bin");
    assert_string_equal(found, "/bin/sh");
    free(found);
    assert_null(doctor_which("sh", "/no/such/place"));
    assert_null(doctor_which("sh", ""));
    assert_null(doctor_which("etc", "/")); /* a directory is none */
    found = doctor_which("/bin/sh", "");
    assert_string_equal(found, "/bin/sh");
    free(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_url_is_found_in_every_spelling),
        cmocka_unit_test(other_servers_on_this_machine_are_nobodys_business),
        cmocka_unit_test(a_stale_port_is_told_where_it_can_only_mean_poold),
        cmocka_unit_test(broken_files_are_told_and_no_more),
        cmocka_unit_test(programs_are_found_as_a_shell_finds_them),
    };
    return cmocka_run_group_tests(tests, make_home, remove_home);
}
