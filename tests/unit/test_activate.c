/* tests/unit/test_activate.c - sockets handed over, in real child processes, and notifications. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "base/str.h"
#include "platform/activate.h"
#include "platform/net.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/poold-act-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

enum kind { END, TCP, API, MCP, ODD, PLAIN_FILE };

struct seen { /* what a child that was handed sockets saw */
    int count, front_port;
    enum err_code code;
    bool has_front, has_api, has_mcp, flags_are_right, variables_are_gone, rest_is_closed;
};

static int make_socket(enum kind kind)
{
    static const char *const names[] = {[API] = "api.sock", [MCP] = "mcp.sock", [ODD] = "odd.sock"};
    struct err err = {0};
    int fd = -1;
    if (kind == PLAIN_FILE)
        return open("/dev/null", O_RDONLY);
    if (kind == TCP)
        return net_listen_tcp("127.0.0.1:0", &fd, &err) ? fd : -1;
    char *path = str_path(dir, names[kind]);
    bool ok = net_listen_unix(path, &fd, &err);
    unlink(path);
    free(path);
    return ok ? fd : -1;
}

static bool flags_are_right(int fd)
{
    return fd < 0 || ((fcntl(fd, F_GETFD) & FD_CLOEXEC) && (fcntl(fd, F_GETFL) & O_NONBLOCK));
}

/* As a service manager does it: fds from 3 on, blocking, not close-on-exec. */
static void hand_over(const enum kind *kinds, const char *names, bool to_us)
{
    int fds[8], n = 0;
    for (; kinds[n] != END; n++)
        fds[n] = fcntl(make_socket(kinds[n]), F_DUPFD, 40);
    for (int i = 3; i < 40; i++)
        close(i);
    for (int i = 0; i < n; i++) {
        dup2(fds[i], 3 + i);
        close(fds[i]);
        fcntl(3 + i, F_SETFL, fcntl(3 + i, F_GETFL) & ~O_NONBLOCK);
    }
    char text[24];
    snprintf(text, sizeof text, "%d", n);
    setenv("LISTEN_FDS", text, 1);
    snprintf(text, sizeof text, "%d", (int)(to_us ? getpid() : getppid()));
    setenv("LISTEN_PID", text, 1);
    if (names)
        setenv("LISTEN_FDNAMES", names, 1);
}

static struct seen look(const enum kind *kinds)
{
    struct activate_sockets s = {-7, -7, -7};
    struct err err = {0};
    struct seen out = {.count = activate_take(&s, &err), .code = err.code};
    out.variables_are_gone =
        !getenv("LISTEN_FDS") && !getenv("LISTEN_PID") && !getenv("LISTEN_FDNAMES");
    if (out.count < 0)
        s = (struct activate_sockets){-1, -1, -1};
    out.has_front = s.front >= 0;
    out.has_api = s.api >= 0;
    out.has_mcp = s.mcp >= 0;
    out.front_port = out.has_front ? net_port(s.front) : 0;
    out.flags_are_right =
        flags_are_right(s.front) && flags_are_right(s.api) && flags_are_right(s.mcp);
    out.rest_is_closed = true;
    for (int i = 0; kinds[i] != END; i++)
        if (3 + i != s.front && 3 + i != s.api && 3 + i != s.mcp && fcntl(3 + i, F_GETFD) >= 0)
            out.rest_is_closed = false;
    return out;
}

/* Run it in a child, which may do to fds 3.. what it likes. */
static struct seen taken(const enum kind *kinds, const char *names, bool to_us)
{
    struct seen out = {.count = -99};
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int to_parent = fcntl(pipe_fds[1], F_DUPFD, 60);
        hand_over(kinds, names, to_us);
        out = look(kinds);
        _exit(write(to_parent, &out, sizeof out) == sizeof out ? 0 : 1);
    }
    close(pipe_fds[1]);
    assert_int_equal(read(pipe_fds[0], &out, sizeof out), sizeof out);
    close(pipe_fds[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return out;
}

static void named_sockets_come_to_their_places(void **state)
{
    (void)state;
    const enum kind kinds[] = {MCP, TCP, API, END};
    struct seen s = taken(kinds, "mcp:front:api", true);
    assert_int_equal(s.count, 3);
    assert_true(s.has_front && s.has_api && s.has_mcp);
    assert_true(s.front_port > 0);
    assert_true(s.flags_are_right);
    assert_true(s.variables_are_gone);
}

static void a_single_tcp_socket_is_the_front_whatever_its_name(void **state)
{
    (void)state;
    const enum kind kinds[] = {TCP, END};
    static const char *const names[] = {NULL, "", "poold.socket"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct seen s = taken(kinds, names[i], true);
        assert_int_equal(s.count, 1);
        assert_true(s.has_front && !s.has_api && !s.has_mcp);
    }
}

static void sockets_of_one_unit_are_told_apart_by_their_files(void **state)
{
    (void)state;
    const enum kind kinds[] = {TCP, API, MCP, ODD, END};
    struct seen s = taken(kinds, "poold.socket:poold.socket:poold.socket:poold.socket", true);
    assert_int_equal(s.count, 3);
    assert_true(s.has_front && s.has_api && s.has_mcp);
    assert_true(s.rest_is_closed);
}

static void sockets_for_another_process_are_not_taken(void **state)
{
    (void)state;
    const enum kind kinds[] = {TCP, END};
    struct seen s = taken(kinds, "front", false);
    assert_int_equal(s.count, 0);
    assert_false(s.has_front || s.has_api || s.has_mcp);
    assert_true(s.variables_are_gone);
}

static void two_sockets_for_one_place_are_an_error(void **state)
{
    (void)state;
    const enum kind kinds[] = {TCP, TCP, API, END};
    struct seen s = taken(kinds, NULL, true);
    assert_int_equal(s.count, -1);
    assert_int_equal(s.code, ERR_ADDRESS);
    assert_true(s.rest_is_closed);
    assert_true(s.variables_are_gone);
}

static void something_that_does_not_listen_is_an_error(void **state)
{
    (void)state;
    const enum kind kinds[] = {PLAIN_FILE, END};
    struct seen s = taken(kinds, "front", true);
    assert_int_equal(s.count, -1);
    assert_int_equal(s.code, ERR_ADDRESS);
    assert_true(s.rest_is_closed);
}

static void without_variables_nothing_is_taken(void **state)
{
    (void)state;
    struct activate_sockets s = {-7, -7, -7};
    struct err err = {0};
    unsetenv("LISTEN_FDS");
    assert_int_equal(activate_take(&s, &err), 0);
    assert_int_equal(s.front, -1);
    assert_int_equal(s.mcp, -1);
}

/* A datagram socket at a path (or abstract: '@'), as systemd has it. */
static int manager_at(const char *name)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t n = strlen(name);
    memcpy(a.sun_path, name, n);
    if (name[0] == '@')
        a.sun_path[0] = '\0';
    int fd = net_socket(AF_UNIX, SOCK_DGRAM);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
    return fd;
}

static void notified_at(const char *name)
{
    char text[64] = "";
    int fd = manager_at(name);
    setenv("NOTIFY_SOCKET", name, 1);
    assert_true(activate_notify("READY=1\nSTATUS=here"));
    assert_int_equal(recv(fd, text, sizeof text - 1, 0), 19);
    assert_string_equal(text, "READY=1\nSTATUS=here");
    close(fd);
    assert_false(activate_notify("READY=1")); /* nobody there any more */
    unsetenv("NOTIFY_SOCKET");
}

static void the_manager_is_notified_by_path(void **state)
{
    (void)state;
    char *path = str_path(dir, "notify");
    notified_at(path);
    unlink(path);
    free(path);
}

static void only_on_linux(void)
{
    struct utsname u;
    if (uname(&u) != 0 || strcmp(u.sysname, "Linux") != 0) {
        print_message("skipped: this is what Linux does\n");
        skip();
    }
}

static void the_manager_is_notified_by_abstract_name(void **state)
{
    (void)state;
    only_on_linux();
    char name[64];
    snprintf(name, sizeof name, "@poold-test-%d", (int)getpid());
    notified_at(name);
}

static void without_a_manager_nothing_is_sent(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "@", "relative/path"};
    unsetenv("NOTIFY_SOCKET");
    assert_false(activate_notify("READY=1"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv("NOTIFY_SOCKET", bad[i], 1);
        assert_false(activate_notify("READY=1"));
    }
    unsetenv("NOTIFY_SOCKET");
}

static void the_watchdog_is_fed_only_where_it_is_meant_for_us(void **state)
{
    (void)state;
    char pid[32];
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
    assert_int_equal(activate_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_int_equal(activate_watchdog_ms(), 30000);
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(activate_watchdog_ms(), 30000);
    setenv("WATCHDOG_PID", "1", 1); /* inherited */
    assert_int_equal(activate_watchdog_ms(), 0);
    unsetenv("WATCHDOG_PID");
    setenv("WATCHDOG_USEC", "soon", 1);
    assert_int_equal(activate_watchdog_ms(), 0);
    unsetenv("WATCHDOG_USEC");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_sockets_come_to_their_places),
        cmocka_unit_test(a_single_tcp_socket_is_the_front_whatever_its_name),
        cmocka_unit_test(sockets_of_one_unit_are_told_apart_by_their_files),
        cmocka_unit_test(sockets_for_another_process_are_not_taken),
        cmocka_unit_test(two_sockets_for_one_place_are_an_error),
        cmocka_unit_test(something_that_does_not_listen_is_an_error),
        cmocka_unit_test(without_variables_nothing_is_taken),
        cmocka_unit_test(the_manager_is_notified_by_path),
        cmocka_unit_test(the_manager_is_notified_by_abstract_name),
        cmocka_unit_test(without_a_manager_nothing_is_sent),
        cmocka_unit_test(the_watchdog_is_fed_only_where_it_is_meant_for_us),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
