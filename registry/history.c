/* registry/history.c - the history table. See registry.h. */
#include "registry/statements.h"

bool registry_history_add(struct registry *r, const struct history_row *row, int64_t keep,
                          struct err *err)
{
    if (!registry_begin(r, err))
        return false;
    bool ok = statement_run(r, STATEMENT_HISTORY_ADD,
                            VALUES(NUMBER(row->at_unix_ms), TEXT(row->project_key),
                                   TEXT(row->server), TEXT(row->daemon_id), TEXT(row->event),
                                   TEXT(row->reason), TEXT(row->detail), NUMBER(row->took_ms)),
                            NULL, err) &&
              statement_run(r, STATEMENT_HISTORY_BOUND, VALUES(NUMBER(keep)), NULL, err);
    if (ok)
        return registry_commit(r, err);
    registry_rollback(r);
    return false;
}

bool registry_history(struct registry *r, const char *project_key, int64_t limit,
                      history_row_fn *each, void *arg, struct err *err)
{
    struct statement s;
    bool ok = project_key ? statement_start(r, STATEMENT_HISTORY_OF,
                                            VALUES(TEXT(project_key), NUMBER(limit)), &s, err)
                          : statement_start(r, STATEMENT_HISTORY, VALUES(NUMBER(limit)), &s, err);
    if (!ok)
        return false;
    while (statement_next(&s)) {
        struct history_row row = {
            .seq = statement_number(&s, 0),
            .at_unix_ms = statement_number(&s, 1),
            .project_key = statement_text(&s, 2),
            .server = statement_text(&s, 3),
            .daemon_id = statement_text(&s, 4),
            .event = statement_text(&s, 5),
            .reason = statement_text(&s, 6),
            .detail = statement_text(&s, 7),
            .took_ms = statement_number(&s, 8),
        };
        each(arg, &row);
    }
    return statement_finish(&s, err);
}
