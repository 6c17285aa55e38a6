/* registry/sessions.c - the session table. See registry.h. */
#include "registry/statements.h"

#include "base/caps.h"

/* As many tombstones as living sessions may be kept. */
#define SESSIONS_MAX (2 * CAP_SESSIONS)

bool registry_session_put(struct registry *r, const struct session_row *row, struct err *err)
{
    int64_t last = row->last_unix_ms ? row->last_unix_ms : row->created_unix_ms;
    return statement_run(r, STATEMENT_SESSION_PUT,
                         VALUES(TEXT(row->id), TEXT(row->project_key), TEXT(row->server),
                                TEXT(row->protocol), TEXT(row->client), TEXT(row->initialize),
                                TEXT(row->upstream_daemon), TEXT(row->upstream_session),
                                TEXT(row->transport), NUMBER(row->created_unix_ms),
                                NUMBER(last), NUMBER(row->ended_unix_ms), TEXT(row->level),
                                TEXT(row->subscriptions), NUMBER(row->pid),
                                NUMBER((int64_t)row->pid_start), NUMBER(row->is_lean),
                                TEXT(row->route ? row->route : ""),
                                TEXT(row->authorization ? row->authorization : ""),
                                TEXT(row->upstream_protocol)),
                         NULL, err);
}

bool registry_session_end(struct registry *r, const char *id, int64_t now_unix_ms,
                          struct err *err)
{
    return statement_run(r, STATEMENT_SESSION_END, VALUES(TEXT(id), NUMBER(now_unix_ms)), NULL,
                         err);
}

static void row_give(struct statement *s, session_row_fn *fn, void *arg)
{
    struct session_row row = {
        .id = statement_text(s, 0),
        .project_key = statement_text(s, 1),
        .server = statement_text(s, 2),
        .protocol = statement_text(s, 3),
        .client = statement_text(s, 4),
        .initialize = statement_text(s, 5),
        .upstream_daemon = statement_text(s, 6),
        .upstream_session = statement_text(s, 7),
        .transport = statement_text(s, 8),
        .created_unix_ms = statement_number(s, 9),
        .last_unix_ms = statement_number(s, 10),
        .ended_unix_ms = statement_number(s, 11),
        .level = statement_text(s, 12),
        .subscriptions = statement_text(s, 13),
        .pid = statement_number(s, 14),
        .pid_start = (uint64_t)statement_number(s, 15),
        .is_lean = statement_number(s, 16) != 0,
        .route = statement_text(s, 17),
        .authorization = statement_text(s, 18),
        .upstream_protocol = statement_text(s, 19),
    };
    fn(arg, &row);
}

bool registry_session_get(struct registry *r, const char *id, session_row_fn *fn, void *arg,
                          bool *found, struct err *err)
{
    struct statement s;
    if (!statement_start(r, STATEMENT_SESSION_GET, VALUES(TEXT(id)), &s, err))
        return false;
    bool has_row = statement_next(&s);
    if (has_row)
        row_give(&s, fn, arg);
    if (!statement_finish(&s, err))
        return false;
    *found = has_row;
    return true;
}

bool registry_sessions(struct registry *r, session_row_fn *each, void *arg, struct err *err)
{
    struct statement s;
    if (!statement_start(r, STATEMENT_SESSIONS, NULL, 0, &s, err))
        return false;
    while (statement_next(&s))
        row_give(&s, each, arg);
    return statement_finish(&s, err);
}

bool registry_sessions_of_process(struct registry *r, int64_t pid, uint64_t pid_start,
                                  session_row_fn *each, void *arg, struct err *err)
{
    struct statement s;
    if (!statement_start(r, STATEMENT_SESSIONS_OF_PROCESS,
                         VALUES(NUMBER(pid), NUMBER((int64_t)pid_start)), &s, err))
        return false;
    while (statement_next(&s))
        row_give(&s, each, arg);
    return statement_finish(&s, err);
}

bool registry_sessions_of_daemon(struct registry *r, const char *daemon_id, session_row_fn *each,
                                 void *arg, struct err *err)
{
    struct statement s;
    if (!statement_start(r, STATEMENT_SESSIONS_OF_DAEMON, VALUES(TEXT(daemon_id)), &s, err))
        return false;
    while (statement_next(&s))
        row_give(&s, each, arg);
    return statement_finish(&s, err);
}

bool registry_session_drop(struct registry *r, const char *id, struct err *err)
{
    return statement_run(r, STATEMENT_SESSION_DROP, VALUES(TEXT(id)), NULL, err);
}

bool registry_sessions_prune(struct registry *r, int64_t before_unix_ms, struct err *err)
{
    return statement_run(r, STATEMENT_SESSIONS_PRUNE, VALUES(NUMBER(before_unix_ms)), NULL,
                         err) &&
           statement_run(r, STATEMENT_SESSIONS_BOUND, VALUES(NUMBER(SESSIONS_MAX)), NULL, err);
}
