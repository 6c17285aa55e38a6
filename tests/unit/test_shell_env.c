/* tests/unit/test_shell_env.c - asking real shells, with homes made for the purpose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "platform/dirs.h"
#include "platform/shell_env.h"

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char home[32];

static int make_home(void **state)
{
    (void)state;
    snprintf(home, sizeof home, "/tmp/poold-home-XXXXXX");
    if (!mkdtemp(home))
        return -1;
    setenv("HOME", home, 1);
    setenv("SHELL", "/bin/bash", 1);
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("ZDOTDIR");
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int remove_home(void **state)
{
    (void)state;
    return nftw(home, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *name, const char *text)
{
    struct err err = {0};
    char *path = str_path(home, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_true(dirs_make(path, false, &err));
    *slash = '/';
    assert_true(dirs_write_file(path, text, strlen(text), 0600, &err));
    free(path);
}

static struct shell_env *begin(const char *const *names)
{
    struct shell_env *s = NULL;
    struct err err = {0};
    if (!shell_env_start(names, &s, &err))
        fail_msg("%s", err_text(&err));
    return s;
}

/* Feed until it is done or limit_ms is over, as the event loop would. */
static bool wait_for_answer(struct shell_env *s, int limit_ms)
{
    int64_t deadline_ms = clock_ms() + limit_ms;
    struct pollfd p = {.fd = shell_env_fd(s), .events = POLLIN};
    while (clock_ms() < deadline_ms) {
        poll(&p, 1, 50);
        if (p.revents && shell_env_feed(s) == SHELL_ENV_DONE)
            return true;
    }
    return false;
}

/* The PATH that the shell tells; new. */
static char *path_by(const char *shell)
{
    struct err err = {0};
    struct strv got = {0};
    setenv("SHELL", shell, 1);
    struct shell_env *s = begin(NULL);
    assert_string_equal(shell_env_shell(s), shell);
    assert_true(wait_for_answer(s, 20000));
    if (!shell_env_finish(s, &got, &err))
        fail_msg("%s", err_text(&err));
    assert_int_equal(got.count, 1);
    char *out = xstrdup(strv_env_get(&got, "PATH"));
    strv_finish(&got);
    return out;
}

static bool has(const char *path, const char *entry)
{
    char *list = xasprintf(":%s:", path), *one = xasprintf(":%s:", entry);
    bool found = strstr(list, one) != NULL;
    free(list);
    free(one);
    return found;
}

static void need(const char *shell)
{
    if (access(shell, X_OK) != 0) {
        print_message("skipped: no %s here\n", shell);
        skip();
    }
}

/* As Debian has it: nothing unless interactive. */
#define ONLY_INTERACTIVE "case $- in *i*) ;; *) return;; esac\n"

static void bash_tells_what_login_and_terminal_files_add(void **state)
{
    (void)state;
    need("/bin/bash");
    put(".profile", "PATH=/from/profile:$PATH\n");
    put(".bashrc", ONLY_INTERACTIVE "PATH=/from/bashrc:$PATH\n");
    char *path = path_by("/bin/bash");
    assert_true(has(path, "/from/profile"));
    assert_true(has(path, "/from/bashrc"));
    assert_true(has(path, "/usr/bin"));
    free(path);
}

static void dash_tells_what_its_login_file_adds(void **state)
{
    (void)state;
    need("/bin/dash");
    put(".profile", "PATH=$PATH:/from/profile\n");
    char *path = path_by("/bin/dash");
    assert_true(has(path, "/from/profile"));
    free(path);
}

static void zsh_tells_what_login_and_terminal_files_add(void **state)
{
    (void)state;
    need("/usr/bin/zsh");
    put(".zprofile", "path=(/from/zprofile $path)\n");
    put(".zshrc", "path=(/from/zshrc $path)\n");
    char *path = path_by("/usr/bin/zsh");
    assert_true(has(path, "/from/zprofile"));
    assert_true(has(path, "/from/zshrc"));
    free(path);
}

static void fish_tells_its_list_as_a_path(void **state)
{
    (void)state;
    need("/usr/bin/fish");
    put(".config/fish/config.fish",
        "if status is-interactive; set -gx PATH /from/fish $PATH; end\n");
    char *path = path_by("/usr/bin/fish");
    assert_true(has(path, "/from/fish"));
    assert_true(has(path, "/usr/bin"));
    free(path);
}

static void what_was_set_for_poold_alone_is_not_in_the_answer(void **state)
{
    (void)state;
    char *before = xstrdup(getenv("PATH"));
    put(".profile", "PATH=$PATH:/secret$MY_SECRET\n");
    setenv("MY_SECRET", "-is-out", 1);
    setenv("PATH", "/of/whoever/started/us:/usr/bin:/bin", 1);
    char *path = path_by("/bin/bash");
    setenv("PATH", before, 1);
    assert_false(has(path, "/of/whoever/started/us"));
    assert_true(has(path, "/secret"));
    free(path);
    free(before);
}

static void several_variables_can_be_asked_for(void **state)
{
    (void)state;
    static const char *const names[] = {"PATH", "LANGUAGE_HOME", "NOT_SET_AT_ALL", NULL};
    struct err err = {0};
    struct strv got = {0};
    put(".profile", "export LANGUAGE_HOME=\"a b's <x>\n\\c%s\"\n");
    struct shell_env *s = begin(names);
    assert_true(shell_env_pid(s) > 0);
    assert_true(wait_for_answer(s, 20000));
    assert_true(shell_env_finish(s, &got, &err));
    assert_string_equal(strv_env_get(&got, "LANGUAGE_HOME"), "a b's <x>\n\\c%s");
    assert_non_null(strv_env_get(&got, "PATH"));
    assert_null(strv_env_get(&got, "NOT_SET_AT_ALL"));
    strv_finish(&got);
}

static void names_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "1A", "A B", "A$(touch x)", "A=B"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *names[] = {bad[i], NULL};
        struct shell_env *s = NULL;
        struct err err = {0};
        assert_false(shell_env_start(names, &s, &err));
        assert_int_equal(err.code, ERR_USAGE);
        assert_null(s);
    }
}

static void a_noisy_profile_does_no_harm(void **state)
{
    (void)state;
    put(".profile", "echo 'Welcome! <x PATH>/nonsense</x>'\nPATH=$PATH:/from/profile\n"
                    "head -c 100000 /dev/zero\necho PATH=/no\n");
    put(".bashrc", "echo oops >&2\nread -p 'update? ' answer\nfalse\n");
    char *path = path_by("/bin/bash");
    assert_true(has(path, "/from/profile"));
    assert_false(has(path, "/nonsense"));
    assert_false(has(path, "/no"));
    free(path);
}

static bool is_gone(pid_t pid)
{
    return kill(pid, 0) != 0 && errno == ESRCH;
}

static void a_profile_without_end_of_output_is_given_up(void **state)
{
    (void)state;
    struct err err = {0};
    struct strv got = {0};
    put(".profile", "while :; do echo yes; done\n");
    struct shell_env *s = begin(NULL);
    pid_t pid = shell_env_pid(s);
    assert_true(wait_for_answer(s, 20000));
    assert_false(shell_env_finish(s, &got, &err));
    assert_int_equal(err.code, ERR_TOO_BIG);
    assert_int_equal(got.count, 0);
    assert_true(is_gone(pid));
}

static void a_profile_that_hangs_is_ended_with_its_children(void **state)
{
    (void)state;
    struct err err = {0};
    struct strv got = {0};
    char *pid_file = str_path(home, "child"), *text = NULL;
    put(".profile", "sleep 1000 & echo $! > ~/child.new; mv ~/child.new ~/child; wait\n");
    struct shell_env *s = begin(NULL);
    while (!dirs_read_file(pid_file, 100, &text, NULL, NULL))
        assert_false(wait_for_answer(s, 20));
    text[strcspn(text, "\n")] = '\0';
    int64_t child = 0;
    assert_true(str_to_int(text, 2, INT32_MAX, &child));
    assert_false(shell_env_finish(s, &got, &err));
    assert_int_equal(err.code, ERR_START_TIMEOUT);
    int64_t deadline_ms = clock_ms() + 10000; /* whoever inherits it must reap it */
    char stat_file[48], *line = NULL;
    snprintf(stat_file, sizeof stat_file, "/proc/%d/stat", (int)child);
    while (!is_gone((pid_t)child) && clock_ms() < deadline_ms &&
           !(dirs_read_file(stat_file, 4096, &line, NULL, NULL) && strstr(line, ") Z "))) {
        free(line);
        line = NULL;
        poll(NULL, 0, 5);
    }
    assert_true(clock_ms() < deadline_ms);
    free(line);
    free(text);
    free(pid_file);
}

static void where_interactive_files_fail_the_login_answer_stands(void **state)
{
    (void)state;
    put(".profile", "PATH=$PATH:/from/profile\n");
    put(".bashrc", ONLY_INTERACTIVE "PATH=$PATH:/from/bashrc\nexec true\n");
    char *path = path_by("/bin/bash");
    assert_true(has(path, "/from/profile"));
    assert_false(has(path, "/from/bashrc"));
    free(path);
    /* and where they hang, once the caller's patience ends */
    put(".bashrc", ONLY_INTERACTIVE "sleep 1000\n");
    struct err err = {0};
    struct strv got = {0};
    struct shell_env *s = begin(NULL);
    assert_false(wait_for_answer(s, 1500));
    assert_true(shell_env_finish(s, &got, &err));
    assert_true(has(strv_env_get(&got, "PATH"), "/from/profile"));
    strv_finish(&got);
}

static void something_left_running_does_not_delay_the_answer(void **state)
{
    (void)state;
    put(".profile", "sleep 1000 & echo $! > ~/agent\nPATH=$PATH:/from/profile\n");
    char *path = path_by("/bin/bash"); /* the agent holds the pipe open */
    assert_true(has(path, "/from/profile"));
    free(path);
    struct err err = {0};
    char *pid_file = str_path(home, "agent"), *text = NULL;
    int64_t agent = 0;
    assert_true(dirs_read_file(pid_file, 100, &text, NULL, &err));
    text[strcspn(text, "\n")] = '\0';
    assert_true(str_to_int(text, 2, INT32_MAX, &agent));
    assert_int_equal(kill((pid_t)agent, SIGKILL), 0); /* it was left alone */
    free(text);
    free(pid_file);
}

static void a_login_program_that_is_no_shell_is_not_asked(void **state)
{
    (void)state;
    static const char *const others[] = {"/usr/sbin/nologin", "/bin/tcsh", "nu", "/it's/bash"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        setenv("SHELL", others[i], 1);
        struct shell_env *s = begin(NULL);
        assert_string_equal(shell_env_shell(s), "/bin/sh");
        assert_false(shell_env_finish(s, NULL, NULL));
    }
    unsetenv("SHELL"); /* then the passwd entry says it */
    struct shell_env *s = begin(NULL);
    assert_int_equal(shell_env_shell(s)[0], '/');
    assert_false(shell_env_finish(s, NULL, NULL));
}

static void a_shell_that_is_missing_is_an_error(void **state)
{
    (void)state;
    struct err err = {0};
    struct shell_env *s = NULL;
    setenv("SHELL", "/nowhere/bash", 1);
    assert_false(shell_env_start(NULL, &s, &err));
    assert_int_equal(err.code, ERR_START_FAILED);
}

static void somebody_else_may_have_waited_for_the_shell(void **state)
{
    (void)state;
    struct err err = {0};
    struct strv got = {0};
    struct shell_env *s = begin(NULL);
    assert_true(wait_for_answer(s, 20000));
    assert_int_equal(waitpid(shell_env_pid(s), NULL, 0), shell_env_pid(s));
    assert_true(shell_env_finish(s, &got, &err));
    strv_finish(&got);
}

static void joined_paths_hold_each_absolute_entry_once(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second, *joined;
    } rows[] = {
        {"/a:/b", "/b:/c", "/a:/b:/c"},
        {"/a:/a:/ab", "/ab:/a", "/a:/ab"},
        {"", "/c", "/c"},
        {":/a:.::bin:/b:", ":", "/a:/b"},
        {NULL, NULL, ""},
        {"/a", NULL, "/a"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *got = shell_env_join_paths(rows[i].first, rows[i].second);
        assert_string_equal(got, rows[i].joined);
        free(got);
    }
}

static void the_fallback_has_own_entries_first_and_the_usual_places(void **state)
{
    (void)state;
    setenv("HOME", "/home/someone", 1);
    char *path = shell_env_fallback_path("/own:/usr/bin");
    assert_string_equal(
        path, "/own:/usr/bin:/home/someone/.local/bin:/usr/local/bin:/opt/homebrew/bin:/bin");
    free(path);
    path = shell_env_fallback_path(NULL);
    assert_true(str_starts(path, "/home/someone/.local/bin:/usr/local/bin:"));
    free(path);
    setenv("HOME", home, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_home, remove_home)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bash_tells_what_login_and_terminal_files_add),
        TEST(dash_tells_what_its_login_file_adds),
        TEST(zsh_tells_what_login_and_terminal_files_add),
        TEST(fish_tells_its_list_as_a_path),
        TEST(what_was_set_for_poold_alone_is_not_in_the_answer),
        TEST(several_variables_can_be_asked_for),
        TEST(names_that_are_none_are_refused),
        TEST(a_noisy_profile_does_no_harm),
        TEST(a_profile_without_end_of_output_is_given_up),
        TEST(a_profile_that_hangs_is_ended_with_its_children),
        TEST(where_interactive_files_fail_the_login_answer_stands),
        TEST(something_left_running_does_not_delay_the_answer),
        TEST(a_login_program_that_is_no_shell_is_not_asked),
        TEST(a_shell_that_is_missing_is_an_error),
        TEST(somebody_else_may_have_waited_for_the_shell),
        TEST(joined_paths_hold_each_absolute_entry_once),
        TEST(the_fallback_has_own_entries_first_and_the_usual_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
