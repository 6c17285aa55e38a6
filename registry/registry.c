/* registry/registry.c - opening, closing, transactions and checkpoints. See registry.h;
 * the settings and what was measured for them: docs/decisions/sqlite-settings.md. */
#include "registry/registry.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "registry/damage.h"
#include "registry/schema.h"
#include "registry/statements.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_OPEN_MS 1000 /* opening and reading may wait for somebody's recovery */
#define BUSY_RUN_MS 50    /* in the loop: nobody else writes, so waiting is pointless */
#define WAL_PAGES_MAX 1000
#define CHECKPOINT_EVERY_MS 60000

/* Called by SQLite after each commit, in the place of its automatic checkpoint: see
 * registry_tick. */
static int wal_grew(void *arg, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    ((struct registry *)arg)->wal_pages = pages;
    return SQLITE_OK;
}

static struct registry *handle_new(const char *file)
{
    struct registry *r = xcalloc(1, sizeof *r);
    r->file = xstrdup(file);
    r->checkpoint_ms = clock_ms();
    return r;
}

static void handle_free(struct registry *r)
{
    statements_finalize(r);
    sqlite3_close(r->db);
    free(r->file);
    free(r->problem);
    free(r);
}

/* Which file is open, to see when it is taken away. */
static void note_file(struct registry *r)
{
    struct stat st;
    if (stat(r->file, &st) == 0) {
        r->dev = st.st_dev;
        r->ino = st.st_ino;
    }
}

/* The last connection's close would checkpoint: not on a file that may be put aside. */
static void set_checkpoint_on_close(struct registry *r, bool on)
{
    sqlite3_db_config(r->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, on ? 0 : 1, NULL);
}

/* The file exists and is ours alone; SQLite gives -wal and -shm the mode of the main file. */
static bool file_make(const char *file, struct err *err)
{
    struct stat st;
    if (stat(file, &st) == 0) {
        if ((st.st_mode & 07777) != 0600 && S_ISREG(st.st_mode) && chmod(file, 0600) < 0)
            return err_set(err, ERR_REGISTRY, errno, "unable to make %s private", file);
        return true;
    }
    int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, ERR_REGISTRY, errno, "unable to create %s", file);
    close(fd);
    return true;
}

static bool pragmas_set(struct registry *r, struct err *err)
{
    static const char pragmas[] = "PRAGMA trusted_schema = OFF;"
                                  "PRAGMA foreign_keys = ON;"
                                  "PRAGMA cache_size = -256;" /* KiB: memory is counted */
                                  "PRAGMA journal_mode = WAL;"
                                  "PRAGMA synchronous = NORMAL;"
                                  "PRAGMA journal_size_limit = 4194304;";
    if (sqlite3_exec(r->db, pragmas, NULL, NULL, NULL) != SQLITE_OK)
        return statements_fail(r, "set up the connection", err);
    sqlite3_wal_hook(r->db, wal_grew, r);
    return true;
}

enum verdict { SOUND, DAMAGED, FAILED, REFUSED };

static enum verdict verdict_of(int code)
{
    return damage_is_code(code) ? DAMAGED : FAILED;
}

/* The same for our own SQL: SQLITE_ERROR there is a table or column that is not what the version
 * says. */
static enum verdict verdict_of_sql(int code)
{
    return (code & 0xff) == SQLITE_ERROR ? DAMAGED : verdict_of(code);
}

/* Every page readable, every table as our statements need it? */
static enum verdict content_check(struct registry *r, struct err *err)
{
    bool failed;
    char *wrong = damage_find(r->db, &failed);
    if (failed) {
        statements_fail(r, "check the content", err);
        return FAILED;
    }
    if (!wrong)
        return SOUND;
    err_set(err, ERR_REGISTRY, 0, "%s is damaged (%s)", r->file, wrong);
    free(wrong);
    return DAMAGED;
}

static enum verdict open_writable(struct registry *r, struct err *err)
{
    int count, code;
    const char *const *const *steps = schema_steps(&count);
    if (damage_lost_its_main(r->file)) {
        err_set(err, ERR_REGISTRY, 0, "%s is missing or empty, but its -wal is not", r->file);
        return DAMAGED;
    }
    if (!file_make(r->file, err))
        return FAILED;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(r->file, &r->db, flags, NULL) != SQLITE_OK) {
        statements_fail(r, "open the registry", err);
        return FAILED;
    }
    set_checkpoint_on_close(r, false);
    sqlite3_busy_timeout(r->db, BUSY_OPEN_MS);
    if (!schema_is_ours(r->db, r->file, count, err)) {
        int read = sqlite3_errcode(r->db); /* OK: readable, but not for us */
        return read == SQLITE_OK ? REFUSED : verdict_of(read);
    }
    if (!pragmas_set(r, err))
        return verdict_of(sqlite3_errcode(r->db));
    enum verdict verdict = content_check(r, err);
    if (verdict != SOUND)
        return verdict;
    if (!schema_migrate(r->db, steps, count, &code, err))
        return verdict_of_sql(code);
    if (!statements_prepare(r, err))
        return verdict_of_sql(sqlite3_errcode(r->db));
    sqlite3_busy_timeout(r->db, BUSY_RUN_MS);
    set_checkpoint_on_close(r, true);
    note_file(r);
    return SOUND;
}

/* Open, putting one damaged file aside; *damaged_as is set also on failure. */
static enum verdict open_or_begin_anew(const char *file, struct registry **out, char **damaged_as,
                                       struct err *err)
{
    for (;;) {
        struct err problem = {0};
        struct registry *r = handle_new(file);
        enum verdict verdict = open_writable(r, &problem);
        if (verdict == SOUND) {
            *out = r;
            return SOUND;
        }
        handle_free(r);
        if (verdict != DAMAGED || *damaged_as) {
            err_set(err, problem.code, 0, *damaged_as ? "%s; the file before it is now %s" : "%s",
                    problem.text, *damaged_as);
            return verdict == REFUSED ? REFUSED : FAILED;
        }
        *damaged_as = damage_put_aside(file, err);
        if (!*damaged_as)
            return FAILED;
    }
}

bool registry_open(const char *file, struct registry **out, char **damaged_as, struct err *err)
{
    char *aside = NULL;
    if (open_or_begin_anew(file, out, &aside, err) != SOUND) {
        free(aside);
        return false;
    }
    *damaged_as = aside;
    return true;
}

bool registry_open_anyhow(const char *file, struct registry **out, char **damaged_as,
                          struct err *err)
{
    char *aside = NULL;
    struct registry *r = NULL;
    struct err why = {0};
    enum verdict verdict = open_or_begin_anew(file, &r, &aside, &why);
    if (verdict == REFUSED) {
        free(aside);
        return err_set(err, why.code, why.sys, "%s", why.text);
    }
    if (!r) {
        r = handle_new(file);
        r->problem = xstrdup(why.text);
    }
    *out = r;
    *damaged_as = aside;
    return true;
}

bool registry_is_absent(const struct registry *r)
{
    return !r || !r->db;
}

const char *registry_problem(const struct registry *r)
{
    return !r ? "it is not open" : r->problem;
}

bool registry_heal(struct registry *r, char **damaged_as, struct err *err)
{
    char *aside = NULL;
    struct registry *fresh = NULL;
    struct err why = {0};
    if (!r)
        return err_set(err, ERR_REGISTRY, 0, "the registry is not open");
    if (r->db && !r->is_damaged && statements_file_is_there(r))
        return true;
    if (r->db) /* its -wal, if there is one, may be that of another file by now */
        set_checkpoint_on_close(r, false);
    statements_finalize(r);
    sqlite3_close(r->db);
    r->db = NULL;
    r->ino = 0;
    bool ok = open_or_begin_anew(r->file, &fresh, &aside, &why) == SOUND;
    *damaged_as = aside;
    if (!ok) {
        str_replace(&r->problem, why.text);
        return err_set(err, why.code, why.sys, "%s", why.text);
    }
    struct registry old = *r;
    *r = *fresh;
    r->problem = old.problem; /* until something is written */
    sqlite3_wal_hook(r->db, wal_grew, r);
    free(old.file);
    free(fresh);
    return true;
}

/* "file:/path?immutable=1": for a file in a directory where no -shm can be made. New, or NULL if
 * the WAL holds something, which would not be seen. */
static char *immutable_uri(const char *file)
{
    struct stat st;
    char *wal = xasprintf("%s-wal", file);
    bool has_wal = stat(wal, &st) == 0 && st.st_size > 0;
    free(wal);
    if (has_wal)
        return NULL;
    struct buf uri = BUF_INIT(SIZE_MAX / 2);
    bool ok = buf_add_str(&uri, "file:");
    for (const char *c = file; *c; c++)
        ok = ok && buf_printf(&uri, strchr("%?#", *c) ? "%%%02X" : "%c", *c);
    ok = ok && buf_add_str(&uri, "?immutable=1");
    return buf_take(&uri);
}

static bool open_to_read(struct registry *r, const char *name, int more_flags, struct err *err)
{
    int count, version = 0;
    schema_steps(&count);
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | more_flags;
    if (sqlite3_open_v2(name, &r->db, flags, NULL) != SQLITE_OK)
        return statements_fail(r, "open the registry", err);
    sqlite3_busy_timeout(r->db, BUSY_OPEN_MS);
    if (!schema_is_ours(r->db, r->file, count, err))
        return false;
    if (!schema_read_version(r->db, &version))
        return statements_fail(r, "read the version", err);
    if (version < count)
        return err_set(err, ERR_REGISTRY, 0,
                       "%s has schema version %d, this program reads %d: start poold once to "
                       "bring it up to date",
                       r->file, version, count);
    if (sqlite3_exec(r->db, "PRAGMA trusted_schema = OFF; SELECT 1 FROM project LIMIT 1", NULL,
                     NULL, NULL) != SQLITE_OK)
        return statements_fail(r, "read the registry", err);
    return true;
}

bool registry_open_readonly(const char *file, struct registry **out, struct err *err)
{
    if (access(file, R_OK) < 0)
        return err_set(err, ERR_REGISTRY, errno, "unable to read %s", file);
    struct err problem = {0};
    struct registry *r = handle_new(file);
    bool ok = open_to_read(r, file, 0, &problem);
    int code = sqlite3_errcode(r->db) & 0xff;
    char *uri = NULL;
    if (!ok && (code == SQLITE_CANTOPEN || code == SQLITE_READONLY))
        uri = immutable_uri(file);
    if (uri) {
        handle_free(r);
        r = handle_new(file);
        err_clear(&problem);
        ok = open_to_read(r, uri, SQLITE_OPEN_URI, &problem);
        free(uri);
    }
    if (!ok) {
        handle_free(r);
        return err_set(err, problem.code, problem.sys, "%s", problem.text);
    }
    *out = r;
    return true;
}

bool registry_is_damaged(const struct registry *r)
{
    return r && r->is_damaged;
}

void registry_close(struct registry *r)
{
    if (!r)
        return;
    if (r->db && (r->is_damaged || !statements_file_is_there(r)))
        set_checkpoint_on_close(r, false); /* the next opening puts all of it aside */
    else if (r->db && sqlite3_db_readonly(r->db, "main") == 0)
        sqlite3_wal_checkpoint_v2(r->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    handle_free(r);
}

void registry_tick(struct registry *r, int64_t now_ms)
{
    if (!r || !r->db || r->is_damaged || r->depth > 0 || r->wal_pages == 0)
        return;
    if (r->wal_pages - r->wal_left < WAL_PAGES_MAX &&
        now_ms - r->checkpoint_ms < CHECKPOINT_EVERY_MS)
        return;
    int in_wal = 0, done = 0;
    int rc = sqlite3_wal_checkpoint_v2(r->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_wal, &done);
    if (damage_is_code(rc)) {
        r->is_damaged = true;
        str_replace(&r->problem, "its file is damaged");
    }
    r->checkpoint_ms = now_ms;
    if (rc != SQLITE_OK)
        return;
    r->wal_pages = r->wal_left = in_wal - done; /* a reader may still need the rest */
}

bool registry_begin(struct registry *r, struct err *err)
{
    if ((!r || r->depth == 0) && !statement_run(r, STATEMENT_BEGIN, NULL, 0, NULL, err))
        return false;
    r->depth++;
    return true;
}

/* The outermost end: COMMIT unless something inside went wrong. */
static bool transaction_end(struct registry *r, struct err *err)
{
    bool is_spoiled = r->is_spoiled;
    r->is_spoiled = false;
    if (sqlite3_get_autocommit(r->db)) /* a full disk or an I/O error ends it by itself */
        return err_set(err, ERR_REGISTRY, 0, "the changes to %s were rolled back", r->file);
    if (!is_spoiled && statement_run(r, STATEMENT_COMMIT, NULL, 0, NULL, err))
        return true;
    if (!sqlite3_get_autocommit(r->db))
        statement_run(r, STATEMENT_ROLLBACK, NULL, 0, NULL, NULL);
    return err_set(err, ERR_REGISTRY, 0, "the changes to %s were rolled back", r->file);
}

bool registry_commit(struct registry *r, struct err *err)
{
    if (!r || r->depth == 0)
        return err_set(err, ERR_REGISTRY, 0, "commit without begin");
    return --r->depth > 0 ? true : transaction_end(r, err);
}

void registry_rollback(struct registry *r)
{
    if (!r || r->depth == 0)
        return;
    r->is_spoiled = true;
    if (--r->depth == 0)
        transaction_end(r, NULL);
}
