/* tests/unit/test_serena.c - Serena's home and configuration per project, and where Serena is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "platform/dirs.h"
#include "pool/serena.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char top[32];
static char *saved_home, *saved_path;

static int make_top(void **state)
{
    (void)state;
    strcpy(top, "/tmp/poold-serena-XXXXXX");
    saved_home = xstrdup(getenv("HOME"));
    saved_path = xstrdup(getenv("PATH"));
    return mkdtemp(top) ? 0 : -1;
}

static int remove_top(void **state)
{
    (void)state;
    char *argv[] = {"rm", "-rf", top, NULL};
    unsetenv("POOLD_SERENA_DIR");
    unsetenv("XDG_DATA_HOME");
    if (saved_home) {
        setenv("HOME", saved_home, 1);
    }
    setenv("PATH", saved_path, 1);
    free(saved_home);
    free(saved_path);
    pid_t pid = fork();
    if (pid == 0) {
        execvp("rm", argv);
        _exit(127);
    }
    return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

/* A path below top, in one of a few static buffers. */
static const char *at(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", top, name);
    return path;
}

static void make_dir(const char *name)
{
    struct err err = {0};
    assert_true(dirs_make(at(name), false, &err));
}

static void make_file(const char *name, const char *text, int mode)
{
    struct err err = {0};
    assert_true(dirs_write_file(at(name), text, strlen(text), mode, &err));
}

/* The configuration that serena_prepare wrote for a project below top; the caller frees it. */
static char *config_for(const char *root, bool is_trusted, const char *serena_dir)
{
    struct err err = {0};
    struct serena_project project = {.state_dir = at("state"),
                                     .root = root,
                                     .key = "proj-0123456789",
                                     .is_trusted = is_trusted,
                                     .serena_dir = serena_dir};
    char *home = NULL, *text = NULL;
    if (!serena_prepare(&project, &home, &err)) {
        fail_msg("%s", err_text(&err));
    }
    assert_string_equal(home, at("state/serena/proj-0123456789"));
    char *path = str_path(home, "serena_config.yml");
    assert_true(dirs_read_file(path, 100000, &text, NULL, &err));
    free(path);
    free(home);
    return text;
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        fail_msg("\"%s\" is not in:\n%s", part, text);
    }
}

static void an_untrusted_project_trusts_nothing(void **state)
{
    (void)state;
    make_dir("proj");
    char *text = config_for(at("proj"), false, NULL);
    assert_has(text, "\ntrusted_project_path_patterns: []\n");
    assert_has(text, "\nweb_dashboard: false\n");
    assert_has(text, "\nagent_interface: tools\n");
    assert_has(text, "\nprojects: []\n");
    free(text);
}

static void a_trusted_project_trusts_its_own_path_only(void **state)
{
    (void)state;
    make_dir("a{b}[c]*?\"d\\");
    char *text = config_for(at("a{b}[c]*?\"d\\"), true, NULL);
    char *line = xasprintf("\ntrusted_project_path_patterns: [\"%s/a?b??c???\\\"d\\\\\"]\n", top);
    assert_has(text, line);
    free(line);
    free(text);
}

static void trust_that_was_taken_back_is_gone(void **state)
{
    (void)state;
    make_dir("proj");
    free(config_for(at("proj"), true, NULL));
    char *text = config_for(at("proj"), false, NULL);
    assert_has(text, "\ntrusted_project_path_patterns: []\n");
    free(text);
}

static void a_project_without_a_folder_of_its_own_is_not_littered(void **state)
{
    (void)state;
    make_dir("proj");
    char *text = config_for(at("proj"), false, NULL);
    char *line = xasprintf("\nproject_serena_folder_location: \"%s/project\"\n",
                           at("state/serena/proj-0123456789"));
    assert_has(text, line);
    /* An existing folder wins over a .serena that the project gets later without us. */
    assert_int_equal(access(at("state/serena/proj-0123456789/project"), F_OK), 0);
    assert_int_equal(rmdir(at("proj")), 0);
    free(line);
    free(text);
}

static void the_folder_of_the_project_itself_is_used(void **state)
{
    (void)state;
    make_dir("proj/.serena");
    make_file("proj/.serena/project.yml", "project_name: p\n", 0644);
    char *text = config_for(at("proj"), false, NULL);
    assert_has(text, "\nproject_serena_folder_location: \"$projectDir/.serena\"\n");
    char *line = xasprintf("\nprojects: [\"%s\"]\n", at("proj"));
    assert_has(text, line);
    assert_int_not_equal(access(at("state/serena/proj-0123456789/project"), F_OK), 0);
    free(line);
    free(text);
}

static void a_link_as_the_projects_folder_is_not_followed(void **state)
{
    (void)state;
    make_dir("proj");
    make_dir("elsewhere");
    assert_int_equal(symlink(at("elsewhere"), at("proj/.serena")), 0);
    char *text = config_for(at("proj"), false, NULL);
    assert_null(strstr(text, "$projectDir"));
    free(text);
}

static void home_and_configuration_are_private(void **state)
{
    (void)state;
    make_dir("proj");
    free(config_for(at("proj"), false, NULL));
    struct stat st;
    assert_int_equal(stat(at("state/serena/proj-0123456789"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(at("state/serena/proj-0123456789/serena_config.yml"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void only_installed_language_servers_are_named(void **state)
{
    (void)state;
    make_dir("proj");
    make_dir("kit/bin");
    make_file("kit/bin/poold-pyright", "#!/bin/sh\n", 0755);
    make_file("kit/bin/poold-clangd", "#!/bin/sh\n", 0755);
    make_file("kit/bin/poold-typescript", "not executable\n", 0644);
    char *text = config_for(at("proj"), false, at("kit"));
    char *python = xasprintf("\n  python:\n    ls_path: \"%s\"\n", at("kit/bin/poold-pyright"));
    char *cpp = xasprintf("\n  cpp:\n    compile_commands_dir: \"%s\"\n    ls_path: \"%s\"\n",
                          at("state/serena/proj-0123456789/clangd"), at("kit/bin/poold-clangd"));
    assert_has(text, python);
    assert_has(text, cpp);
    assert_null(strstr(text, "typescript"));
    free(cpp);
    free(python);
    free(text);
}

static void the_link_to_the_language_servers_follows_the_installation(void **state)
{
    (void)state;
    char target[256] = "";
    char *link = xstrdup(at("state/serena/proj-0123456789/language_servers"));
    make_dir("proj");
    make_dir("first/language_servers");
    make_dir("second/language_servers");
    free(config_for(at("proj"), false, at("first")));
    free(config_for(at("proj"), false, at("second")));
    assert_true(readlink(link, target, sizeof target - 1) > 0);
    assert_string_equal(target, at("second/language_servers"));
    free(config_for(at("proj"), false, at("without")));
    assert_int_equal(readlink(link, target, sizeof target - 1), -1); /* not to nowhere */
    free(link);
}

static void a_project_that_had_no_language_is_looked_at_again(void **state)
{
    (void)state;
    make_dir("proj");
    make_dir("state/serena/proj-0123456789/project");
    const char *yml = "state/serena/proj-0123456789/project/project.yml";
    make_file(yml, "project_name: p\nlanguage_servers:\n- python\nencoding: utf-8\n", 0600);
    free(config_for(at("proj"), false, NULL));
    assert_int_equal(access(at(yml), F_OK), 0);
    make_file(yml, "project_name: p\nlanguage_servers: []\nencoding: utf-8\n", 0600);
    free(config_for(at("proj"), false, NULL));
    assert_int_not_equal(access(at(yml), F_OK), 0);
}

static void a_state_directory_that_serena_would_expand_is_refused(void **state)
{
    (void)state;
    struct err err = {0};
    char *home = NULL;
    struct serena_project project = {.state_dir = at("st$ate"), .root = "/p", .key = "k"};
    assert_false(serena_prepare(&project, &home, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_null(home);
}

static void serena_is_found_where_the_variable_says_or_not_at_all(void **state)
{
    (void)state;
    struct err err = {0};
    struct serena_install found = {0};
    make_dir("kit/bin");
    setenv("POOLD_SERENA_DIR", at("kit"), 1);
    assert_false(serena_find(&found, &err));
    assert_int_equal(err.code, ERR_START_FAILED);
    assert_has(err_text(&err), "./quickstart");
    err_clear(&err);
    make_file("kit/bin/serena", "#!/bin/sh\n", 0755);
    assert_true(serena_find(&found, &err));
    assert_string_equal(found.command, at("kit/bin/serena"));
    assert_string_equal(found.dir, at("kit"));
    serena_install_finish(&found);
}

static void serena_is_found_in_the_data_directory_before_path(void **state)
{
    (void)state;
    struct err err = {0};
    struct serena_install found = {0};
    make_dir("path");
    make_file("path/serena", "#!/bin/sh\n", 0755);
    setenv("PATH", at("path"), 1);
    setenv("HOME", top, 1);
    assert_true(serena_find(&found, &err));
    assert_string_equal(found.command, at("path/serena"));
    assert_null(found.dir);
    serena_install_finish(&found);
    make_dir(".local/share/poold/serena/bin");
    make_file(".local/share/poold/serena/bin/serena", "#!/bin/sh\n", 0755);
    assert_true(serena_find(&found, &err));
    assert_string_equal(found.dir, at(".local/share/poold/serena"));
    serena_install_finish(&found);
    setenv("XDG_DATA_HOME", at("data"), 1);
    assert_true(serena_find(&found, &err));
    assert_string_equal(found.command, at("path/serena"));
    serena_install_finish(&found);
}

static void a_serena_that_is_nowhere_names_the_remedy(void **state)
{
    (void)state;
    struct err err = {0};
    struct serena_install found = {0};
    setenv("PATH", "/nonexistent:relative:", 1);
    setenv("HOME", top, 1);
    assert_false(serena_find(&found, &err));
    assert_int_equal(err.code, ERR_START_FAILED);
    assert_has(err_text(&err), "./quickstart");
}

static void the_variables_are_set_in_one_call(void **state)
{
    (void)state;
    struct err err = {0};
    struct strv vars = {0};
    make_dir("proj");
    make_dir("kit/bin");
    setenv("POOLD_SERENA_DIR", at("kit"), 1);
    assert_false(serena_vars(at("state"), at("proj"), "k-1", false, &vars, &err));
    assert_int_equal(vars.count, 0);
    err_clear(&err);
    make_file("kit/bin/serena", "#!/bin/sh\n", 0755);
    assert_true(serena_vars(at("state"), at("proj"), "k-1", false, &vars, &err));
    assert_string_equal(strv_env_get(&vars, "POOLD_SERENA"), at("kit/bin/serena"));
    assert_string_equal(strv_env_get(&vars, "POOLD_SERENA_HOME"), at("state/serena/k-1"));
    strv_finish(&vars);
}

static void the_builtin_entry_is_json_with_known_variables_only(void **state)
{
    (void)state;
    json_t *entry = json_loads(serena_builtin_json(), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(entry);
    assert_string_equal(json_string_value(json_object_get(entry, "command")), "${POOLD_SERENA}");
    assert_true(json_array_size(json_object_get(entry, "args")) > 10);
    assert_non_null(json_object_get(json_object_get(entry, "warmup"), "tool"));
    json_decref(entry);
    static const char *const known[] = {"${POOLD_SERENA}", "${POOLD_SERENA_HOME}",
                                        "${POOLD_PROJECT}", "${POOLD_PORT}"};
    size_t seen = 0;
    for (const char *p = strstr(serena_builtin_json(), "${"); p; p = strstr(p + 1, "${")) {
        size_t i = 0;
        while (i < 4 && !str_starts(p, known[i])) {
            i++;
        }
        assert_true(i < 4);
        seen |= (size_t)1 << i;
    }
    assert_int_equal(seen, 15);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make_top, remove_top)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_untrusted_project_trusts_nothing),
        T(a_trusted_project_trusts_its_own_path_only),
        T(trust_that_was_taken_back_is_gone),
        T(a_project_without_a_folder_of_its_own_is_not_littered),
        T(the_folder_of_the_project_itself_is_used),
        T(a_link_as_the_projects_folder_is_not_followed),
        T(home_and_configuration_are_private),
        T(only_installed_language_servers_are_named),
        T(the_link_to_the_language_servers_follows_the_installation),
        T(a_project_that_had_no_language_is_looked_at_again),
        T(a_state_directory_that_serena_would_expand_is_refused),
        T(serena_is_found_where_the_variable_says_or_not_at_all),
        T(serena_is_found_in_the_data_directory_before_path),
        T(a_serena_that_is_nowhere_names_the_remedy),
        T(the_variables_are_set_in_one_call),
        T(the_builtin_entry_is_json_with_known_variables_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
