/* tests/unit/test_base_log.c - log lines as they appear on stderr. */
#define LOG_MODULE "test"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int saved_stderr, pipe_fds[2];

static int stderr_begin(void **state)
{
    (void)state;
    log_set_level(LOG_INFO);
    saved_stderr = dup(STDERR_FILENO);
    return pipe(pipe_fds) || fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK) ||
           dup2(pipe_fds[1], STDERR_FILENO) < 0;
}

static int stderr_end(void **state)
{
    (void)state;
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return 0;
}

/* What was written to stderr since the last call. Borrowed. */
static const char *written(void)
{
    static char text[8192];
    ssize_t n = read(pipe_fds[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void a_line_has_time_level_module_message_and_fields(void **state)
{
    (void)state;
    log_warn("daemon is ready", "project=%s ms=%d", log_quote("a b"), 7);
    const char *line = written();
    assert_memory_equal(line, "time=2", 6);
    assert_non_null(strstr(line, "Z level=warn mod=test msg=\"daemon is ready\" "
                                 "project=\"a b\" ms=7\n"));
    log_info("plain", "%s", "");
    line = written();
    assert_int_equal(line[strlen(line) - 1], '\n');
}

static void lines_above_the_level_are_dropped(void **state)
{
    (void)state;
    log_debug("x", "a=%d", 1);
    assert_string_equal(written(), "");
    log_set_level(LOG_DEBUG);
    log_debug("x", "a=%d", 1);
    assert_non_null(strstr(written(), "level=debug"));
}

static void a_value_cannot_forge_a_line(void **state)
{
    (void)state;
    assert_string_equal(log_quote("plain-value/7"), "plain-value/7");
    assert_string_equal(log_quote(""), "\"\"");
    assert_string_equal(log_quote(NULL), "-");
    assert_string_equal(log_quote("a=b"), "\"a=b\"");
    assert_string_equal(log_quote("a\nlevel=error"), "\"a\\nlevel=error\"");
    assert_string_equal(log_quote("a\x1b[2J"), "\"a [2J\"");
    assert_string_equal(log_quote("a\x7f"), "\"a \"");
    assert_string_equal(log_quote("\xc3\xa4"), "\xc3\xa4");
    assert_string_equal(log_quote("a\"b\\c\td\x7f "), "\"a\\\"b\\\\c d  \"");
}

static void a_long_value_is_cut_and_stays_closed(void **state)
{
    (void)state;
    char value[2000];
    memset(value, '"', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    const char *quoted = log_quote(value);
    size_t n = strlen(quoted);
    assert_true(n < 600 && quoted[n - 1] == '"' && quoted[n - 2] == '"' && quoted[n - 3] == '\\');
}

static void a_line_that_is_too_long_still_ends(void **state)
{
    (void)state;
    char value[4000];
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    log_info("long", "a=%s", value);
    const char *line = written();
    assert_true(strlen(line) > 2000 && strlen(line) <= 2400);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void eight_quoted_values_live_at_once(void **state)
{
    (void)state;
    const char *quoted[8];
    char value[] = "a 0";
    for (int i = 0; i < 8; i++) {
        value[2] = (char)('0' + i);
        quoted[i] = log_quote(value);
    }
    for (int i = 0; i < 8; i++)
        assert_int_equal(quoted[i][3], '0' + i);
}

static void levels_are_known_by_name(void **state)
{
    (void)state;
    enum log_level level = LOG_INFO;
    assert_true(log_level_from("debug", &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_false(log_level_from("loud", &level));
    assert_int_equal(level, LOG_DEBUG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_has_time_level_module_message_and_fields,
                                        stderr_begin, stderr_end),
        cmocka_unit_test_setup_teardown(lines_above_the_level_are_dropped, stderr_begin,
                                        stderr_end),
        cmocka_unit_test(a_value_cannot_forge_a_line),
        cmocka_unit_test(a_long_value_is_cut_and_stays_closed),
        cmocka_unit_test_setup_teardown(a_line_that_is_too_long_still_ends, stderr_begin,
                                        stderr_end),
        cmocka_unit_test(eight_quoted_values_live_at_once),
        cmocka_unit_test(levels_are_known_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
