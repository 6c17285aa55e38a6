/* tests/unit/registry_fixture.h - a registry in the scratch directory, filled with projects.
 * Include after cmocka.h. */
#pragma once
#include "registry/registry.h"
#include "tests/unit/scratch.h"

#include <fcntl.h>
#include <sys/stat.h>

static inline const char *file(void)
{
    return scratch_path("registry.db");
}

/* *damaged_as may be NULL: then there must be no damage. */
static inline struct registry *opened(char **damaged_as)
{
    struct registry *r = NULL;
    char *damaged = NULL;
    struct err err = {0};
    if (!registry_open(file(), &r, &damaged, &err))
        fail_msg("%s", err_text(&err));
    if (damaged_as)
        *damaged_as = damaged;
    else
        assert_null(damaged);
    return r;
}

static inline bool put_project(struct registry *r, int number, struct err *err)
{
    char key[32], root[600];
    snprintf(key, sizeof key, "project-%d", number);
    snprintf(root, sizeof root, "/%0500d", number);
    struct project_row row = {.key = key, .root = root, .first_unix_ms = number};
    return registry_project_put(r, &row, err);
}

static inline void count_one(void *arg, const struct project_row *row)
{
    (void)row;
    ++*(int *)arg;
}

static inline int projects_in(struct registry *r)
{
    int n = 0;
    struct err err = {0};
    if (!registry_projects(r, count_one, &n, &err))
        fail_msg("%s", err_text(&err));
    return n;
}

/* A closed registry with this many projects. */
static inline void make_registry(int projects)
{
    struct registry *r = opened(NULL);
    for (int i = 0; i < projects; i++)
        assert_true(put_project(r, i, NULL));
    registry_close(r);
}

static inline long size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

static inline void write_at(const char *path, long offset, const void *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, n, offset), n);
    close(fd);
}
