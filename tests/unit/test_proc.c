/* Tests of platform/proc.h with real processes. */
#include "base/clock.h"
#include "base/str.h"
#include "platform/proc.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

/* A child that waits for ever; it and its like are killed and reaped by end(). */
static pid_t child_start(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    while (pid == 0)
        pause();
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* A process that has `width` children, `depth` deep, each deaf to TERM in a session of its own. */
static void nest(int depth, int width)
{
    signal(SIGTERM, SIG_IGN);
    setsid();
    for (int i = 0; depth > 0 && i < width; i++)
        if (fork() == 0) { /* the child goes on as the parent one level below */
            setsid();
            depth--;
            i = -1;
        }
    for (;;)
        pause();
}

static size_t tree_size(pid_t root)
{
    struct proc_list tree = {0};
    proc_tree(root, &tree);
    free(tree.items);
    return tree.count;
}

static pid_t nest_start(int depth, int width, size_t members)
{
    pid_t pid = fork();
    if (pid == 0)
        nest(depth, width);
    for (int64_t until = clock_ms() + 10000; tree_size(pid) < members; nap())
        assert_true(clock_ms() < until);
    return pid;
}

static void identity_is_pid_and_start_time(void **state)
{
    (void)state;
    struct proc_id self = {getpid(), proc_start_time(getpid())};
    assert_true(self.start_time > 0);
    assert_true(proc_is_alive(self));
    self.start_time++;
    assert_false(proc_is_alive(self));
    assert_false(proc_signal(self, 0));
    assert_true(proc_start_time(1 << 22) == 0);
}

static void a_zombie_counts_as_gone(void **state)
{
    (void)state;
    pid_t pid = child_start();
    struct proc_id id = {pid, proc_start_time(pid)};
    assert_true(proc_is_alive(id));
    kill(pid, SIGKILL);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_false(proc_is_alive(id));
    assert_true(proc_start_time(pid) == 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_name_with_blanks_and_parentheses_does_not_confuse(void **state)
{
    (void)state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_NAME, "a) Z 1 (b ) ", 0, 0, 0);
        if (write(ready[1], "x", 1) == 1)
            pause();
        _exit(0);
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_true(proc_start_time(pid) >= proc_start_time(getpid()));
    assert_int_equal(tree_size(getpid()), 2);
    end(pid);
    close(ready[0]);
    close(ready[1]);
}

static void the_boot_id_has_36_characters(void **state)
{
    (void)state;
    assert_int_equal(strlen(proc_boot_id()), 36);
}

static void a_stopped_process_is_seen_as_such(void **state)
{
    (void)state;
    pid_t pid = child_start();
    struct proc_id id = {pid, proc_start_time(pid)};
    assert_false(proc_is_stopped(id));
    assert_true(proc_signal(id, SIGSTOP));
    int status;
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(proc_is_stopped(id));
    end(pid);
}

static void a_tree_is_found_whole_and_root_first(void **state)
{
    (void)state;
    pid_t root = nest_start(3, 3, 40);
    struct proc_list tree = {0};
    proc_tree(root, &tree);
    assert_int_equal(tree.count, 40);
    assert_int_equal(tree.items[0].pid, root);
    struct proc_list scanned = {0};
    proc_use_fallbacks(true);
    proc_tree(root, &scanned);
    proc_use_fallbacks(false);
    assert_int_equal(scanned.count, 40);
    proc_tree(root, &tree); /* nobody twice */
    assert_int_equal(tree.count, 40);
    proc_kill_all(&scanned);
    assert_int_equal(waitpid(root, NULL, 0), root);
    free(tree.items);
    free(scanned.items);
}

static void kill_all_leaves_no_survivor_of_sessions_that_ignore_term(void **state)
{
    (void)state;
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    pid_t root = nest_start(3, 3, 40);
    struct proc_list trees = {0};
    proc_tree(root, &trees);
    trees.count = 1; /* the root alone: the rest must be found */
    proc_kill_all(&trees);
    assert_int_equal(trees.count, 40);
    int reaped = 0;
    while (waitpid(-1, NULL, 0) > 0)
        reaped++;
    assert_int_equal(reaped, 40);
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
    free(trees.items);
}

/* Replaces itself by a fork of itself again and again: no single look ever sees it stand still. */
static void run_away(void)
{
    for (;;) {
        pid_t next = fork();
        if (next > 0)
            _exit(0);
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
}

/* As a keeper does it: kill what hangs below us until nothing is left. */
static bool kill_what_runs_away(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (fork() == 0)
        run_away();
    pid_t pid = 0;
    for (int64_t until = clock_ms() + 10000; pid >= 0 && clock_ms() < until;) {
        struct proc_list tree = {0};
        proc_tree(getpid(), &tree);
        memmove(tree.items, tree.items + 1, --tree.count * sizeof *tree.items); /* not us */
        proc_kill_all(&tree);
        free(tree.items);
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
            continue;
    }
    return pid < 0;
}

static void kill_all_catches_a_process_that_replaces_itself(void **state)
{
    (void)state;
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    pid_t keeper = fork();
    if (keeper == 0)
        _exit(kill_what_runs_away() ? 0 : 1);
    int status;
    assert_int_equal(waitpid(keeper, &status, 0), keeper);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(waitpid(-1, &status, 0), -1); /* nobody came to us */
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

static void a_process_is_found_by_its_environment(void **state)
{
    (void)state;
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ready[1], 1);
        close(ready[0]);
        close(ready[1]);
        char *argv[] = {"sh", "-c", "echo; read x", NULL};
        char *env[] = {"PATH=/bin", "POOLD_TEST_MARK=one two", NULL};
        int hold[2];
        if (pipe(hold) == 0)
            dup2(hold[0], 0); /* a read that never ends: we hold the other end ourselves */
        execve("/bin/sh", argv, env);
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    char value[16];
    assert_true(proc_env_get(pid, "POOLD_TEST_MARK", value, sizeof value));
    assert_string_equal(value, "one two");
    assert_false(proc_env_get(pid, "POOLD_TEST", value, sizeof value));
    assert_false(proc_env_get(pid, "POOLD_TEST_MARK", value, 7)); /* no room for it */
    struct proc_list found = {0};
    proc_with_env("POOLD_TEST_MARK", "one", &found);
    assert_int_equal(found.count, 0);
    proc_with_env("POOLD_TEST_MARK", "one two", &found);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.items[0].pid, pid);
    free(found.items);
    end(pid);
    close(ready[0]);
    close(ready[1]);
}

static void memory_and_cpu_of_a_tree_are_the_sum_of_its_members(void **state)
{
    (void)state;
    pid_t root = nest_start(1, 3, 4);
    int64_t rss, pss, alone = 0;
    proc_tree_memory(root, &rss, &pss);
    proc_memory(root, &alone, NULL);
    assert_true(alone > 0);
    assert_true(rss > 2 * alone);
    assert_true(pss > 0 && pss < rss);
    assert_true(proc_tree_cpu_ms(root) >= 0);
    struct proc_list tree = {0};
    proc_tree(root, &tree);
    proc_kill_all(&tree);
    assert_int_equal(waitpid(root, NULL, 0), root);
    free(tree.items);
    proc_tree_memory(root, &rss, &pss);
    assert_int_equal(rss, 0);
    int64_t before = proc_cpu_ms(getpid());
    for (int64_t until = clock_ms() + 10000; proc_cpu_ms(getpid()) < before + 30;)
        assert_true(clock_ms() < until); /* this loop is the work that is measured */
}

static int listen_on(int family, bool any, int *port)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)*port)};
    struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
    a6.sin6_addr = any ? in6addr_any : in6addr_loopback;
    a4.sin_addr.s_addr = htonl(any ? INADDR_ANY : INADDR_LOOPBACK);
    struct sockaddr *address = family == AF_INET ? (void *)&a4 : (void *)&a6;
    socklen_t size = family == AF_INET ? sizeof a4 : sizeof a6;
    if (bind(fd, address, size) || listen(fd, 4) || getsockname(fd, address, &size)) {
        close(fd);
        return -1;
    }
    *port = ntohs(family == AF_INET ? a4.sin_port : a6.sin6_port);
    return fd;
}

static void a_port_is_ours_only_if_the_tree_listens(void **state)
{
    (void)state;
    pid_t other = child_start(); /* before the socket exists, so that it does not inherit it */
    for (int variant = 0; variant < 8; variant++) {
        int port = 0;
        int fd = listen_on(variant % 4 < 2 ? AF_INET : AF_INET6, variant % 2, &port);
        if (fd < 0 && variant % 4 >= 2)
            continue; /* a system without IPv6 */
        proc_use_fallbacks(variant >= 4);
        assert_true(fd >= 0);
        pid_t who = -1;
        assert_int_equal(proc_port_owner(port, getpid(), &who), PROC_PORT_OURS);
        assert_int_equal(who, 0);
        assert_int_equal(proc_port_owner(port, other, &who), PROC_PORT_STRANGER);
        assert_int_equal(who, getpid());
        assert_int_equal(proc_port_owner(port, 0, NULL), PROC_PORT_STRANGER);
        close(fd);
        assert_int_equal(proc_port_owner(port, getpid(), &who), PROC_PORT_FREE);
        proc_use_fallbacks(false);
    }
    end(other);
}

static void a_grandchild_that_listens_makes_the_port_ours(void **state)
{
    (void)state;
    int port = 0;
    int fd = listen_on(AF_INET, false, &port);
    pid_t holder = child_start();
    close(fd);
    assert_int_equal(proc_port_owner(port, getpid(), NULL), PROC_PORT_OURS);
    assert_int_equal(proc_port_owner(port, holder, NULL), PROC_PORT_OURS);
    end(holder);
    assert_int_equal(proc_port_owner(port, getpid(), NULL), PROC_PORT_FREE);
}

static void a_bound_or_connected_port_is_not_a_listening_one(void **state)
{
    (void)state;
    int port = 0;
    int server = listen_on(AF_INET, false, &port);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof to), 0);
    struct sockaddr_in own;
    socklen_t size = sizeof own;
    assert_int_equal(getsockname(client, (struct sockaddr *)&own, &size), 0);
    assert_int_equal(proc_port_owner(ntohs(own.sin_port), getpid(), NULL), PROC_PORT_FREE);
    close(client);
    close(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity_is_pid_and_start_time),
        cmocka_unit_test(a_zombie_counts_as_gone),
        cmocka_unit_test(a_name_with_blanks_and_parentheses_does_not_confuse),
        cmocka_unit_test(the_boot_id_has_36_characters),
        cmocka_unit_test(a_stopped_process_is_seen_as_such),
        cmocka_unit_test(a_tree_is_found_whole_and_root_first),
        cmocka_unit_test(kill_all_leaves_no_survivor_of_sessions_that_ignore_term),
        cmocka_unit_test(kill_all_catches_a_process_that_replaces_itself),
        cmocka_unit_test(a_process_is_found_by_its_environment),
        cmocka_unit_test(memory_and_cpu_of_a_tree_are_the_sum_of_its_members),
        cmocka_unit_test(a_port_is_ours_only_if_the_tree_listens),
        cmocka_unit_test(a_grandchild_that_listens_makes_the_port_ours),
        cmocka_unit_test(a_bound_or_connected_port_is_not_a_listening_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
