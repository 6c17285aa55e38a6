/* tests/unit/test_cli_service.c - the service managers' files: printed as they are kept in etc/,
 * and quoted as each manager reads them. After a change of a template: POOLD_UPDATE=1
 * test_cli_service writes etc/systemd and etc/launchd anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "cli/service.h"
#include "platform/dirs.h"

#include <stdio.h>
#include <string.h>

static const struct service_manager *const managers[] = {&service_systemd, &service_launchd};

static void check_kept(const struct service_file *f)
{
    char *path = xasprintf("%s/../%s", TESTS_DIR, f->kept_as), *have = NULL;
    struct err err = {0};
    if (getenv("POOLD_UPDATE")) {
        FILE *out = fopen(path, "w");
        assert_non_null(out);
        fputs(f->pattern, out);
        assert_int_equal(fclose(out), 0);
    }
    if (!dirs_read_file(path, 65536, &have, NULL, &err))
        fail_msg("%s", err_text(&err));
    if (strcmp(have, f->pattern) != 0)
        fail_msg("%s differs from the template: run this test with POOLD_UPDATE=1", f->kept_as);
    free(have);
    free(path);
}

static void the_files_in_etc_are_the_templates(void **state)
{
    (void)state;
    for (size_t m = 0; m < 2; m++) {
        struct service_files files = {0};
        struct err err = {0};
        assert_true(managers[m]->list(&files, &err));
        for (size_t i = 0; i < files.count; i++)
            check_kept(&files.items[i]);
        service_files_finish(&files);
    }
}

static char *name_twice(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "a") == 0 ? xasprintf("%s%s", name, name) : NULL;
}

static void placeholders_are_filled_and_other_text_stays(void **state)
{
    (void)state;
    char *text = service_fill("@a@x@b@ user@host @ @a @a@", name_twice, NULL);
    assert_string_equal(text, "aax@b@ user@host @ @a aa");
    free(text);
}

static void check_word(char *(*say)(const char *), const char *value, const char *want)
{
    char *word = say(value);
    assert_string_equal(word, want);
    free(word);
}

static void systemd_reads_back_what_was_meant(void **state)
{
    (void)state;
    check_word(service_systemd.word, "/usr/bin/poold", "/usr/bin/poold");
    check_word(service_systemd.word, "/a b/100%/$x", "\"/a b/100%%/$$x\"");
    check_word(service_systemd.word, "a\"b\\c\n", "\"a\\\"b\\\\c\\x0a\"");
    check_word(service_systemd.word, "", "\"\"");
    check_word(service_systemd.line, "/run/a b/50%", "/run/a b/50%%");
    struct strv env = {0};
    strv_add(&env, "PATH=/a b:/$c:/50%");
    char *lines = service_systemd.environment(&env);
    assert_string_equal(lines, "Environment=\"PATH=/a b:/$c:/50%%\"\n");
    free(lines);
    strv_finish(&env);
}

static void launchd_reads_back_what_was_meant(void **state)
{
    (void)state;
    check_word(service_launchd.word, "/a & b/<x>", "/a &amp; b/&lt;x&gt;");
    struct strv env = {0};
    strv_add(&env, "PATH=/a&b=c");
    char *lines = service_launchd.environment(&env);
    assert_string_equal(lines, "        <key>PATH</key><string>/a&amp;b=c</string>\n");
    free(lines);
    strv_finish(&env);
}

static bool has_line(const char *text, const char *line)
{
    size_t n = strlen(line);
    for (const char *at = text; (at = strstr(at, line)); at++)
        if ((at == text || at[-1] == '\n') && at[n] == '\n')
            return true;
    return false;
}

static void a_service_keeps_its_promises(void **state)
{
    (void)state;
    struct strv env = {0};
    struct service_files files = {0};
    struct err err = {0};
    strv_add(&env, "PATH=/bin");
    struct service_places places = {"/opt/poold", "/c/poold.conf",  "/s",
                                    "/r",         "127.0.0.1:7337", &env};
    assert_true(service_files_make(&service_systemd, &places, &files, &err));
    static const char *const wanted[] = {
        "Type=notify",
        "KillMode=process",
        "OOMPolicy=continue",
        "Restart=on-failure",
        "StartLimitIntervalSec=0",
        "Requires=poold.socket",
        "RestartPreventExitStatus=2 8 9 10 11",
        ("ExecStart=/opt/poold --config /c/poold.conf --state-dir /s --run-dir /r --listen "
         "127.0.0.1:7337"),
        "Environment=\"PATH=/bin\""};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!has_line(files.items[0].text, wanted[i]))
            fail_msg("no line \"%s\"", wanted[i]);
    assert_true(has_line(files.items[1].text, "ListenStream=127.0.0.1:7337"));
    assert_true(has_line(files.items[1].text, "ListenStream=/r/api.sock"));
    assert_true(has_line(files.items[1].text, "ListenStream=/r/mcp.sock"));
    for (size_t i = 0; i < files.count; i++)
        assert_null(strchr(files.items[i].text, '@'));
    service_files_finish(&files);
    strv_finish(&env);
}

static void only_changed_sockets_are_closed_by_an_update(void **state)
{
    (void)state;
    struct service_files files = {.count = 2};
    struct strv steps[SERVICE_STEPS_MAX];
    files.items[0].state = SERVICE_DIFFERS;
    files.items[1].state = SERVICE_CURRENT;
    size_t n = service_systemd.start(&files, true, steps);
    char *last = service_step_text(&steps[n - 1]);
    assert_string_equal(last, "systemctl --user restart poold.service");
    for (size_t i = 0; i < n; i++) {
        char *text = service_step_text(&steps[i]);
        assert_null(strstr(text, " stop "));
        free(text);
        strv_finish(&steps[i]);
    }
    free(last);
    files.items[1].state = SERVICE_DIFFERS;
    n = service_systemd.start(&files, true, steps);
    char *second = service_step_text(&steps[1]);
    assert_string_equal(second, "systemctl --user stop poold.socket poold.service");
    free(second);
    for (size_t i = 0; i < n; i++)
        strv_finish(&steps[i]);
}

int main(void)
{
    setenv("HOME", "/home/somebody", 1);
    unsetenv("XDG_CONFIG_HOME");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_files_in_etc_are_the_templates),
        cmocka_unit_test(placeholders_are_filled_and_other_text_stays),
        cmocka_unit_test(systemd_reads_back_what_was_meant),
        cmocka_unit_test(launchd_reads_back_what_was_meant),
        cmocka_unit_test(a_service_keeps_its_promises),
        cmocka_unit_test(only_changed_sockets_are_closed_by_an_update),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
