/* test_project.c - pool/project.c: which directory is the project of a path, and its key. */
#include "base/str.h"
#include "pool/project.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/scratch.h"

#define MARKERS ".git,.hg,.svn,.jj"

static char top[PATH_MAX]; /* canonical; holds home/ and outside/ */

static const char *at(const char *path)
{
    static char slots[8][PATH_MAX + 64];
    static unsigned turn;
    char *out = slots[turn++ % 8];
    snprintf(out, sizeof slots[0], "%s/%s", top, path);
    return out;
}

static void dir(const char *path)
{
    char *copy = xstrdup(at(path));
    for (char *p = copy + strlen(top) + 1; *p; p++)
        if (*p == '/') {
            *p = '\0';
            mkdir(copy, 0700);
            *p = '/';
        }
    mkdir(copy, 0700);
    free(copy);
}

static void file(const char *path, const char *text)
{
    FILE *f = fopen(at(path), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static const char *known_root;

static bool is_known(void *arg, const char *root)
{
    (void)arg;
    return known_root && strcmp(root, known_root) == 0;
}

/* The root found for path, below top ("" = none), and how. */
static char how[64];
static const char *found(const char *path)
{
    static char out[PATH_MAX];
    char *root = NULL;
    struct err err = {0};
    how[0] = '\0';
    if (!project_find_root(path, MARKERS, is_known, NULL, &root, how, &err)) {
        assert_int_equal(err.code, ERR_NO_PROJECT);
        snprintf(how, sizeof how, "%.60s", err.text);
        return "";
    }
    snprintf(out, sizeof out, "%s", str_starts(root, top) ? root + strlen(top) + 1 : root);
    free(root);
    return out;
}

static int setup(void **state)
{
    (void)state;
    if (scratch_make(state) || !realpath(scratch, top))
        return -1;
    dir("home/user");
    dir("outside");
    setenv("HOME", at("home/user"), 1);
    known_root = NULL;
    return 0;
}

static void the_nearest_marker_above_a_path_decides(void **state)
{
    (void)state;
    dir("home/user/repo/.git");
    dir("home/user/repo/src/deep");
    file("home/user/repo/src/deep/a.c", "");
    assert_string_equal(found(at("home/user/repo/src/deep")), "home/user/repo");
    assert_string_equal(how, "marker:.git");
    assert_string_equal(found(at("home/user/repo")), "home/user/repo");
    assert_string_equal(found(at("home/user/repo/src/deep/a.c")), "home/user/repo");
}

static void a_repository_within_a_repository_is_a_project_of_its_own(void **state)
{
    (void)state;
    dir("home/user/repo/.git");
    dir("home/user/repo/vendor/inner/.git");
    dir("home/user/repo/vendor/inner/lib");
    assert_string_equal(found(at("home/user/repo/vendor/inner/lib")),
                        "home/user/repo/vendor/inner");
    assert_string_equal(found(at("home/user/repo/vendor")), "home/user/repo");
}

static void a_worktree_or_submodule_has_a_file_as_marker(void **state)
{
    (void)state;
    dir("home/user/repo/.git/worktrees/tree");
    dir("home/user/tree/src");
    file("home/user/tree/.git", "gitdir: ../repo/.git/worktrees/tree\n");
    dir("home/user/repo/sub/src");
    file("home/user/repo/sub/.git", "gitdir: ../.git/modules/sub\n");
    assert_string_equal(found(at("home/user/tree/src")), "home/user/tree");
    assert_string_equal(found(at("home/user/repo/sub/src")), "home/user/repo/sub");
}

static void a_symbolic_link_leads_to_the_same_project(void **state)
{
    (void)state;
    dir("home/user/repo/.git");
    dir("home/user/repo/src");
    assert_int_equal(symlink(at("home/user/repo/src"), at("outside/link")), 0);
    assert_string_equal(found(at("outside/link")), "home/user/repo");
}

static void a_dotfiles_repository_in_the_home_directory_is_none(void **state)
{
    (void)state;
    dir("home/user/.git");
    dir("home/user/notes");
    dir("home/user/.config/nvim/.git");
    dir("home/.git");
    assert_string_equal(found(at("home/user/notes")), "");
    assert_non_null(strstr(how, "no project at"));
    assert_string_equal(found(at("home/user")), "");
    assert_non_null(strstr(how, "the home directory"));
    assert_string_equal(found(at("home/user/.config/nvim")), "home/user/.config/nvim");
}

static void outside_home_markers_count_up_to_the_root_directory(void **state)
{
    (void)state;
    dir("outside/repo/.hg");
    dir("outside/repo/a/b");
    assert_string_equal(found(at("outside/repo/a/b")), "outside/repo");
    assert_string_equal(how, "marker:.hg");
    assert_string_equal(found(at("outside")), "");
    assert_string_equal(found("/"), "");
    assert_non_null(strstr(how, "the root directory"));
}

static void a_known_root_needs_no_marker(void **state)
{
    (void)state;
    dir("home/user/plain/sub");
    assert_string_equal(found(at("home/user/plain/sub")), "");
    known_root = at("home/user/plain");
    assert_string_equal(found(at("home/user/plain/sub")), "home/user/plain");
    assert_string_equal(how, "known");
}

static void a_place_that_everybody_can_write_to_is_nobodys_project(void **state)
{
    (void)state;
    dir("outside/shared/.git");
    dir("outside/shared/mine");
    assert_int_equal(chmod(at("outside/shared"), 01777), 0);
    assert_string_equal(found(at("outside/shared/mine")), "");
    assert_int_equal(chmod(at("outside/shared"), 0755), 0);
    assert_string_equal(found(at("outside/shared/mine")), "outside/shared");
}

static void a_path_that_is_not_there_is_an_error_that_names_it(void **state)
{
    (void)state;
    assert_string_equal(found("/no/such/place"), "");
    assert_non_null(strstr(how, "/no/such/place"));
    char *root = NULL;
    struct err err = {0};
    assert_false(project_find_root("relative", MARKERS, NULL, NULL, &root, how, &err));
    assert_int_equal(err.code, ERR_USAGE);
}

static void any_directory_but_root_and_home_can_be_made_a_project(void **state)
{
    (void)state;
    char *root = NULL;
    struct err err = {0};
    dir("home/user/plain");
    assert_int_equal(symlink(at("home/user/plain"), at("outside/plain")), 0);
    assert_true(project_canonical(at("outside/plain"), &root, &err));
    assert_string_equal(root, at("home/user/plain"));
    free(root);
    assert_false(project_canonical("/", &root, &err));
    err_clear(&err);
    assert_false(project_canonical(at("home/user"), &root, &err));
    assert_int_equal(err.code, ERR_NO_PROJECT);
}

static void the_key_is_made_of_name_and_hash_and_never_changes(void **state)
{
    (void)state;
    char key[PROJECT_KEY_SIZE], again[PROJECT_KEY_SIZE];
    project_key("/home/ann/My Repo_2", key);
    assert_string_equal(key, "my-repo-2-aqe6facuoq");
    project_key("/home/bob/My Repo_2", again);
    assert_true(str_starts(again, "my-repo-2-"));
    assert_string_not_equal(key, again);
    project_key("/srv/\xc3\xa4", key);
    assert_true(str_starts(key, "project-"));
    project_key(
        "/a/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        key);
    assert_int_equal(strlen(key), 40 + 1 + 10);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_nearest_marker_above_a_path_decides),
        CASE(a_repository_within_a_repository_is_a_project_of_its_own),
        CASE(a_worktree_or_submodule_has_a_file_as_marker),
        CASE(a_symbolic_link_leads_to_the_same_project),
        CASE(a_dotfiles_repository_in_the_home_directory_is_none),
        CASE(outside_home_markers_count_up_to_the_root_directory),
        CASE(a_known_root_needs_no_marker),
        CASE(a_place_that_everybody_can_write_to_is_nobodys_project),
        CASE(a_path_that_is_not_there_is_an_error_that_names_it),
        CASE(any_directory_but_root_and_home_can_be_made_a_project),
        CASE(the_key_is_made_of_name_and_hash_and_never_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
