/* registry/statements.h - inside the registry: the connection, and every statement it runs.
 *
 * Statements are prepared once and kept. A row callback may use the registry again: a statement
 * that is in use is prepared a second time for it. */
#pragma once
#include "base/err.h"
#include "registry/registry.h"

#include <sqlite3.h>
#include <sys/types.h>

/*    name             unable to ...                    SQL */
#define STATEMENT_LIST(X)                                                                        \
    X(BEGIN, "begin a change", "BEGIN IMMEDIATE")                                                \
    X(COMMIT, "commit a change", "COMMIT")                                                       \
    X(ROLLBACK, "roll a change back", "ROLLBACK")                                                \
    X(PROJECT_PUT, "save a project",                                                             \
      "INSERT INTO project (key, root, is_trusted, first_unix_ms, last_unix_ms) "                \
      "VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET root = excluded.root, "            \
      "last_unix_ms = excluded.last_unix_ms, "                                                   \
      "is_trusted = CASE WHEN root = excluded.root THEN is_trusted ELSE 0 END, "                 \
      "brought = CASE WHEN root = excluded.root THEN brought ELSE '' END")                       \
    X(PROJECT_TRUST, "save the trust in a project",                                              \
      "UPDATE project SET is_trusted = ?, brought = ? WHERE root = ?")                           \
    X(PROJECT_FORGET, "forget a project", "DELETE FROM project WHERE key = ?")                   \
    X(PROJECT_SESSIONS, "forget a project's sessions",                                           \
      "DELETE FROM session WHERE project_key = ? AND ended_unix_ms = 0")                         \
    X(PROJECTS, "read the projects",                                                             \
      "SELECT key, root, is_trusted, first_unix_ms, last_unix_ms, brought FROM project "         \
      "ORDER BY root")                                                                           \
    X(DAEMON_PUT, "save a daemon",                                                               \
      "INSERT INTO daemon (project_key, server, id, generation, state, transport, definition, "  \
      "port, pid, keeper_pid, started_unix_ms, ready_unix_ms, ended_unix_ms, reason, detail, "   \
      "is_pinned, handshake, eras, instance, is_taken, probe_session) "                          \
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "                  \
      "ON CONFLICT (project_key, server, instance) DO UPDATE SET id = excluded.id, "             \
      "generation = excluded.generation, state = excluded.state, "                               \
      "transport = excluded.transport, definition = excluded.definition, "                       \
      "port = excluded.port, pid = excluded.pid, keeper_pid = excluded.keeper_pid, "             \
      "started_unix_ms = excluded.started_unix_ms, ready_unix_ms = excluded.ready_unix_ms, "     \
      "ended_unix_ms = excluded.ended_unix_ms, reason = excluded.reason, "                       \
      "detail = excluded.detail, is_pinned = excluded.is_pinned, "                               \
      "handshake = excluded.handshake, eras = excluded.eras, is_taken = excluded.is_taken, "     \
      "probe_session = excluded.probe_session")                                                  \
    X(DAEMON_DROP, "drop a daemon",                                                              \
      "DELETE FROM daemon WHERE project_key = ? AND server = ? AND instance = ?")                \
    X(DAEMONS, "read the daemons",                                                               \
      "SELECT project_key, server, id, generation, state, transport, definition, port, pid, "    \
      "keeper_pid, started_unix_ms, ready_unix_ms, ended_unix_ms, reason, detail, is_pinned, "   \
      "handshake, eras, instance, is_taken, probe_session FROM daemon "                          \
      "ORDER BY project_key, server, instance")                                                  \
    X(LEASE_OF, "read a port lease",                                                             \
      "SELECT port FROM port_lease WHERE project_key = ? AND server = ?")                        \
    X(LEASE_PUT, "save a port lease",                                                            \
      "INSERT INTO port_lease (port, project_key, server) VALUES (?, ?, ?) "                     \
      "ON CONFLICT (project_key, server) DO UPDATE SET port = excluded.port")                    \
    X(LEASE_HOLDER, "read a port's holder",                                                      \
      "SELECT project_key, server FROM port_lease WHERE port = ?")                               \
    X(LEASE_DROP, "drop a port lease", "DELETE FROM port_lease WHERE port = ?")                  \
    X(SESSION_PUT, "save a session",                                                             \
      "INSERT INTO session (id, project_key, server, protocol, client, initialize, "             \
      "upstream_daemon, upstream_session, transport, created_unix_ms, last_unix_ms, "            \
      "ended_unix_ms, level, subscriptions, pid, pid_start, is_lean, route, authorization, "     \
      "upstream_protocol) "                                                                      \
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "                     \
      "ON CONFLICT (id) DO UPDATE SET project_key = excluded.project_key, "                      \
      "server = excluded.server, protocol = excluded.protocol, client = excluded.client, "       \
      "initialize = excluded.initialize, upstream_daemon = excluded.upstream_daemon, "           \
      "upstream_session = excluded.upstream_session, transport = excluded.transport, "           \
      "created_unix_ms = excluded.created_unix_ms, last_unix_ms = excluded.last_unix_ms, "       \
      "ended_unix_ms = excluded.ended_unix_ms, level = excluded.level, "                         \
      "subscriptions = excluded.subscriptions, pid = excluded.pid, "                             \
      "pid_start = excluded.pid_start, is_lean = excluded.is_lean, route = excluded.route, "     \
      "authorization = excluded.authorization, "                                                 \
      "upstream_protocol = excluded.upstream_protocol WHERE ended_unix_ms = 0")                  \
    X(SESSION_END, "end a session",                                                              \
      "INSERT INTO session (id, project_key, server, protocol, client, initialize, "             \
      "upstream_daemon, upstream_session, transport, created_unix_ms, last_unix_ms, "            \
      "ended_unix_ms) VALUES (?1, '', '', '', '', '', '', '', '', ?2, ?2, ?2) "                  \
      "ON CONFLICT (id) DO UPDATE SET initialize = '', upstream_daemon = '', "                   \
      "upstream_session = '', level = '', subscriptions = '', "                                  \
      "ended_unix_ms = excluded.ended_unix_ms WHERE ended_unix_ms = 0")                          \
    X(SESSION_GET, "read a session", SESSION_SELECT "WHERE id = ?")                              \
    X(SESSIONS, "read the sessions",                                                             \
      SESSION_SELECT "WHERE ended_unix_ms = 0 ORDER BY created_unix_ms")                         \
    X(SESSIONS_OF_PROCESS, "read the sessions of a process",                                     \
      SESSION_SELECT "WHERE pid = ? AND pid_start = ? AND ended_unix_ms = 0 "                    \
                     "ORDER BY created_unix_ms")                                                 \
    X(SESSIONS_OF_DAEMON, "read the sessions of a daemon",                                       \
      SESSION_SELECT "WHERE upstream_daemon = ? AND upstream_daemon <> '' "                      \
                     "AND ended_unix_ms = 0 ORDER BY created_unix_ms")                           \
    X(SESSION_DROP, "drop a session", "DELETE FROM session WHERE id = ?")                        \
    X(SESSIONS_PRUNE, "drop old sessions",                                                       \
      "DELETE FROM session WHERE max(created_unix_ms, last_unix_ms, ended_unix_ms) < ?")         \
    X(SESSIONS_BOUND, "bound the sessions",                                                      \
      "DELETE FROM session WHERE rowid IN (SELECT rowid FROM session ORDER BY "                  \
      "max(created_unix_ms, last_unix_ms, ended_unix_ms) DESC LIMIT -1 OFFSET ?)")               \
    X(KNOWN_OTHERS, "drop what another definition answered",                                     \
      "DELETE FROM known WHERE project_key = ? AND server = ? AND definition <> ?")              \
    X(KNOWN_PUT, "remember an answer",                                                           \
      "INSERT INTO known (project_key, server, definition, era, protocol, hash, kind, result, "  \
      "seen_unix_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "                                        \
      "ON CONFLICT (project_key, server, era, protocol, hash, kind) DO UPDATE SET "              \
      "definition = excluded.definition, result = excluded.result, "                             \
      "seen_unix_ms = excluded.seen_unix_ms")                                                    \
    X(KNOWN_BOUND, "bound what is remembered",                                                   \
      "DELETE FROM known WHERE rowid IN (SELECT rowid FROM known WHERE project_key = ? "         \
      "AND server = ? ORDER BY seen_unix_ms DESC, rowid DESC LIMIT -1 OFFSET ?)")                \
    X(KNOWN, "read what is remembered",                                                          \
      "SELECT project_key, server, definition, era, protocol, hash, kind, result, "              \
      "seen_unix_ms FROM known WHERE project_key = ? AND server = ? "                            \
      "ORDER BY seen_unix_ms DESC, rowid DESC")                                                  \
    X(KNOWN_DROP, "forget what is remembered",                                                   \
      "DELETE FROM known WHERE project_key = ?1 AND server = ?2 AND ?3 IN ('', kind)")           \
    X(HISTORY_ADD, "add to the history",                                                         \
      "INSERT INTO history (at_unix_ms, project_key, server, daemon_id, event, reason, detail, " \
      "took_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")                                                \
    X(HISTORY_BOUND, "bound the history",                                                        \
      "DELETE FROM history WHERE seq <= (SELECT max(seq) FROM history) - ?")                     \
    X(HISTORY, "read the history", HISTORY_SELECT "ORDER BY seq DESC LIMIT ?")                   \
    X(HISTORY_OF, "read a project's history",                                                    \
      HISTORY_SELECT "WHERE project_key = ? ORDER BY seq DESC LIMIT ?")

#define SESSION_SELECT                                                                           \
    "SELECT id, project_key, server, protocol, client, initialize, upstream_daemon, "            \
    "upstream_session, transport, created_unix_ms, last_unix_ms, ended_unix_ms, level, "         \
    "subscriptions, pid, pid_start, is_lean, route, authorization, upstream_protocol "           \
    "FROM session "
#define HISTORY_SELECT                                                                           \
    "SELECT seq, at_unix_ms, project_key, server, daemon_id, event, reason, detail, took_ms "    \
    "FROM history "

enum statement_id {
#define X(name, what, sql) STATEMENT_##name,
    STATEMENT_LIST(X)
#undef X
        STATEMENT_COUNT
};

struct registry {
    sqlite3 *db;
    char *file;
    sqlite3_stmt *cached[STATEMENT_COUNT];
    int depth;             /* of registry_begin */
    bool is_spoiled;       /* an inner transaction was rolled back */
    int wal_pages;         /* in the WAL after the last commit; 0 if all is in the main file */
    int wal_left;          /* that the last checkpoint had to leave there for a reader */
    bool is_damaged;       /* SQLite said so since it was opened */
    int64_t checkpoint_ms; /* of the last checkpoint */
    dev_t dev;             /* of the file that is open: another one of its name is not ours */
    ino_t ino;
    char *problem; /* see registry_problem; NULL: none */
};

/* A value to bind: text (NULL is taken as "") or a number. */
struct statement_value {
    const char *text;
    int64_t number;
    bool is_text;
};
#define TEXT(t) {.text = (t), .is_text = true}
#define NUMBER(n) {.number = (n)}
#define VALUES(...)                                                                              \
    (const struct statement_value[]){__VA_ARGS__},                                               \
        sizeof((const struct statement_value[]){__VA_ARGS__}) / sizeof(struct statement_value)

/* A statement under way. */
struct statement {
    struct registry *r;
    sqlite3_stmt *stmt;
    enum statement_id id;
};

/* Run one that gives no rows; *changed (may be NULL) is the number of rows it changed. */
bool statement_run(struct registry *r, enum statement_id id, const struct statement_value *values,
                   size_t count, int *changed, struct err *err);
/* Start one that gives rows. After success always statement_finish. */
bool statement_start(struct registry *r, enum statement_id id,
                     const struct statement_value *values, size_t count, struct statement *s,
                     struct err *err) MUST_CHECK;
/* Next row? False at the end and on an error, which statement_finish tells. */
bool statement_next(struct statement *s);
/* Columns of the present row, from 0; text is borrowed until the next call on s. */
const char *statement_text(struct statement *s, int column);
int64_t statement_number(struct statement *s, int column);
bool statement_finish(struct statement *s, struct err *err);

/* Prepare all, so that a table or column that is missing shows when the file is opened. */
bool statements_prepare(struct registry *r, struct err *err) MUST_CHECK;
void statements_finalize(struct registry *r);
/* Is the file that is open still the one of its name? Notes a problem if not. */
bool statements_file_is_there(struct registry *r);
/* What SQLite last said on r, as an err; notes damage. Returns false. */
bool statements_fail(struct registry *r, const char *what, struct err *err);
