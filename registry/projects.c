/* registry/projects.c - the project table. See registry.h. */
#include "registry/statements.h"

bool registry_project_put(struct registry *r, const struct project_row *row, struct err *err)
{
    return statement_run(r, STATEMENT_PROJECT_PUT,
                         VALUES(TEXT(row->key), TEXT(row->root), NUMBER(row->is_trusted),
                                NUMBER(row->first_unix_ms), NUMBER(row->last_unix_ms)),
                         NULL, err);
}

bool registry_project_trust(struct registry *r, const char *root, bool is_trusted,
                            const char *brought, struct err *err)
{
    int changed = 0;
    if (!statement_run(r, STATEMENT_PROJECT_TRUST,
                       VALUES(NUMBER(is_trusted), TEXT(brought), TEXT(root)), &changed, err))
        return false;
    return changed ? true : err_set(err, ERR_NOT_FOUND, 0, "no project is known at %s", root);
}

bool registry_project_forget(struct registry *r, const char *key, struct err *err)
{
    int changed = 0;
    if (!registry_begin(r, err))
        return false;
    bool ok = statement_run(r, STATEMENT_PROJECT_SESSIONS, VALUES(TEXT(key)), NULL, err) &&
              statement_run(r, STATEMENT_PROJECT_FORGET, VALUES(TEXT(key)), &changed, err);
    if (!ok) {
        registry_rollback(r);
        return false;
    }
    if (!registry_commit(r, err))
        return false;
    return changed ? true : err_set(err, ERR_NOT_FOUND, 0, "no project is known as %s", key);
}

bool registry_projects(struct registry *r, project_row_fn *each, void *arg, struct err *err)
{
    struct statement s;
    if (!statement_start(r, STATEMENT_PROJECTS, NULL, 0, &s, err))
        return false;
    while (statement_next(&s)) {
        struct project_row row = {
            .key = statement_text(&s, 0),
            .root = statement_text(&s, 1),
            .is_trusted = statement_number(&s, 2) != 0,
            .first_unix_ms = statement_number(&s, 3),
            .last_unix_ms = statement_number(&s, 4),
            .brought = statement_text(&s, 5),
        };
        each(arg, &row);
    }
    return statement_finish(&s, err);
}
