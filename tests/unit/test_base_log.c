/* tests/unit/test_base_log.c - log lines as they appear on stderr. */
#define LOG_MODULE "test"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "base/log_json.h"
#include "base/str.h"
#include "tests/unit/scratch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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

static int scratch_begin(void **state)
{
    return scratch_make(state) || stderr_begin(state);
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

static int scratch_end(void **state)
{
    log_bound("/", INT64_MAX); /* no file of ours any more */
    return stderr_end(state) || scratch_remove(state);
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

/* Of a line, from "level" on: the time is another one each time. */
static const char *from_level(const char *line)
{
    const char *at = strstr(line, "\"level\"");
    assert_non_null(at);
    return at;
}

static void as_json_a_line_has_the_same_fields_and_numbers_are_numbers(void **state)
{
    (void)state;
    log_set_format(LOG_JSON);
    log_warn("daemon is \"ready\"", "project=%s ms=%lld version=7 %s=%d why=%s", "123", 1840LL,
             "code", -2, log_quote("a=b \\ c\nd"));
    const char *line = written();
    assert_memory_equal(line, "{\"time\":\"2", 10);
    assert_string_equal(from_level(line),
                        "\"level\":\"warn\",\"mod\":\"test\",\"msg\":\"daemon is \\\"ready\\\"\","
                        "\"project\":\"123\",\"ms\":1840,\"version\":\"7\",\"code\":-2,"
                        "\"why\":\"a=b \\\\ c\\nd\"}\n");
    log_info("plain", "%s", "");
    assert_string_equal(from_level(written()),
                        "\"level\":\"info\",\"mod\":\"test\",\"msg\":\"plain\"}\n");
    log_set_format(LOG_LOGFMT);
}

static void json_is_utf_8_whatever_a_value_holds(void **state)
{
    (void)state;
    static const struct {
        const char *value, *json;
    } cases[] = {
        {"\xc3\xa4", "\xc3\xa4"},
        {"\xe2\x82\xac\xf0\x9f\x99\x82", "\xe2\x82\xac\xf0\x9f\x99\x82"},
        {"\xff", "\xef\xbf\xbd"},
        {"\xc3", "\xef\xbf\xbd"},
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char pair[32], want[64], got[128];
        snprintf(pair, sizeof pair, "k=%s", cases[i].value);
        snprintf(want, sizeof want, "{\"k\":\"%s\"}\n", cases[i].json);
        size_t n = log_json(pair, 0, "k=%s", got, sizeof got);
        got[n] = '\0';
        assert_string_equal(got, want);
    }
}

static void a_line_that_is_too_long_is_json_still(void **state)
{
    (void)state;
    char value[4000];
    memset(value, 0xff, sizeof value - 1);
    value[sizeof value - 1] = '\0';
    log_set_format(LOG_JSON);
    log_info("long", "a=%s", value);
    log_set_format(LOG_LOGFMT);
    const char *line = written();
    assert_true(strlen(line) > 6000);
    assert_string_equal(line + strlen(line) - 3, "\"}\n");
}

static void the_journal_gets_the_level_in_front_and_nobody_else(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    char *stream = xasprintf("%llu:%llu", (unsigned long long)st.st_dev,
                             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_find_journal();
    log_error("x", "a=%d", 1);
    assert_memory_equal(written(), "<3>time=", 8);
    log_warn("x", "a=%d", 1);
    assert_memory_equal(written(), "<4>time=", 8);
    log_set_format(LOG_JSON);
    log_info("x", "a=%d", 1);
    assert_memory_equal(written(), "<6>{\"time\"", 10);
    log_set_format(LOG_LOGFMT);
    setenv("JOURNAL_STREAM", "1:1", 1); /* ours was the journal's, but stderr is a file now */
    log_find_journal();
    log_error("x", "a=%d", 1);
    assert_memory_equal(written(), "time=", 5);
    unsetenv("JOURNAL_STREAM");
    free(stream);
}

/* --- the limit of a file --- */

static int64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) ? -1 : st.st_size;
}

/* stderr as `flags` say, into path. */
static void stderr_to(const char *path, int flags)
{
    int fd = open(path, O_WRONLY | O_CREAT | flags, 0600);
    assert_true(fd >= 0 && dup2(fd, STDERR_FILENO) == STDERR_FILENO);
    close(fd);
}

static void the_file_behind_stderr_stays_below_its_limit(void **state)
{
    (void)state;
    const char *path = scratch_path("poold.log"), *old = scratch_path("poold.log.1");
    stderr_to(path, O_APPEND);
    log_bound(path, 4096);
    for (int i = 0; i < 500; i++) {
        log_info("a line", "i=%d", i);
        assert_true(size_of(path) <= 4096 + 200);
    }
    assert_true(size_of(old) >= 4096);
    assert_true(size_of(old) <= 4096 + 200);
    assert_true(size_of(path) > 0);
    dup2(saved_stderr, STDERR_FILENO);
}

static void a_file_that_is_too_big_from_before_is_put_aside_at_once(void **state)
{
    (void)state;
    const char *path = scratch_path("poold.log"), *old = scratch_path("poold.log.1");
    stderr_to(path, O_APPEND);
    for (int i = 0; i < 100; i++)
        log_info("a line", "i=%d", i);
    int64_t before = size_of(path);
    log_bound(path, before + 1);
    assert_int_equal(size_of(path), before);
    log_bound(path, before);
    assert_int_equal(size_of(path), 0);
    assert_int_equal(size_of(old), before);
    dup2(saved_stderr, STDERR_FILENO);
}

static void another_file_or_one_that_is_not_appended_to_is_left_alone(void **state)
{
    (void)state;
    const char *path = scratch_path("mine"), *named = scratch_path("poold.log");
    stderr_to(named, O_APPEND);
    stderr_to(path, O_APPEND);
    log_info("a line", "i=%d", 1);
    log_bound(named, 1);
    log_info("a line", "i=%d", 2);
    int64_t both = size_of(path);
    assert_true(both > 100);
    stderr_to(path, 0);
    log_bound(path, 1);
    assert_int_equal(size_of(path), both);
    dup2(saved_stderr, STDERR_FILENO);
}

static void formats_are_known_by_name(void **state)
{
    (void)state;
    enum log_format found = LOG_LOGFMT;
    assert_true(log_format_from("json", &found));
    assert_int_equal(found, LOG_JSON);
    assert_true(log_format_from("logfmt", &found));
    assert_int_equal(found, LOG_LOGFMT);
    assert_false(log_format_from("xml", &found));
}

#define ON_FILE(test) cmocka_unit_test_setup_teardown(test, scratch_begin, scratch_end)
#define ON_STDERR(test) cmocka_unit_test_setup_teardown(test, stderr_begin, stderr_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STDERR(as_json_a_line_has_the_same_fields_and_numbers_are_numbers),
        cmocka_unit_test(json_is_utf_8_whatever_a_value_holds),
        ON_STDERR(a_line_that_is_too_long_is_json_still),
        ON_STDERR(the_journal_gets_the_level_in_front_and_nobody_else),
        ON_FILE(the_file_behind_stderr_stays_below_its_limit),
        ON_FILE(a_file_that_is_too_big_from_before_is_put_aside_at_once),
        ON_FILE(another_file_or_one_that_is_not_appended_to_is_left_alone),
        cmocka_unit_test(formats_are_known_by_name),
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
