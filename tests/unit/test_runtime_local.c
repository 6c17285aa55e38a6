/* test_runtime_local.c - pool/runtime_local.c with real keepers; the daemons are this program. */
#include "base/clock.h"
#include "base/log.h"
#include "platform/net.h"
#include "platform/proc.h"
#include "platform/self.h"
#include "pool/runtime.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/scratch.h"

static char self[512], keeper[600];
static struct ev_loop *loop;
static struct runtime runtime;

/* --- the daemon --- */

/* Says every line again; "later WHAT" 0.3 s late. */
static int echo_main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    while ((n = getline(&line, &room, stdin)) > 0) {
        bool is_later = strncmp(line, "later ", 6) == 0;
        if (is_later)
            usleep(300000);
        fwrite(is_later ? line + 6 : line, 1, (size_t)(is_later ? n - 6 : n), stdout);
        fflush(stdout);
    }
    free(line);
    return 0;
}

/* "listen PORT": holds the port. "sit": does nothing. "tree": as sit, with a child in a session of
 * its own whose pid it prints. */
static int daemon_main(char **argv)
{
    int fd;
    struct err err = {0};
    char address[64];
    if (strcmp(argv[1], "listen") == 0) {
        snprintf(address, sizeof address, "127.0.0.1:%s", argv[2]);
        if (!net_listen_tcp(address, &fd, &err))
            return 3;
    }
    if (strcmp(argv[1], "tree") == 0 && fork() == 0) {
        setsid();
        printf("child %d\n", (int)getpid());
        fflush(stdout);
    }
    if (strcmp(argv[1], "echo") == 0)
        return echo_main();
    for (;;)
        pause();
}

/* --- what the runtime said --- */

static struct seen {
    int started, try_now, taken, exited, lost, found, synced;
    int pid, keeper_pid, exec_errno, exit_code, exit_signal;
    int64_t generation;
    char id[64], reason[64], tail[256], project[128], server[64];
    int lines, rooms;
    size_t line_size; /* of the last one */
    char line[256];
    int64_t lines_given, lines_taken;
} seen;

static void on_event(void *arg, const struct run_event *e)
{
    (void)arg;
    seen.started += e->kind == RUN_STARTED;
    seen.try_now += e->kind == RUN_TRY_NOW;
    seen.taken += e->kind == RUN_PORT_TAKEN;
    seen.exited += e->kind == RUN_EXITED;
    seen.lost += e->kind == RUN_LOST;
    seen.found += e->kind == RUN_FOUND;
    seen.synced += e->kind == RUN_SYNCED;
    if (e->kind == RUN_SYNCED)
        return;
    seen.rooms += e->kind == RUN_ROOM;
    if (e->kind == RUN_LINE) {
        seen.lines++;
        seen.line_size = e->line_size;
        snprintf(seen.line, sizeof seen.line, "%.*s", (int)e->line_size, e->line);
    }
    seen.generation = e->generation;
    snprintf(seen.id, sizeof seen.id, "%s", e->daemon_id);
    if (e->kind == RUN_STARTED || e->kind == RUN_FOUND) {
        seen.pid = e->pid;
        seen.keeper_pid = e->keeper_pid;
    }
    if (e->kind == RUN_FOUND) {
        snprintf(seen.project, sizeof seen.project, "%s", e->project);
        snprintf(seen.server, sizeof seen.server, "%s", e->server);
        seen.lines_given = e->lines_given;
        seen.lines_taken = e->lines_taken;
    }
    if (e->kind == RUN_EXITED) {
        seen.exec_errno = e->exec_errno;
        seen.exit_code = e->exit_code;
        seen.exit_signal = e->exit_signal;
        snprintf(seen.reason, sizeof seen.reason, "%s", e->reason ? e->reason : "");
        snprintf(seen.tail, sizeof seen.tail, "%s", e->tail);
    }
}

static void on_guard(struct ev_loop *l, struct ev_timer *t, int events)
{
    (void)l;
    (void)t;
    (void)events;
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        struct ev_timer guard;                                                                     \
        int64_t limit_ms = clock_ms() + 20000;                                                     \
        ev_timer_init(&guard, on_guard, 0.02, 0.02);                                               \
        ev_timer_start(loop, &guard);                                                              \
        while (!(condition) && clock_ms() < limit_ms)                                              \
            ev_run(loop, EVRUN_ONCE);                                                              \
        ev_timer_stop(loop, &guard);                                                               \
        if (!(condition))                                                                          \
            fail_msg("never came: %s", #condition);                                                \
    } while (0)

/* --- making and unmaking --- */

static int64_t epoch;

static void create(void)
{
    struct err err = {0};
    seen = (struct seen){0};
    if (!runtime_local_create(loop, scratch, ++epoch, keeper, on_event, NULL, &runtime, &err))
        fail_msg("%s", err_text(&err));
}

static int setup(void **state)
{
    if (scratch_make(state))
        return -1;
    loop = ev_default_loop(0);
    log_set_level(getenv("TEST_LOG") ? LOG_DEBUG : LOG_ERROR);
    create();
    return 0;
}

static int teardown(void **state)
{
    runtime.destroy(runtime.self);
    return scratch_remove(state);
}

static int free_port(void)
{
    int fd;
    struct err err = {0};
    assert_true(net_listen_tcp("127.0.0.1:0", &fd, &err));
    int port = net_port(fd);
    close(fd);
    return port;
}

static void start_as(enum transport transport, const char *id, int port, const char *command,
                     const char *mode)
{
    struct strv argv = {0}, env = {0};
    struct err err = {0};
    char text[16];
    snprintf(text, sizeof text, "%d", port);
    strv_add(&argv, command);
    strv_add(&argv, mode);
    strv_add(&argv, text);
    strv_env_set(&env, "PATH", "/usr/bin:/bin");
    strv_env_set(&env, "ASAN_OPTIONS", "detect_leaks=0");
    const struct run_spec spec = {.daemon_id = id,
                                  .generation = 5,
                                  .project = scratch,
                                  .project_key = "key",
                                  .server = "web",
                                  .definition = "def",
                                  .transport = transport,
                                  .port = port,
                                  .cwd = scratch,
                                  .argv = &argv,
                                  .env = &env,
                                  .log_path = scratch_path("daemon.log"),
                                  .log_max_bytes = 1024 * 1024,
                                  .orphan_ms = 60000,
                                  .grace_ms = 2000};
    if (!runtime.start(runtime.self, &spec, &err))
        fail_msg("%s", err_text(&err));
    strv_finish(&argv);
    strv_finish(&env);
}

static void start_command(const char *id, int port, const char *command, const char *mode)
{
    start_as(TRANSPORT_HTTP, id, port, command, mode);
}

static void start(const char *id, int port, const char *mode)
{
    start_command(id, port, self, mode);
}

static void stop(const char *id)
{
    runtime.stop(runtime.self, id, 2000, "asked");
    UNTIL(seen.exited == 1);
}

static bool is_alive(int pid)
{
    return proc_is_alive((struct proc_id){.pid = pid});
}

static int keeper_files(void)
{
    return (access(scratch_path("keepers/abcdefghij000001.sock"), F_OK) == 0) +
           (access(scratch_path("keepers/abcdefghij000001.lock"), F_OK) == 0);
}

#define ID "abcdefghij000001"

/* --- cases --- */

static int64_t usage_rss;
static void on_usage(void *arg, const char *id, const struct run_usage *usage)
{
    (void)arg;
    assert_string_equal(id, ID);
    usage_rss = usage->rss_bytes;
}

static void a_daemon_is_started_reached_and_stopped(void **state)
{
    (void)state;
    int port = free_port(), fd = -1;
    struct err err = {0};
    start(ID, port, "listen");
    UNTIL(seen.started == 1);
    assert_int_equal(seen.generation, 5);
    assert_true(is_alive(seen.pid));
    assert_true(is_alive(seen.keeper_pid));
    UNTIL(seen.try_now == 1);
    assert_int_equal(runtime.port(runtime.self, ID), PORT_OURS);
    assert_true(runtime.dial(runtime.self, ID, &fd, &err));
    close(fd);
    usage_rss = -1;
    runtime.usage(runtime.self, ID, on_usage, NULL);
    UNTIL(usage_rss > 0);
    assert_false(runtime.is_stopped(runtime.self, ID));
    kill(seen.pid, SIGSTOP);
    UNTIL(runtime.is_stopped(runtime.self, ID));
    kill(seen.pid, SIGCONT);
    stop(ID);
    assert_string_equal(seen.reason, "asked");
    assert_int_equal(seen.exit_signal, SIGTERM);
    assert_false(is_alive(seen.pid));
    assert_false(runtime.dial(runtime.self, ID, &fd, &err));
    UNTIL(keeper_files() == 0);
}

static void starting_twice_makes_one(void **state)
{
    (void)state;
    int port = free_port();
    start(ID, port, "listen");
    start(ID, port, "listen");
    UNTIL(seen.try_now == 1);
    start(ID, port, "listen");
    assert_int_equal(seen.started, 1);
    stop(ID);
}

static void a_command_that_is_not_there_is_an_exec_error(void **state)
{
    (void)state;
    start_command(ID, 0, "no-such-program", "x");
    UNTIL(seen.exited == 1);
    assert_int_equal(seen.exec_errno, ENOENT);
    assert_int_equal(seen.started, 0);
}

static void a_keeper_that_cannot_start_says_why(void **state)
{
    (void)state;
    start("bad/id", 0, "sit");
    UNTIL(seen.exited == 1);
    assert_int_equal(seen.exit_code, -1);
    assert_int_equal(seen.exit_signal, 0);
    assert_true(strlen(seen.tail) > 0);
}

static void a_stop_before_the_keeper_answers_is_obeyed(void **state)
{
    (void)state;
    start(ID, 0, "sit");
    stop(ID);
    assert_string_equal(seen.reason, "asked");
}

static void a_strangers_port_is_told_and_never_used(void **state)
{
    (void)state;
    int listener, fd;
    struct err err = {0};
    assert_true(net_listen_tcp("127.0.0.1:0", &listener, &err));
    start(ID, net_port(listener), "sit");
    UNTIL(seen.taken == 1);
    assert_int_equal(seen.try_now, 0);
    assert_false(runtime.dial(runtime.self, ID, &fd, &err));
    assert_int_equal(err.code, ERR_DENIED);
    close(listener);
    stop(ID);
}

static void the_next_one_adopts_what_runs(void **state)
{
    (void)state;
    int port = free_port(), fd = -1, pid;
    struct err err = {0};
    start(ID, port, "listen");
    UNTIL(seen.try_now == 1);
    pid = seen.pid;
    runtime.destroy(runtime.self);
    create();
    runtime.sync(runtime.self);
    assert_int_equal(seen.synced, 0);
    UNTIL(seen.synced == 1);
    assert_int_equal(seen.found, 1);
    assert_int_equal(seen.pid, pid);
    assert_int_equal(seen.generation, 5);
    assert_string_equal(seen.id, ID);
    assert_string_equal(seen.project, scratch);
    assert_string_equal(seen.server, "web");
    assert_true(runtime.dial(runtime.self, ID, &fd, &err));
    close(fd);
    stop(ID);
    assert_false(is_alive(pid));
}

static void an_empty_place_is_synced_at_once(void **state)
{
    (void)state;
    runtime.sync(runtime.self);
    assert_int_equal(seen.synced, 0);
    UNTIL(seen.synced == 1);
    assert_int_equal(seen.found, 0);
}

/* The pid after "child " in the daemon's log, once it is there. */
static int child_of_tree(void)
{
    char text[4096] = "";
    int fd = open(scratch_path("daemon.log"), O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    char *at = strstr(text, "child ");
    return at ? atoi(at + 6) : 0;
}

static void what_a_killed_keeper_leaves_is_ended(void **state)
{
    (void)state;
    start(ID, 0, "tree");
    UNTIL(seen.started == 1);
    UNTIL(child_of_tree() > 0);
    int child = child_of_tree();
    assert_true(is_alive(child));
    kill(seen.keeper_pid, SIGKILL);
    UNTIL(seen.lost == 1);
    UNTIL(seen.exited == 1);
    assert_string_equal(seen.reason, "keeper-lost");
    assert_false(is_alive(seen.pid));
    assert_false(is_alive(child));
    assert_int_equal(keeper_files(), 0);
}

static void a_keeper_that_does_not_obey_is_ended_with_all_it_held(void **state)
{
    (void)state;
    start(ID, 0, "sit");
    UNTIL(seen.started == 1);
    kill(seen.keeper_pid, SIGSTOP);
    runtime.stop(runtime.self, ID, 1000, "asked");
    assert_int_equal(seen.exited, 0);
    runtime.stop(runtime.self, ID, 0, "asked");
    UNTIL(seen.exited == 1);
    assert_false(is_alive(seen.pid));
    assert_false(is_alive(seen.keeper_pid));
}

/* A process of ours with this in its environment. */
static pid_t bystander(const char *mark)
{
    pid_t pid = fork();
    if (pid == 0) {
        char *const argv[] = {self, (char[]){"sit"}, NULL};
        char *const env[] = {(char *)(uintptr_t)mark, NULL};
        execve(self, argv, env);
        _exit(127);
    }
    /* Its environment shows only after the exec. */
    char value[64];
    UNTIL(proc_env_get(pid, "POOLD_DAEMON_ID", value, sizeof value));
    return pid;
}

static void what_runs_without_a_keeper_is_ended_and_not_reported(void **state)
{
    (void)state;
    int fd = open(scratch_path("keepers/abcdefghij000001.lock"), O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    pid_t ours = bystander("POOLD_DAEMON_ID=" ID), other = bystander("POOLD_DAEMON_ID=another0");
    runtime.sync(runtime.self);
    UNTIL(seen.synced == 1);
    assert_int_equal(seen.found + seen.exited + seen.lost, 0);
    assert_false(is_alive(ours));
    assert_true(is_alive(other));
    assert_int_equal(keeper_files(), 0);
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
}

/* --- stdio daemons --- */

static void start_lines(const char *mode)
{
    start_as(TRANSPORT_STDIO, ID, 0, self, mode);
    UNTIL(seen.started == 1);
}

static void send_line(const char *text)
{
    struct err err = {0};
    if (!runtime.send_line(runtime.self, ID, text, strlen(text), &err))
        fail_msg("%s", err_text(&err));
}

static void lines_pass_both_ways(void **state)
{
    (void)state;
    struct err err = {0};
    assert_false(runtime.send_line(runtime.self, ID, "{}", 2, &err));
    assert_int_equal(err.code, ERR_DAEMON_LOST);
    start_lines("echo");
    send_line("{\"a\":1}");
    UNTIL(seen.lines == 1);
    assert_string_equal(seen.line, "{\"a\":1}");
    send_line("{\"b\":\"\xe2\x80\xa8 is no line end\"}"); /* U+2028 */
    UNTIL(seen.lines == 2);
    assert_string_equal(seen.line, "{\"b\":\"\xe2\x80\xa8 is no line end\"}");
    UNTIL(runtime.unread(runtime.self, ID) == 0);
    stop(ID);
}

static void a_line_of_megabytes_passes_whole(void **state)
{
    (void)state;
    struct err err = {0};
    size_t n = (size_t)6 * 1024 * 1024;
    char *big = xmalloc(n);
    memset(big, 'x', n);
    start_lines("echo");
    assert_true(runtime.send_line(runtime.self, ID, big, n, &err));
    free(big);
    UNTIL(seen.lines == 1);
    assert_int_equal(seen.line_size, n);
    stop(ID);
}

static void who_does_not_read_is_given_no_more_than_the_window_and_room_is_told(void **state)
{
    (void)state;
    struct err err = {0};
    size_t n = (size_t)1024 * 1024, given = 0;
    char *big = xmalloc(n);
    memset(big, 'x', n);
    start_lines("echo");
    /* Its answer is not read by anybody while this one waits in the loop of its own. */
    send_line("later {}");
    while (given < 100 && runtime.send_line(runtime.self, ID, big, n, &err))
        given++;
    free(big);
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_true(given >= 3 && given <= 4);
    assert_true(runtime.unread(runtime.self, ID) >= 3 * n);
    UNTIL(seen.rooms == 1);
    UNTIL(seen.lines == (int)given + 1);
    send_line("{}");
    UNTIL(seen.lines == (int)given + 2);
    stop(ID);
}

/* The runtime's connection to its keeper breaks. */
static void cut_connection(void)
{
    int cut = 0;
    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_un peer = {0};
        socklen_t size = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sun_family == AF_UNIX &&
            strstr(peer.sun_path, ID ".sock"))
            cut += shutdown(fd, SHUT_RDWR) == 0;
    }
    assert_int_equal(cut, 1);
}

static void a_broken_connection_to_the_keeper_loses_and_repeats_no_line(void **state)
{
    (void)state;
    start_lines("echo");
    send_line("{\"n\":1}");
    UNTIL(seen.lines == 1);
    cut_connection();
    send_line("{\"n\":2}"); /* into the broken one */
    ev_run(loop, EVRUN_ONCE);
    send_line("{\"n\":3}"); /* between two */
    UNTIL(seen.lines == 3);
    assert_string_equal(seen.line, "{\"n\":3}");
    send_line("{\"n\":4}");
    UNTIL(seen.lines == 4);
    UNTIL(runtime.unread(runtime.self, ID) == 0);
    assert_string_equal(seen.line, "{\"n\":4}");
    assert_int_equal(seen.lost, 0);
    stop(ID);
    assert_int_equal(seen.lines, 4);
}

static void the_next_one_goes_on_with_the_lines(void **state)
{
    (void)state;
    start_lines("echo");
    send_line("{\"n\":1}");
    UNTIL(seen.lines == 1);
    UNTIL(runtime.unread(runtime.self, ID) == 0);
    send_line("later {\"n\":2}");
    UNTIL(runtime.unread(runtime.self, ID) ==
          0); /* the daemon has it, nobody waits for its answer */
    runtime.destroy(runtime.self);
    create();
    runtime.sync(runtime.self);
    UNTIL(seen.synced == 1);
    assert_int_equal(seen.lines_given, 2);
    assert_int_equal(seen.lines_taken, 1);
    UNTIL(seen.lines == 1);
    assert_string_equal(seen.line, "{\"n\":2}");
    send_line("{\"n\":3}");
    UNTIL(seen.lines == 2);
    assert_string_equal(seen.line, "{\"n\":3}");
    stop(ID);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    if (argc > 1)
        return daemon_main(argv);
    char *own = self_sibling("test_runtime_local"), *beside = self_sibling("../poold-keeper");
    const char *given = getenv("POOLD_KEEPER");
    snprintf(self, sizeof self, "%s", own ? own : "");
    snprintf(keeper, sizeof keeper, "%s", given ? given : beside ? beside : "");
    free(own);
    free(beside);
    const struct CMUnitTest tests[] = {
        CASE(a_daemon_is_started_reached_and_stopped),
        CASE(starting_twice_makes_one),
        CASE(a_command_that_is_not_there_is_an_exec_error),
        CASE(a_keeper_that_cannot_start_says_why),
        CASE(a_stop_before_the_keeper_answers_is_obeyed),
        CASE(a_strangers_port_is_told_and_never_used),
        CASE(the_next_one_adopts_what_runs),
        CASE(an_empty_place_is_synced_at_once),
        CASE(what_a_killed_keeper_leaves_is_ended),
        CASE(a_keeper_that_does_not_obey_is_ended_with_all_it_held),
        CASE(what_runs_without_a_keeper_is_ended_and_not_reported),
        CASE(lines_pass_both_ways),
        CASE(a_line_of_megabytes_passes_whole),
        CASE(who_does_not_read_is_given_no_more_than_the_window_and_room_is_told),
        CASE(a_broken_connection_to_the_keeper_loses_and_repeats_no_line),
        CASE(the_next_one_goes_on_with_the_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
