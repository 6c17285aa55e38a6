/* Tests of platform/spawn.h with real programs. */
#include "base/str.h"
#include "platform/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char *const plain_env[] = {(char *)"PATH=/usr/bin:/bin", NULL};

/* Run a shell script with spec's settings; its output, terminated, and its wait status. */
static int run(struct spawn_spec spec, const char *script, char *out, size_t room)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)script, NULL};
    struct err err = {0};
    int output[2], status;
    pid_t pid;
    assert_true(spawn_pipe(output));
    spec.argv = argv;
    spec.stdio[0] = -1;
    spec.stdio[1] = output[1];
    spec.stdio[2] = STDERR_FILENO;
    if (!spec.env)
        spec.env = plain_env;
    if (!spawn_program(&spec, &pid, &err))
        fail_msg("%s", err.text);
    close(output[1]);
    size_t n = 0;
    ssize_t got;
    while ((got = read(output[0], out + n, room - 1 - n)) > 0)
        n += (size_t)got;
    out[n] = '\0';
    close(output[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void the_environment_is_the_one_given(void **state)
{
    (void)state;
    char out[1024];
    char *env[] = {(char *)"PATH=/usr/bin:/bin", (char *)"ONE=1", NULL};
    run((struct spawn_spec){.env = env}, "exec env", out, sizeof out);
    assert_non_null(strstr(out, "ONE=1\n"));
    assert_null(strstr(out, "HOME="));
}

static void the_child_starts_with_default_signals_and_none_blocked(void **state)
{
    (void)state;
    char out[1024];
    sigset_t some, before;
    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    sigprocmask(SIG_BLOCK, &some, &before);
    signal(SIGPIPE, SIG_IGN);
    run((struct spawn_spec){0}, "grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status", out, sizeof out);
    signal(SIGPIPE, SIG_DFL);
    sigset_t after;
    sigprocmask(SIG_SETMASK, &before, &after);
    assert_true(sigismember(&after, SIGUSR1)); /* ours is as it was */
    assert_non_null(strstr(out, "SigBlk:\t0000000000000000"));
    assert_non_null(strstr(out, "SigIgn:\t0000000000000000"));
}

static void no_descriptor_leaks_into_the_child(void **state)
{
    (void)state;
    char out[1024];
    int leak = dup2(open("/dev/null", O_RDONLY), 50); /* not close-on-exec */
    assert_int_equal(leak, 50);
    run((struct spawn_spec){0}, "ls /proc/$$/fd", out, sizeof out);
    close(leak);
    assert_string_equal(out, "0\n1\n2\n");
}

/* Sources that are other entries' targets must not be overwritten before they are used. */
static void passed_descriptors_land_in_order_whatever_their_numbers(void **state)
{
    (void)state;
    char out[1024], paths[2][64];
    int pass[2];
    for (int i = 0; i < 2; i++) {
        snprintf(paths[i], sizeof paths[i], "/tmp/poold-test-spawn-%d-%d", (int)getpid(), i);
        pass[i] = open(paths[i], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert_true(pass[i] >= 0);
    }
    int high = fcntl(pass[1], F_DUPFD_CLOEXEC, 40);
    int fourth = fcntl(pass[0], F_DUPFD_CLOEXEC, 4);
    int crossed[] = {high, fourth};
    run((struct spawn_spec){.pass = crossed, .pass_count = 2},
        "readlink /proc/$$/fd/3 /proc/$$/fd/4", out, sizeof out);
    char *expected = xasprintf("%s\n%s\n", paths[1], paths[0]);
    assert_string_equal(out, expected);
    free(expected);
    for (int i = 0; i < 2; i++) {
        close(pass[i]);
        unlink(paths[i]);
    }
    close(high);
    close(fourth);
}

static void listening_sockets_are_announced_with_the_childs_own_pid(void **state)
{
    (void)state;
    char out[1024];
    int pass[] = {STDERR_FILENO};
    char *env[] = {(char *)"PATH=/usr/bin:/bin", (char *)"LISTEN_PID=1", (char *)"LISTEN_FDS=9",
                   NULL};
    run((struct spawn_spec){.env = env, .pass = pass, .pass_count = 1, .listen_names = "front"},
        "[ $LISTEN_PID = $$ ] && echo $LISTEN_FDS $LISTEN_FDNAMES", out, sizeof out);
    assert_string_equal(out, "1 front\n");
}

static void a_new_session_and_a_directory_are_set(void **state)
{
    (void)state;
    char out[1024];
    run((struct spawn_spec){.new_session = true, .cwd = "/usr"},
        "pwd; [ $(cut -d' ' -f6 /proc/$$/stat) = $$ ] && echo leader", out, sizeof out);
    assert_string_equal(out, "/usr\nleader\n");
    run((struct spawn_spec){.new_group = true},
        "[ $(cut -d' ' -f5 /proc/$$/stat) = $$ ] && echo group", out, sizeof out);
    assert_string_equal(out, "group\n");
}

static void expect_failure(const char *program, const char *path, const char *cwd, int sys,
                           const char *text)
{
    char *argv[] = {(char *)program, NULL};
    char *env[] = {xasprintf("PATH=%s", path), NULL};
    struct err err = {0};
    pid_t pid = -5;
    struct spawn_spec spec = {.argv = argv, .env = env, .cwd = cwd, .stdio = {-1, -1, -1}};
    assert_false(spawn_program(&spec, &pid, &err));
    free(env[0]);
    assert_int_equal(pid, -5);
    assert_int_equal(err.code, ERR_START_FAILED);
    assert_int_equal(err.sys, sys);
    assert_non_null(strstr(err.text, text));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie is left */
}

static void what_cannot_run_says_why(void **state)
{
    (void)state;
    expect_failure("poold-no-such-program", "/usr/bin:/bin", NULL, ENOENT,
                   "unable to run poold-no-such-program");
    expect_failure("passwd", "/etc", NULL, EACCES, "unable to run passwd");
    expect_failure("/etc/passwd", "", NULL, EACCES, "unable to run /etc/passwd");
    expect_failure("/etc/passwd/x", "", NULL, ENOTDIR, "unable to run");
    expect_failure("true", "/usr/bin:/bin", "/nonexistent", ENOENT, "unable to enter /nonexistent");
}

static void a_script_without_an_interpreter_line_runs_in_the_shell(void **state)
{
    (void)state;
    char path[64], out[64] = "";
    int output[2], status;
    snprintf(path, sizeof path, "/tmp/poold-test-script-%d", (int)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    assert_int_equal(write(fd, "echo \"$1\"\n", 10), 10);
    close(fd);
    assert_true(spawn_pipe(output));
    char *argv[] = {path, (char *)"two words", NULL};
    struct spawn_spec spec = {.argv = argv, .env = plain_env, .stdio = {-1, output[1], -1}};
    pid_t pid;
    assert_true(spawn_program(&spec, &pid, NULL));
    close(output[1]);
    assert_true(read(output[0], out, sizeof out - 1) > 0);
    assert_string_equal(out, "two words\n");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(output[0]);
    unlink(path);
}

static void more_descriptors_are_for_us_and_not_for_the_child(void **state)
{
    (void)state;
    struct rlimit before, after;
    char out[64];
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit low = {256, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    spawn_raise_descriptors();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &after), 0);
    assert_true(after.rlim_cur > 256);
    assert_int_equal(run((struct spawn_spec){0}, "ulimit -n", out, sizeof out), 0);
    assert_string_equal(out, "256\n");
    setrlimit(RLIMIT_NOFILE, &before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_is_the_one_given),
        cmocka_unit_test(the_child_starts_with_default_signals_and_none_blocked),
        cmocka_unit_test(no_descriptor_leaks_into_the_child),
        cmocka_unit_test(passed_descriptors_land_in_order_whatever_their_numbers),
        cmocka_unit_test(listening_sockets_are_announced_with_the_childs_own_pid),
        cmocka_unit_test(a_new_session_and_a_directory_are_set),
        cmocka_unit_test(what_cannot_run_says_why),
        cmocka_unit_test(more_descriptors_are_for_us_and_not_for_the_child),
        cmocka_unit_test(a_script_without_an_interpreter_line_runs_in_the_shell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
