/* tests/unit/scratch.h - a directory of its own for each test, removed afterwards, and a count of
 * open descriptors. Include after cmocka.h. */
#pragma once
#include "base/str.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char scratch[64];

static inline int scratch_make(void **state)
{
    (void)state;
    snprintf(scratch, sizeof scratch, "/tmp/poold-test-XXXXXX");
    return mkdtemp(scratch) ? 0 : -1;
}

static inline int scratch_remove_one(const char *path, const struct stat *st, int type,
                                     struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline int scratch_remove(void **state)
{
    (void)state;
    return nftw(scratch, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A path below it; borrowed, eight live at once. */
static inline const char *scratch_path(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
    return path;
}

/* Entries of it whose name begins with prefix; *last (may be NULL) is one of them. */
static inline int scratch_count(const char *prefix, char *last, size_t size)
{
    int n = 0;
    DIR *dir = opendir(scratch);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));)
        if (str_starts(e->d_name, prefix)) {
            n++;
            if (last)
                snprintf(last, size, "%s", e->d_name);
        }
    closedir(dir);
    return n;
}

static inline int open_descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/dev/fd");
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}
