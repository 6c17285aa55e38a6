/* tests/unit/test_dirs.c - places and small files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "base/str.h"
#include "platform/dirs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

static char root[32];

static int clean_start(void **state)
{
    (void)state;
    static const char *const variables[] = {"POOLD_CONFIG",    "POOLD_STATE_DIR", "POOLD_RUN_DIR",
                                            "XDG_CONFIG_HOME", "XDG_STATE_HOME",  "XDG_DATA_HOME",
                                            "XDG_RUNTIME_DIR"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
    setenv("HOME", "/home/someone", 1);
    snprintf(root, sizeof root, "/tmp/poold-dirs-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int remove_all(void **state)
{
    (void)state;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct dirs find(const char *config, const char *state_dir, const char *run)
{
    struct dirs d = {0};
    struct err err = {0};
    if (!dirs_find(config, state_dir, run, &d, &err))
        fail_msg("%s", err_text(&err));
    return d;
}

static int mode_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int)(st.st_mode & 07777) : -1;
}

static void only_on_linux(void)
{
    struct utsname u;
    if (uname(&u) != 0 || strcmp(u.sysname, "Linux") != 0) {
        print_message("skipped: this is what Linux does\n");
        skip();
    }
}

static void without_anything_set_places_are_below_home(void **state)
{
    (void)state;
    only_on_linux();
    struct dirs d = find(NULL, NULL, NULL);
    assert_string_equal(d.config_file, "/home/someone/.config/poold/poold.conf");
    assert_string_equal(d.state_dir, "/home/someone/.local/state/poold");
    assert_string_equal(d.run_dir, "/home/someone/.local/state/poold/run");
    assert_string_equal(d.data_dir, "/home/someone/.local/share/poold");
    dirs_finish(&d);
    assert_null(d.state_dir);
}

static void xdg_variables_move_the_defaults(void **state)
{
    (void)state;
    only_on_linux();
    setenv("XDG_CONFIG_HOME", "/c", 1);
    setenv("XDG_STATE_HOME", "/s", 1);
    setenv("XDG_DATA_HOME", "relative/is/ignored", 1);
    setenv("XDG_RUNTIME_DIR", root, 1);
    struct dirs d = find(NULL, NULL, NULL);
    assert_string_equal(d.config_file, "/c/poold/poold.conf");
    assert_string_equal(d.state_dir, "/s/poold");
    assert_string_equal(d.data_dir, "/home/someone/.local/share/poold");
    char *expected = str_path(root, "poold");
    assert_string_equal(d.run_dir, expected);
    free(expected);
    dirs_finish(&d);
}

static void a_runtime_directory_that_is_not_there_is_not_used(void **state)
{
    (void)state;
    only_on_linux();
    setenv("XDG_RUNTIME_DIR", "/nowhere/at/all", 1);
    struct dirs d = find(NULL, NULL, NULL);
    assert_string_equal(d.run_dir, "/home/someone/.local/state/poold/run");
    dirs_finish(&d);
}

static void flags_win_over_variables_and_variables_over_defaults(void **state)
{
    (void)state;
    setenv("POOLD_CONFIG", "/var/c.conf", 1);
    setenv("POOLD_STATE_DIR", "/var/s", 1);
    struct dirs d = find("/flag/c.conf", NULL, NULL);
    assert_string_equal(d.config_file, "/flag/c.conf");
    assert_string_equal(d.state_dir, "/var/s");
    assert_string_equal(d.run_dir, "/var/s/run");
    dirs_finish(&d);
    setenv("POOLD_RUN_DIR", "/var/r", 1);
    d = find("", "/flag/s", NULL); /* an empty flag is none */
    assert_string_equal(d.config_file, "/var/c.conf");
    assert_string_equal(d.state_dir, "/flag/s");
    assert_string_equal(d.run_dir, "/var/r");
    dirs_finish(&d);
}

static void relative_places_become_absolute(void **state)
{
    (void)state;
    char *here = getcwd(NULL, 0);
    char *expected = str_path(here, "my/state");
    struct dirs d = find(NULL, "my/state", NULL);
    assert_string_equal(d.state_dir, expected);
    dirs_finish(&d);
    free(expected);
    free(here);
}

static void without_home_the_defaults_fail_and_touch_nothing(void **state)
{
    (void)state;
    unsetenv("HOME");
    struct err err = {0};
    struct dirs d = {.state_dir = root};
    assert_false(dirs_find("/c", "/s", NULL, &d, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.text, "HOME"));
    assert_ptr_equal(d.state_dir, root);
}

static void make_makes_every_missing_parent_private(void **state)
{
    (void)state;
    struct err err = {0};
    char *path = str_path(root, "a/b/c");
    char *parent = str_path(root, "a");
    mode_t before = umask(0);
    assert_true(dirs_make(path, true, &err));
    assert_true(dirs_make(path, true, &err)); /* again is fine */
    umask(before);
    assert_int_equal(mode_of(path), 0700);
    assert_int_equal(mode_of(parent), 0700);
    free(parent);
    free(path);
}

static void make_closes_an_open_directory_only_if_it_shall_be_private(void **state)
{
    (void)state;
    struct err err = {0};
    char *path = str_path(root, "open");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chmod(path, 0777), 0);
    assert_true(dirs_make(path, false, &err));
    assert_int_equal(mode_of(path), 0777);
    assert_true(dirs_make(path, true, &err));
    assert_int_equal(mode_of(path), 0700);
    free(path);
}

static void make_refuses_what_is_not_ours_or_no_directory(void **state)
{
    (void)state;
    struct err err = {0};
    char *file = str_path(root, "file");
    close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_false(dirs_make(file, true, &err));
    assert_int_equal(err.sys, ENOTDIR);
    err_clear(&err);
    if (geteuid() == 0) {
        char *path = str_path(root, "theirs");
        assert_int_equal(mkdir(path, 0700), 0);
        assert_int_equal(chown(path, 65534, 65534), 0);
        assert_false(dirs_make(path, true, &err));
        assert_int_equal(err.code, ERR_DENIED);
        free(path);
    } else { /* the root directory is somebody else's */
        assert_false(dirs_make("/", false, &err));
        assert_int_equal(err.code, ERR_DENIED);
    }
    free(file);
}

static void a_file_comes_back_whole_with_its_zero_bytes(void **state)
{
    (void)state;
    struct err err = {0};
    static const char bytes[] = "a\0b\nc";
    char *path = str_path(root, "key"), *text = NULL;
    size_t n = 0;
    mode_t before = umask(022);
    assert_true(dirs_write_file(path, bytes, sizeof bytes, 0600, &err));
    umask(before);
    assert_int_equal(mode_of(path), 0600);
    assert_true(dirs_read_file(path, sizeof bytes, &text, &n, &err));
    assert_int_equal(n, sizeof bytes);
    assert_memory_equal(text, bytes, sizeof bytes + 1); /* and terminated */
    free(text);
    assert_true(dirs_write_file(path, "", 0, 0600, &err));
    assert_true(dirs_read_file(path, 0, &text, NULL, &err));
    assert_string_equal(text, "");
    free(text);
    free(path);
}

static void a_missing_file_is_not_found_and_a_big_one_too_big(void **state)
{
    (void)state;
    struct err err = {0};
    char *path = str_path(root, "f"), *text = path;
    assert_false(dirs_read_file(path, 10, &text, NULL, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    err_clear(&err);
    assert_true(dirs_write_file(path, "12345678901", 11, 0600, &err));
    assert_false(dirs_read_file(path, 10, &text, NULL, &err));
    assert_int_equal(err.code, ERR_TOO_BIG);
    assert_ptr_equal(text, path);
    err_clear(&err);
    assert_false(dirs_read_file(root, 10, &text, NULL, &err));
    assert_int_equal(err.sys, EISDIR);
    free(path);
}

static int entries(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static void a_failed_write_leaves_the_old_file_and_no_rest(void **state)
{
    (void)state;
    struct err err = {0};
    char *path = str_path(root, "dir"), *inside = str_path(path, "x");
    assert_true(dirs_make(inside, true, &err));
    assert_false(dirs_write_file(path, "x", 1, 0600, &err)); /* a directory is in the way */
    assert_int_equal(err.code, ERR_SYSTEM);
    assert_int_equal(entries(root), 1);
    free(inside);
    free(path);
}

static void writing_to_a_link_keeps_the_link(void **state)
{
    (void)state;
    struct err err = {0};
    struct stat st;
    char *real = str_path(root, "real"), *link = str_path(root, "link"), *text = NULL;
    assert_true(dirs_write_file(real, "old", 3, 0600, &err));
    assert_int_equal(symlink("real", link), 0);
    assert_true(dirs_write_file(link, "new", 3, 0600, &err));
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_true(dirs_read_file(real, 10, &text, NULL, &err));
    assert_string_equal(text, "new");
    assert_int_equal(entries(root), 2);
    free(text);
    free(link);
    free(real);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, clean_start, remove_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_anything_set_places_are_below_home),
        TEST(xdg_variables_move_the_defaults),
        TEST(a_runtime_directory_that_is_not_there_is_not_used),
        TEST(flags_win_over_variables_and_variables_over_defaults),
        TEST(relative_places_become_absolute),
        TEST(without_home_the_defaults_fail_and_touch_nothing),
        TEST(make_makes_every_missing_parent_private),
        TEST(make_closes_an_open_directory_only_if_it_shall_be_private),
        TEST(make_refuses_what_is_not_ours_or_no_directory),
        TEST(a_file_comes_back_whole_with_its_zero_bytes),
        TEST(a_missing_file_is_not_found_and_a_big_one_too_big),
        TEST(a_failed_write_leaves_the_old_file_and_no_rest),
        TEST(writing_to_a_link_keeps_the_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
