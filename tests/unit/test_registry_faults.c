/* tests/unit/test_registry_faults.c - the registry when things go wrong around it: a full disk, a
 * writer that is killed, readers in the way, a directory that cannot be written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "tests/unit/registry_fixture.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* Run body in a child; its exit status. */
static int in_child(int (*body)(void))
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(body());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

enum { CHILD_FINE, CHILD_SKIPPED = 77 };
/* assert_true for a child: cmocka's would jump into the parent's test. */
#define CHILD_NEEDS(condition)                                                                   \
    do {                                                                                         \
        if (!(condition)) {                                                                      \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                              \
            return 1;                                                                            \
        }                                                                                        \
    } while (0)

/* Write until it fails; then reading works, and so does writing once there is room. */
static int fill_until_error(struct registry *r, const char *expected)
{
    struct err err = {0};
    int stored = 0;
    while (stored < 100000 && put_project(r, stored, &err))
        stored++;
    CHILD_NEEDS(err.code == ERR_REGISTRY);
    if (!strstr(err.text, expected))
        fprintf(stderr, "%s\n", err.text);
    CHILD_NEEDS(strstr(err.text, expected) != NULL);
    CHILD_NEEDS(!registry_is_damaged(r));
    CHILD_NEEDS(projects_in(r) == stored);
    CHILD_NEEDS(registry_begin(r, NULL));
    for (int i = 0; i < 100; i++)
        put_project(r, 200000 + i, NULL); /* may still fit into the cache */
    CHILD_NEEDS(!registry_commit(r, NULL)); /* rolled back, not half done */
    CHILD_NEEDS(projects_in(r) == stored);
    return CHILD_FINE;
}

static const char *program; /* this one */

/* Take all the room that is left. */
static void fill_the_disk(const char *ballast)
{
    char block[1024] = {0};
    int fd = open(ballast, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    while (fd >= 0 && write(fd, block, sizeof block) > 0)
        continue;
    close(fd);
}

/* An existing registry on a full disk is an error at most, and never taken for damage. */
static int open_on_a_full_disk(int projects)
{
    struct registry *r = NULL;
    char *damaged = NULL, *ballast = xstrdup(scratch_path("ballast"));
    struct err err = {0};
    fill_the_disk(ballast);
    if (registry_open(file(), &r, &damaged, &err))
        registry_close(r);
    else
        CHILD_NEEDS(err.code == ERR_REGISTRY);
    CHILD_NEEDS(!damaged);
    CHILD_NEEDS(unlink(ballast) == 0);
    free(ballast);
    CHILD_NEEDS(registry_open(file(), &r, &damaged, NULL));
    CHILD_NEEDS(!damaged);
    CHILD_NEEDS(projects_in(r) == projects);
    registry_close(r);
    return CHILD_FINE;
}

/* In a mount namespace of its own, with a small tmpfs at the scratch directory. */
static int on_a_full_disk(void)
{
    struct registry *r = NULL;
    char *damaged = NULL;
    struct err err = {0};
    CHILD_NEEDS(registry_open(file(), &r, &damaged, &err));
    int rc = fill_until_error(r, "full");
    if (rc)
        return rc;
    registry_close(r);
    CHILD_NEEDS(registry_open(file(), &r, &damaged, &err));
    CHILD_NEEDS(!damaged);
    int stored = projects_in(r);
    CHILD_NEEDS(stored > 0);
    registry_close(r);
    return open_on_a_full_disk(stored);
}

static int on_a_read_only_mount(void)
{
    struct registry *reader = NULL;
    struct err err = {0};
    if (!registry_open_readonly(file(), &reader, &err))
        fprintf(stderr, "%s\n", err_text(&err));
    CHILD_NEEDS(reader);
    CHILD_NEEDS(projects_in(reader) == 3);
    registry_close(reader);
    return CHILD_FINE;
}

static int unshare_works(void)
{
    execlp("unshare", "unshare", geteuid() == 0 ? "-m" : "-rm", "true", (char *)NULL);
    return CHILD_SKIPPED;
}

/* Run this program again with an option, in a mount namespace of its own in which a shell command
 * has mounted something on "$1", the scratch directory. */
static void runs_on_a_mount(const char *mount, const char *option)
{
    if (in_child(unshare_works)) {
        print_message("no right to mount a file system here\n");
        skip();
    }
    char *script = xasprintf("%s || exit 77\nexec \"$0\" %s \"$1\"", mount, option);
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execlp("unshare", "unshare", geteuid() == 0 ? "-m" : "-rm", "sh", "-c", script, program,
               scratch, (char *)NULL);
        _exit(CHILD_SKIPPED);
    }
    free(script);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SKIPPED)
        skip();
    assert_int_equal(status, 0);
}

static void a_full_disk_is_an_error_and_the_file_stays_whole(void **state)
{
    (void)state;
    runs_on_a_mount("mount -t tmpfs -o size=512k,mode=700 none \"$1\"", "--on-a-full-disk");
}

static void reading_works_on_a_read_only_mount(void **state)
{
    (void)state;
    make_registry(3);
    runs_on_a_mount("mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\"",
                    "--on-a-read-only-mount");
}

static int with_a_size_limit(void)
{
    struct registry *r = NULL;
    char *damaged = NULL;
    struct err err = {0};
    struct rlimit small = {400000, RLIM_INFINITY}, all = {RLIM_INFINITY, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    CHILD_NEEDS(registry_open(file(), &r, &damaged, &err));
    CHILD_NEEDS(setrlimit(RLIMIT_FSIZE, &small) == 0);
    int rc = fill_until_error(r, "I/O error");
    if (rc)
        return rc;
    int before = projects_in(r);
    CHILD_NEEDS(setrlimit(RLIMIT_FSIZE, &all) == 0);
    CHILD_NEEDS(put_project(r, 300000, &err)); /* room again: it goes on */
    registry_close(r);
    CHILD_NEEDS(registry_open(file(), &r, &damaged, &err));
    CHILD_NEEDS(!damaged);
    CHILD_NEEDS(projects_in(r) == before + 1);
    registry_close(r);
    return CHILD_FINE;
}

static void writing_goes_on_once_there_is_room_again(void **state)
{
    (void)state;
    assert_int_equal(in_child(with_a_size_limit), CHILD_FINE);
}

static int in_a_directory_that_cannot_be_written(void)
{
    struct registry *reader = NULL;
    struct err err = {0};
    CHILD_NEEDS(setgid(65534) == 0 && setuid(65534) == 0);
    if (!registry_open_readonly(file(), &reader, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    CHILD_NEEDS(projects_in(reader) == 3);
    registry_close(reader);
    return CHILD_FINE;
}

static void reading_works_in_a_directory_that_cannot_be_written(void **state)
{
    (void)state;
    make_registry(3);
    if (geteuid() != 0) {
        print_message("needs root, to read as another user\n");
        skip();
    }
    assert_int_equal(chmod(scratch, 0555), 0);
    assert_int_equal(chmod(file(), 0444), 0);
    assert_int_equal(in_child(in_a_directory_that_cannot_be_written), CHILD_FINE);
    assert_int_equal(chmod(scratch, 0700), 0);
}

/* Store projects for ever, and tell the number of each one that was acknowledged. */
static void write_for_ever(int out)
{
    struct registry *r = NULL;
    char *damaged = NULL;
    if (!registry_open(file(), &r, &damaged, NULL))
        _exit(1);
    for (int i = projects_in(r);; i++) {
        if (!put_project(r, i, NULL) || write(out, &i, sizeof i) != sizeof i)
            _exit(1);
        if (i % 50 == 0)
            registry_tick(r, INT64_MAX / 2 + i * (int64_t)100000);
    }
}

/* Start a writer, kill it after some acknowledgements; the last number that was acknowledged. */
static int killed_writer(int acknowledgements)
{
    int ends[2], last = -1, number;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        write_for_ever(ends[1]);
    }
    close(ends[1]);
    for (int i = 0; i < acknowledgements; i++) {
        assert_int_equal(read(ends[0], &number, sizeof number), sizeof number);
        last = number;
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    while (read(ends[0], &number, sizeof number) == sizeof number)
        last = number; /* acknowledged before the kill came through */
    close(ends[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return last;
}

static void a_killed_writer_loses_nothing_that_it_acknowledged(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        int last = killed_writer(1 + round * 7);
        struct registry *r = opened(NULL); /* checks the whole file */
        assert_true(projects_in(r) > last);
        registry_close(r);
    }
}

/* Open, read all and close again, until the pipe says stop. Exit 0 if nothing ever failed. */
static int read_again_and_again(int stop)
{
    int rounds = 0;
    struct pollfd p = {.fd = stop, .events = POLLIN};
    for (; rounds == 0 || poll(&p, 1, 0) == 0; rounds++) {
        struct registry *r = NULL;
        struct err err = {0};
        int n = 0;
        if (!registry_open_readonly(file(), &r, &err) ||
            !registry_projects(r, count_one, &n, &err)) {
            fprintf(stderr, "%s\n", err_text(&err));
            return 1;
        }
        registry_close(r);
    }
    return 0;
}

static void two_readers_never_meet_an_error_nor_does_the_writer(void **state)
{
    (void)state;
    int ends[2], status;
    pid_t readers[2];
    struct registry *r = opened(NULL);
    assert_true(put_project(r, 0, NULL));
    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < 2; i++) {
        readers[i] = fork();
        assert_true(readers[i] >= 0);
        if (readers[i] == 0)
            _exit(read_again_and_again(ends[0]));
    }
    for (int i = 0; i < 1000; i++) {
        struct err err = {0};
        if (!put_project(r, i, &err))
            fail_msg("%s", err.text);
        registry_tick(r, i * (int64_t)60001);
    }
    assert_int_equal(write(ends[1], "x", 1), 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(waitpid(readers[i], &status, 0), readers[i]);
        assert_int_equal(status, 0);
    }
    close(ends[0]);
    close(ends[1]);
    registry_close(r);
}

struct growth {
    struct registry *writer;
    int64_t now_ms;
};

/* While a reader stands in the middle of a result, the writer fills the WAL. */
static void grow_the_wal(void *arg, const struct project_row *row)
{
    struct growth *growth = arg;
    (void)row;
    for (int i = 0; i < 3000; i++)
        assert_true(put_project(growth->writer, i, NULL));
    registry_tick(growth->writer, growth->now_ms += 60001);
}

static void the_wal_shrinks_when_the_last_reader_is_gone(void **state)
{
    (void)state;
    struct registry *r = opened(NULL), *reader = NULL;
    struct growth growth = {.writer = r, .now_ms = INT64_MAX / 2};
    assert_true(put_project(r, 0, NULL));
    assert_true(registry_open_readonly(file(), &reader, NULL));
    assert_true(registry_projects(reader, grow_the_wal, &growth, NULL));
    assert_true(size_of(scratch_path("registry.db-wal")) > 4194304);
    registry_close(reader);
    registry_tick(r, growth.now_ms += 60001); /* now all of it can go into the main file */
    assert_true(put_project(r, 1, NULL));     /* and the WAL begins at its start again */
    assert_in_range(size_of(scratch_path("registry.db-wal")), 1, 4194304);
    registry_close(r);
}

static void a_close_beside_a_reader_leaves_nothing_in_the_wal(void **state)
{
    (void)state;
    struct registry *r = opened(NULL), *reader = NULL;
    assert_true(put_project(r, 0, NULL));
    assert_true(registry_open_readonly(file(), &reader, NULL));
    assert_int_equal(projects_in(reader), 1);
    registry_close(r);
    assert_int_equal(size_of(scratch_path("registry.db-wal")), 0);
    registry_close(reader);
}

static void without_ticks_nothing_is_checkpointed_in_the_middle_of_work(void **state)
{
    (void)state;
    struct registry *r = opened(NULL);
    long before = size_of(file());
    for (int i = 0; i < 2000; i++)
        assert_true(put_project(r, i, NULL));
    assert_int_equal(size_of(file()), before);
    registry_tick(r, 0); /* more than 1000 pages: no need to wait for the minute */
    assert_true(size_of(file()) > before);
    registry_close(r);
}

#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(int argc, char **argv)
{
    program = argv[0];
    if (argc == 3) {
        snprintf(scratch, sizeof scratch, "%s", argv[2]);
        return strcmp(argv[1], "--on-a-full-disk") == 0 ? on_a_full_disk()
                                                        : on_a_read_only_mount();
    }
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(a_full_disk_is_an_error_and_the_file_stays_whole),
        SCRATCH_TEST(reading_works_on_a_read_only_mount),
        SCRATCH_TEST(writing_goes_on_once_there_is_room_again),
        SCRATCH_TEST(reading_works_in_a_directory_that_cannot_be_written),
        SCRATCH_TEST(a_killed_writer_loses_nothing_that_it_acknowledged),
        SCRATCH_TEST(two_readers_never_meet_an_error_nor_does_the_writer),
        SCRATCH_TEST(the_wal_shrinks_when_the_last_reader_is_gone),
        SCRATCH_TEST(a_close_beside_a_reader_leaves_nothing_in_the_wal),
        SCRATCH_TEST(without_ticks_nothing_is_checkpointed_in_the_middle_of_work),
    };
    return cmocka_run_group_tests_name("registry faults", tests, NULL, NULL);
}
