/* registry/statements.c - see statements.h. */
#include "registry/statements.h"

#include "base/str.h"
#include "registry/damage.h"

#include <sys/stat.h>

static const struct {
    const char *what, *sql;
} texts[STATEMENT_COUNT] = {
#define X(name, what, sql) [STATEMENT_##name] = {what, sql},
    STATEMENT_LIST(X)
#undef X
};

/* A rule of ours that a row breaks is the caller's business; one that lacks its project is the
 * consequence of an earlier row that was not written. */
static bool is_problem(struct registry *r)
{
    int code = sqlite3_extended_errcode(r->db);
    return (code & 0xff) != SQLITE_CONSTRAINT || code == SQLITE_CONSTRAINT_FOREIGNKEY;
}

bool statements_file_is_there(struct registry *r)
{
    struct stat st;
    if (r->ino == 0 || (stat(r->file, &st) == 0 && st.st_dev == r->dev && st.st_ino == r->ino))
        return true;
    str_replace(&r->problem, "its file was removed or replaced");
    return false;
}

bool statements_fail(struct registry *r, const char *what, struct err *err)
{
    int code = sqlite3_errcode(r->db);
    if (damage_is_code(code)) {
        r->is_damaged = true;
        str_replace(&r->problem, "its file is damaged");
        return err_set(err, ERR_REGISTRY, 0, "unable to %s: %s is damaged (%s)", what, r->file,
                       sqlite3_errmsg(r->db));
    }
    return err_set(err, ERR_REGISTRY, 0, "unable to %s in %s: %s", what, r->file,
                   sqlite3_errmsg(r->db));
}

static sqlite3_stmt *prepare(struct registry *r, enum statement_id id, unsigned flags)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3_prepare_v3(r->db, texts[id].sql, -1, flags, &stmt, NULL);
    return stmt;
}

static bool bind_all(sqlite3_stmt *stmt, const struct statement_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct statement_value *v = &values[i];
        int at = (int)i + 1;
        int rc = v->is_text
                     ? sqlite3_bind_text(stmt, at, v->text ? v->text : "", -1, SQLITE_STATIC)
                     : sqlite3_bind_int64(stmt, at, v->number);
        if (rc != SQLITE_OK)
            return false;
    }
    return true;
}

bool statement_start(struct registry *r, enum statement_id id,
                     const struct statement_value *values, size_t count, struct statement *s,
                     struct err *err)
{
    if (!r || !r->db)
        return err_set(err, ERR_REGISTRY, 0, "unable to %s: the registry is not open",
                       texts[id].what);
    sqlite3_stmt *stmt = r->cached[id];
    if (!stmt)
        stmt = r->cached[id] = prepare(r, id, SQLITE_PREPARE_PERSISTENT);
    else if (sqlite3_stmt_busy(stmt))
        stmt = prepare(r, id, 0); /* a row callback came back for the same */
    if (!stmt)
        return statements_fail(r, texts[id].what, err);
    *s = (struct statement){.r = r, .stmt = stmt, .id = id};
    if (bind_all(stmt, values, count))
        return true;
    statements_fail(r, texts[id].what, err);
    statement_finish(s, NULL);
    return false;
}

bool statement_next(struct statement *s)
{
    return sqlite3_step(s->stmt) == SQLITE_ROW;
}

const char *statement_text(struct statement *s, int column)
{
    const unsigned char *text = sqlite3_column_text(s->stmt, column);
    return text ? (const char *)text : "";
}

int64_t statement_number(struct statement *s, int column)
{
    return sqlite3_column_int64(s->stmt, column);
}

bool statement_finish(struct statement *s, struct err *err)
{
    struct registry *r = s->r;
    bool is_cached = s->stmt == r->cached[s->id];
    /* Both give the code of the last step again. */
    int rc = is_cached ? sqlite3_reset(s->stmt) : sqlite3_finalize(s->stmt);
    if (rc != SQLITE_OK) {
        struct err why = {0};
        statements_fail(r, texts[s->id].what, &why);
        if (!r->is_damaged && is_problem(r))
            str_replace(&r->problem, why.text);
        err_set(err, why.code, 0, "%s", why.text);
    }
    if (is_cached)
        sqlite3_clear_bindings(s->stmt); /* they point to the caller's strings */
    return rc == SQLITE_OK;
}

bool statement_run(struct registry *r, enum statement_id id, const struct statement_value *values,
                   size_t count, int *changed, struct err *err)
{
    struct statement s;
    if (r && r->db && sqlite3_get_autocommit(r->db) && !statements_file_is_there(r))
        return err_set(err, ERR_REGISTRY, 0, "unable to %s: %s was removed or replaced",
                       texts[id].what, r->file);
    if (!statement_start(r, id, values, count, &s, err))
        return false;
    while (statement_next(&s))
        continue;
    if (!statement_finish(&s, err))
        return false;
    if (changed)
        *changed = sqlite3_changes(r->db);
    if (r->problem && !r->is_damaged && id != STATEMENT_ROLLBACK && sqlite3_get_autocommit(r->db))
        str_replace(&r->problem, NULL); /* it is on the disk */
    return true;
}

bool statements_prepare(struct registry *r, struct err *err)
{
    for (int id = 0; id < STATEMENT_COUNT; id++) {
        r->cached[id] = prepare(r, (enum statement_id)id, SQLITE_PREPARE_PERSISTENT);
        if (!r->cached[id])
            return statements_fail(r, texts[id].what, err);
    }
    return true;
}

void statements_finalize(struct registry *r)
{
    for (int id = 0; id < STATEMENT_COUNT; id++) {
        sqlite3_finalize(r->cached[id]);
        r->cached[id] = NULL;
    }
}
