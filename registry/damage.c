/* registry/damage.c - see damage.h. */
#include "registry/damage.h"

#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

bool damage_is_code(int code)
{
    return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

char *damage_find(sqlite3 *db, bool *failed)
{
    char *found = NULL;
    sqlite3_stmt *stmt = NULL;
    *failed = false;
    if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        if (text && strcmp(text, "ok") != 0)
            found = xstrdup(text);
    } else if (damage_is_code(sqlite3_errcode(db))) {
        found = xstrdup(sqlite3_errmsg(db));
    } else {
        *failed = true;
    }
    sqlite3_finalize(stmt);
    return found;
}

bool damage_lost_its_main(const char *file)
{
    struct stat main_file, wal;
    char *wal_name = xasprintf("%s-wal", file);
    bool has_wal = stat(wal_name, &wal) == 0 && wal.st_size > 0;
    free(wal_name);
    return has_wal && (stat(file, &main_file) < 0 ? errno == ENOENT : main_file.st_size == 0);
}

/* A name beside file that nothing has yet. */
static char *aside_name(const char *file)
{
    char stamp[20];
    time_t now = time(NULL);
    struct tm tm;
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%S", gmtime_r(&now, &tm));
    char *name = xasprintf("%s.damaged-%s", file, stamp);
    for (int i = 2;; i++) {
        char *wal = xasprintf("%s-wal", name);
        bool is_free = access(name, F_OK) < 0 && access(wal, F_OK) < 0;
        free(wal);
        if (is_free)
            return name;
        free(name);
        name = xasprintf("%s.damaged-%s.%d", file, stamp, i);
    }
}

char *damage_put_aside(const char *file, struct err *err)
{
    /* The main file first: a WAL left alone by a crash here is found by damage_lost_its_main. */
    static const char *const tails[] = {"", "-wal", "-shm", "-journal"};
    char *aside = aside_name(file);
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof tails / sizeof *tails; i++) {
        char *from = xasprintf("%s%s", file, tails[i]), *to = xasprintf("%s%s", aside, tails[i]);
        if (rename(from, to) < 0 && errno != ENOENT)
            ok = err_set(err, ERR_REGISTRY, errno, "unable to put the damaged %s aside", from);
        free(from);
        free(to);
    }
    if (!ok) {
        free(aside);
        return NULL;
    }
    return aside;
}
