/* tests/unit/cases.h - data-driven tests: one directory per case under tests/data/<folder>/, with
 * the bytes `in` and what is expected of them: `out` (a dump) or `err` (the error's text).
 * Include after cmocka.h. */
#pragma once
#include "base/buf.h"
#include "base/str.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

/* Turn a case's input into its dump, or fail with an error. */
typedef bool case_dump(const char *in, size_t n, struct buf *out, struct err *err);

/* Content of tests/data/FOLDER/NAME/FILE into out; false if there is no such file. */
static inline bool case_read(const char *folder, const char *name, const char *file,
                             struct buf *out)
{
    char *path = xasprintf("%s/data/%s/%s/%s", TESTS_DIR, folder, name, file);
    FILE *f = fopen(path, "rb");
    free(path);
    if (!f)
        return false;
    char block[4096];
    for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0;)
        assert_true(buf_add(out, block, n));
    fclose(f);
    return true;
}

/* Run one case; false, with a message, if it does not give what is expected. The input lies in a
 * block of its own size, so that AddressSanitizer sees every step past its end. */
static inline bool case_passes(const char *folder, const char *name, case_dump *dump)
{
    struct buf in = BUF_INIT(1 << 20), want = BUF_INIT(1 << 20), got = BUF_INIT(1 << 20);
    struct err err = {0};
    assert_true(case_read(folder, name, "in", &in));
    bool want_out = case_read(folder, name, "out", &want);
    if (!want_out && !case_read(folder, name, "err", &want))
        fail_msg("%s/%s has neither out nor err", folder, name);
    char *exact = xmalloc(in.len);
    if (in.len)
        memcpy(exact, in.data, in.len);
    bool got_out = dump(exact, in.len, &got, &err);
    if (!got_out)
        assert_true(buf_printf(&got, "%s\n", err_text(&err)));
    bool passes = got_out == want_out && got.len == want.len &&
                  (got.len == 0 || memcmp(got.data, want.data, got.len) == 0);
    if (!passes)
        print_error("%s/%s: expected %s\n%s\nbut got %s\n%s\n", folder, name,
                    want_out ? "out" : "err", buf_text(&want), got_out ? "out" : "err",
                    buf_text(&got));
    free(exact);
    buf_release(&in);
    buf_release(&want);
    buf_release(&got);
    return passes;
}

/* Run every case of the folder whose name starts with prefix; fails if one fails or none is. */
static inline void cases_run(const char *folder, const char *prefix, case_dump *dump)
{
    char *path = xasprintf("%s/data/%s", TESTS_DIR, folder);
    DIR *dir = opendir(path);
    free(path);
    assert_non_null(dir);
    int run = 0, failed = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.' || !str_starts(entry->d_name, prefix))
            continue;
        run++;
        failed += !case_passes(folder, entry->d_name, dump);
    }
    closedir(dir);
    if (failed)
        fail_msg("%d of %d cases failed", failed, run);
    assert_true(run > 0);
}
