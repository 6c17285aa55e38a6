/* registry/daemons.c - the daemon table. See registry.h. */
#include "registry/statements.h"

bool registry_daemon_put(struct registry *r, const struct daemon_row *row, struct err *err)
{
    return statement_run(
        r, STATEMENT_DAEMON_PUT,
        VALUES(TEXT(row->project_key), TEXT(row->server), TEXT(row->id),
               NUMBER(row->generation), TEXT(row->state), TEXT(row->transport),
               TEXT(row->definition), NUMBER(row->port), NUMBER(row->pid),
               NUMBER(row->keeper_pid), NUMBER(row->started_unix_ms),
               NUMBER(row->ready_unix_ms), NUMBER(row->ended_unix_ms), TEXT(row->reason),
               TEXT(row->detail), NUMBER(row->is_pinned), TEXT(row->handshake),
               NUMBER(row->eras), NUMBER(row->instance), NUMBER(row->is_taken),
               TEXT(row->probe_session)),
        NULL, err);
}

bool registry_daemon_drop(struct registry *r, const char *project_key, const char *server,
                          int64_t instance, struct err *err)
{
    return statement_run(r, STATEMENT_DAEMON_DROP,
                         VALUES(TEXT(project_key), TEXT(server), NUMBER(instance)), NULL, err);
}

bool registry_daemons(struct registry *r, daemon_row_fn *each, void *arg, struct err *err)
{
    struct statement s;
    if (!statement_start(r, STATEMENT_DAEMONS, NULL, 0, &s, err))
        return false;
    while (statement_next(&s)) {
        struct daemon_row row = {
            .project_key = statement_text(&s, 0),
            .server = statement_text(&s, 1),
            .id = statement_text(&s, 2),
            .generation = statement_number(&s, 3),
            .state = statement_text(&s, 4),
            .transport = statement_text(&s, 5),
            .definition = statement_text(&s, 6),
            .port = statement_number(&s, 7),
            .pid = statement_number(&s, 8),
            .keeper_pid = statement_number(&s, 9),
            .started_unix_ms = statement_number(&s, 10),
            .ready_unix_ms = statement_number(&s, 11),
            .ended_unix_ms = statement_number(&s, 12),
            .reason = statement_text(&s, 13),
            .detail = statement_text(&s, 14),
            .is_pinned = statement_number(&s, 15) != 0,
            .handshake = statement_text(&s, 16),
            .eras = statement_number(&s, 17),
            .instance = statement_number(&s, 18),
            .is_taken = statement_number(&s, 19) != 0,
            .probe_session = statement_text(&s, 20),
        };
        each(arg, &row);
    }
    return statement_finish(&s, err);
}
