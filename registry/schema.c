/* registry/schema.c - see schema.h. */
#include "registry/schema.h"

#include "registry/registry.h"

#include <stdio.h>

/* "pool": tells our files from those of other programs (PRAGMA application_id, file(1)). */
#define SCHEMA_APPLICATION 0x706f6f6c

static const char *const version_1[] = {
    "CREATE TABLE project (\n"
    "    -- One row per directory that poold was ever asked for.\n"
    "    key             TEXT    NOT NULL PRIMARY KEY, -- basename and hash of root, as in URLs\n"
    "    root            TEXT    NOT NULL UNIQUE,      -- canonical path\n"
    "    is_trusted      INTEGER NOT NULL DEFAULT 0 CHECK (is_trusted IN (0, 1)),\n"
    "        -- 1: commands named by the project's own files may run (poolctl trust)\n"
    "    first_unix_ms   INTEGER NOT NULL,             -- times: milliseconds since 1970 UTC\n"
    "    last_unix_ms    INTEGER NOT NULL              -- last use\n"
    ") STRICT",

    "CREATE TABLE daemon (\n"
    "    -- The latest life (generation) of each server of each project; earlier lives are in\n"
    "    -- history. What really runs is known by the keepers; this is what poold last knew.\n"
    "    project_key     TEXT    NOT NULL REFERENCES project (key) ON DELETE CASCADE,\n"
    "    server          TEXT    NOT NULL,             -- name in mcpServers\n"
    "    id              TEXT    NOT NULL UNIQUE,      -- of this life, never used again\n"
    "    generation      INTEGER NOT NULL,             -- 1, 2, ... per project and server\n"
    "    state           TEXT    NOT NULL CHECK (state IN ('down', 'starting', 'ready',\n"
    "                            'busy', 'draining', 'stopping', 'failed')),\n"
    "    transport       TEXT    NOT NULL,             -- http, sse or stdio\n"
    "    definition      TEXT    NOT NULL,             -- hash of what was started\n"
    "    port            INTEGER NOT NULL,             -- TCP on loopback; 0: none\n"
    "    pid             INTEGER NOT NULL,             -- main process; 0: none\n"
    "    keeper_pid      INTEGER NOT NULL,             -- of the process that holds it\n"
    "    started_unix_ms INTEGER NOT NULL,             -- 0: not yet\n"
    "    ready_unix_ms   INTEGER NOT NULL,             -- 0: never in this life\n"
    "    ended_unix_ms   INTEGER NOT NULL,             -- 0: lives\n"
    "    reason          TEXT    NOT NULL,             -- of the last start or end, one word\n"
    "    detail          TEXT    NOT NULL,             -- the same in words for people\n"
    "    is_pinned       INTEGER NOT NULL CHECK (is_pinned IN (0, 1)), -- 1: never evicted\n"
    "    PRIMARY KEY (project_key, server)\n"
    ") STRICT",

    "CREATE TABLE port_lease (\n"
    "    -- Ports stay with their project and server, so that a daemon's own URL is stable.\n"
    "    port            INTEGER NOT NULL PRIMARY KEY,\n"
    "    project_key     TEXT    NOT NULL REFERENCES project (key) ON DELETE CASCADE,\n"
    "    server          TEXT    NOT NULL,\n"
    "    UNIQUE (project_key, server)\n"
    ") STRICT",

    "CREATE TABLE session (\n"
    "    -- What MCP clients have with the front. An ended row is a tombstone: its id is answered\n"
    "    -- with 404 until the row is pruned. No reference to project: an id that proves itself\n"
    "    -- is taken back before its project is known again.\n"
    "    id              TEXT    NOT NULL PRIMARY KEY, -- the front's session id\n"
    "    project_key     TEXT    NOT NULL,\n"
    "    server          TEXT    NOT NULL,\n"
    "    protocol        TEXT    NOT NULL,             -- negotiated MCP version; '': not yet\n"
    "    client          TEXT    NOT NULL,             -- name and version, for people\n"
    "    initialize      TEXT    NOT NULL,             -- JSON params of the client's initialize\n"
    "    upstream_daemon TEXT    NOT NULL,             -- daemon.id of the open link; '': none\n"
    "    upstream_session TEXT   NOT NULL,             -- the daemon's own session id; '': none\n"
    "    transport       TEXT    NOT NULL,             -- the client's: http or sse\n"
    "    created_unix_ms INTEGER NOT NULL,\n"
    "    last_unix_ms    INTEGER NOT NULL,             -- last known use\n"
    "    ended_unix_ms   INTEGER NOT NULL              -- 0: lives\n"
    ") STRICT",

    "CREATE TABLE history (\n"
    "    -- Every start and end of a daemon and why; the oldest rows go (historyEntries).\n"
    "    seq             INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,\n"
    "    at_unix_ms      INTEGER NOT NULL,\n"
    "    project_key     TEXT    NOT NULL,             -- kept when the project is forgotten\n"
    "    server          TEXT    NOT NULL,\n"
    "    daemon_id       TEXT    NOT NULL,\n"
    "    event           TEXT    NOT NULL,             -- start, ready, end, fail or adopt\n"
    "    reason          TEXT    NOT NULL,             -- one word, as in daemon.reason\n"
    "    detail          TEXT    NOT NULL,             -- words for people\n"
    "    took_ms         INTEGER NOT NULL              -- start: until ready; end: it lived this\n"
    "                                                  -- long; -1: unknown\n"
    ") STRICT",
    "CREATE INDEX history_of_project ON history (project_key, seq)",
    NULL,
};

static const char *const version_2[] = {
    "ALTER TABLE project ADD COLUMN brought TEXT NOT NULL\n"
    "        /* hash of the servers it brings that were trusted; '': none */ DEFAULT ''",
    NULL,
};

static const char *const version_3[] = {
    "ALTER TABLE daemon ADD COLUMN handshake TEXT NOT NULL\n"
    "        /* stdio: its whole answer to initialize; '': none */ DEFAULT ''",
    "ALTER TABLE session ADD COLUMN level TEXT NOT NULL\n"
    "        /* the log level it has set; '': none */ DEFAULT ''",
    "ALTER TABLE session ADD COLUMN subscriptions TEXT NOT NULL\n"
    "        /* JSON array of the resource URIs it follows; '': none */ DEFAULT ''",

    "CREATE TABLE known (\n"
    "    -- What daemons answered last, so that a client need not wait for a start.\n"
    "    project_key     TEXT    NOT NULL REFERENCES project (key) ON DELETE CASCADE,\n"
    "    server          TEXT    NOT NULL,             -- name in mcpServers\n"
    "    definition      TEXT    NOT NULL,             -- hash of what was started\n"
    "    era             TEXT    NOT NULL CHECK (era IN ('legacy', 'modern')),\n"
    "    protocol        TEXT    NOT NULL,             -- MCP version that the client asked for\n"
    "    hash            TEXT    NOT NULL,             -- of its capabilities and Authorization\n"
    "    kind            TEXT    NOT NULL,             -- handshake, tools, prompts, resources or\n"
    "                                                  -- templates\n"
    "    result          TEXT    NOT NULL,             -- JSON, the answer's result\n"
    "    seen_unix_ms    INTEGER NOT NULL,             -- when a daemon last said so\n"
    "    PRIMARY KEY (project_key, server, era, protocol, hash, kind)\n"
    ") STRICT",
    NULL,
};

static const char *const version_4[] = {
    "ALTER TABLE daemon ADD COLUMN eras INTEGER NOT NULL\n"
    "        /* of MCP that this definition speaks: 1 up to 2025-11-25, 2 from 2026-07-28 on,\n"
    "           3 both; 0: not known */ DEFAULT 0",
    NULL,
};

static const char *const version_5[] = {
    "ALTER TABLE session ADD COLUMN pid INTEGER NOT NULL\n"
    "        /* of the client's process; 0: unknown, or put aside without one */ DEFAULT 0",
    "ALTER TABLE session ADD COLUMN pid_start INTEGER NOT NULL\n"
    "        /* its start time: a recycled pid is another client */ DEFAULT 0",
    "ALTER TABLE session ADD COLUMN is_lean INTEGER NOT NULL\n"
    "        /* 1: it sees three tools in the place of all */ DEFAULT 0",
    "ALTER TABLE session ADD COLUMN route TEXT NOT NULL\n"
    "        /* the rule that decided its project */ DEFAULT 'session'",
    "ALTER TABLE session ADD COLUMN authorization TEXT NOT NULL\n"
    "        /* hash of the Authorization it came with; '': none */ DEFAULT ''",
    NULL,
};

/* A server may have several daemons per project: the key grows, so the table is made anew. */
static const char *const version_6[] = {
    "ALTER TABLE daemon RENAME TO daemon_old",
    "CREATE TABLE daemon (\n"
    "    -- The latest life (generation) of each server of each project; earlier lives are in\n"
    "    -- history. What really runs is known by the keepers; this is what poold last knew.\n"
    "    project_key     TEXT    NOT NULL REFERENCES project (key) ON DELETE CASCADE,\n"
    "    server          TEXT    NOT NULL,             -- name in mcpServers\n"
    "    instance        INTEGER NOT NULL,             -- 0: the project's one; 1, 2, ...: private\n"
    "                                                  -- to a session, or a spare for one\n"
    "    is_taken        INTEGER NOT NULL CHECK (is_taken IN (0, 1)), -- 1: it is some session's\n"
    "    id              TEXT    NOT NULL UNIQUE,      -- of this life, never used again\n"
    "    generation      INTEGER NOT NULL,             -- 1, 2, ... per server and instance\n"
    "    state           TEXT    NOT NULL CHECK (state IN ('down', 'starting', 'ready',\n"
    "                            'busy', 'draining', 'stopping', 'failed')),\n"
    "    transport       TEXT    NOT NULL,             -- http, sse or stdio\n"
    "    definition      TEXT    NOT NULL,             -- hash of what was started\n"
    "    port            INTEGER NOT NULL,             -- TCP on loopback; 0: none\n"
    "    pid             INTEGER NOT NULL,             -- main process; 0: none\n"
    "    keeper_pid      INTEGER NOT NULL,             -- of the process that holds it\n"
    "    started_unix_ms INTEGER NOT NULL,             -- 0: not yet\n"
    "    ready_unix_ms   INTEGER NOT NULL,             -- 0: never in this life\n"
    "    ended_unix_ms   INTEGER NOT NULL,             -- 0: lives\n"
    "    reason          TEXT    NOT NULL,             -- of the last start or end, one word\n"
    "    detail          TEXT    NOT NULL,             -- the same in words for people\n"
    "    is_pinned       INTEGER NOT NULL CHECK (is_pinned IN (0, 1)), -- 1: never evicted\n"
    "    handshake       TEXT    NOT NULL,             -- shared stdio daemon: its whole answer to\n"
    "                                                  -- initialize; '': none\n"
    "    eras            INTEGER NOT NULL,             -- of MCP that this definition speaks: 1 up\n"
    "                                                  -- to 2025-11-25, 2 from 2026-07-28 on, 3\n"
    "                                                  -- both; 0: not known\n"
    "    PRIMARY KEY (project_key, server, instance)\n"
    ") STRICT",
    "INSERT INTO daemon SELECT project_key, server, 0, 0, id, generation, state, transport,\n"
    "    definition, port, pid, keeper_pid, started_unix_ms, ready_unix_ms, ended_unix_ms, reason,\n"
    "    detail, is_pinned, handshake, eras FROM daemon_old",
    "DROP TABLE daemon_old",
    NULL,
};

static const char *const version_7[] = {
    "ALTER TABLE daemon ADD COLUMN probe_session TEXT NOT NULL\n"
    "        /* the daemon's id for the session in which poold itself asks this life; '': none */\n"
    "        DEFAULT ''",
    "ALTER TABLE session ADD COLUMN upstream_protocol TEXT NOT NULL\n"
    "        /* MCP version agreed on with the daemon; '': as protocol */ DEFAULT ''",
    "CREATE INDEX session_of_daemon ON session (upstream_daemon) WHERE upstream_daemon <> ''",
    NULL,
};

/* Step n brings version n to n + 1. */
static const char *const *const steps[] = {version_1, version_2, version_3, version_4,
                                           version_5, version_6, version_7};

const char *const *const *schema_steps(int *count)
{
    *count = (int)(sizeof steps / sizeof *steps);
    return steps;
}

int registry_schema_version(void)
{
    return (int)(sizeof steps / sizeof *steps);
}

static bool read_int(sqlite3 *db, const char *sql, int *out)
{
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return false;
    bool ok = sqlite3_step(stmt) == SQLITE_ROW;
    if (ok)
        *out = sqlite3_column_int(stmt, 0);
    return sqlite3_finalize(stmt) == SQLITE_OK && ok;
}

bool schema_read_version(sqlite3 *db, int *version)
{
    return read_int(db, "PRAGMA user_version", version);
}

bool schema_is_ours(sqlite3 *db, const char *file, int count, struct err *err)
{
    int application = 0, version = 0, tables = 0;
    if (!read_int(db, "PRAGMA application_id", &application) ||
        !schema_read_version(db, &version))
        return err_set(err, ERR_REGISTRY, 0, "unable to read %s: %s", file, sqlite3_errmsg(db));
    /* The version before the tables: a newer schema may not even be readable by this library. */
    if (application == SCHEMA_APPLICATION && version > count)
        return err_set(err, ERR_REGISTRY, 0,
                       "%s has schema version %d, this poold knows versions up to %d: use the "
                       "newer poold again, or move the file away to begin anew",
                       file, version, count);
    if (application == SCHEMA_APPLICATION)
        return true;
    if (!read_int(db, "SELECT count(*) FROM sqlite_schema", &tables))
        return err_set(err, ERR_REGISTRY, 0, "unable to read %s: %s", file, sqlite3_errmsg(db));
    if (application || version || tables)
        return err_set(err, ERR_REGISTRY, 0, "%s is a database of another program", file);
    return true;
}

static bool steps_run(sqlite3 *db, const char *const *const *from, int version, int count)
{
    char pragmas[96];
    snprintf(pragmas, sizeof pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             SCHEMA_APPLICATION, count);
    for (int i = version; i < count; i++)
        for (const char *const *sql = from[i]; *sql; sql++)
            if (sqlite3_exec(db, *sql, NULL, NULL, NULL) != SQLITE_OK)
                return false;
    return sqlite3_exec(db, pragmas, NULL, NULL, NULL) == SQLITE_OK;
}

bool schema_migrate(sqlite3 *db, const char *const *const *from, int count, int *code,
                    struct err *err)
{
    int version = 0;
    bool ok = schema_read_version(db, &version);
    if (ok && version < count)
        ok = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK &&
             steps_run(db, from, version, count) &&
             sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
    *code = sqlite3_errcode(db);
    if (ok)
        return true;
    err_set(err, ERR_REGISTRY, 0, "unable to bring the registry from version %d to %d: %s",
            version, count, sqlite3_errmsg(db));
    if (!sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}
