/* registry/registry.h - the SQLite file: what must survive a restart of poold.
 *
 * One writer (poold), WAL, STRICT tables, numbered migrations by user_version. Nothing here
 * blocks for long; a statement that fails returns err REGISTRY and the caller goes on without
 * (the keepers are the truth about what runs); a NULL registry fails in the same way. Read-only
 * opening is for poolctl while poold is down. Rows are plain structs; strings in rows given to a
 * callback are borrowed for the call, and a callback may use the registry. NULL strings are
 * stored as "". Put the project before what hangs on it (daemons, leases). */
#pragma once
#include "base/err.h"

#include <stdint.h>

struct registry;

/* Why a daemon was started or went. The words are the column values; append only. */
#define REASON_LIST(X)                                                                             \
    X(ENSURE, "ensure")                                                                            \
    X(CALL, "call") X(RESTART, "restart") X(WARM, "session") X(ADOPTED, "adopted")                 \
        X(REVIVED, "revived") X(IDLE, "idle") X(POOL_FULL, "pool-full") X(MEMORY, "memory")        \
            X(ASKED, "asked") X(EVICTED, "evicted") X(SHUTDOWN, "shutdown") X(CRASHED, "crashed")  \
                X(EXITED, "exited") X(EXEC_FAILED, "exec-failed")                                  \
                    X(START_TIMEOUT, "start-timeout") X(START_EXITED, "start-exited")              \
                        X(PORT_TAKEN, "port-taken") X(HANDSHAKE_FAILED, "handshake-failed")        \
                            X(KEEPER_LOST, "keeper-lost") X(UNRESPONSIVE, "unresponsive")          \
                                X(ORPHANED, "orphaned") X(GONE_WHILE_AWAY, "gone-while-away")      \
                                    X(FORGOTTEN, "forgotten") X(DEFINITION, "definition-changed")    \
                                        X(HANDSHAKE_LOST, "handshake-lost") X(SPARE, "spare")    \
                                            X(SESSION_OVER, "session-over")
enum reason {
    REASON_NONE,
#define X(name, word) REASON_##name,
    REASON_LIST(X)
#undef X
        REASON_COUNT
};
const char *reason_word(enum reason r);    /* "" for NONE */
enum reason reason_from(const char *word); /* NONE if unknown */

/* Open (creating and migrating). A damaged file is renamed to FILE.damaged-<time> with its -wal,
 * *damaged_as says so (new string, caller frees, NULL if all is well) and a fresh one is made; a
 * newer schema is err REGISTRY naming both versions. */
bool registry_open(const char *file, struct registry **out, char **damaged_as,
                   struct err *err) MUST_CHECK;
/* Read-only, for poolctl while poold is down. No file: err REGISTRY with sys ENOENT. Changing
 * anything through it is an err. */
bool registry_open_readonly(const char *file, struct registry **out, struct err *err) MUST_CHECK;
void registry_close(struct registry *r); /* truncating checkpoint; NULL is fine */
/* Passive checkpoint if the WAL has grown or a minute has passed: from an idle moment. */
void registry_tick(struct registry *r, int64_t now_ms);
/* Like registry_open, but a place that gives no file (a full disk, an I/O error, no permission, a
 * lock) is no reason to stop: *out then holds nothing, everything done with it fails, and
 * registry_problem says why. A newer schema and another program's database remain an err. */
bool registry_open_anyhow(const char *file, struct registry **out, char **damaged_as,
                          struct err *err) MUST_CHECK;
/* Has it no file at all (see above)? */
bool registry_is_absent(const struct registry *r);
/* What is wrong, NULL if nothing is: it has no file, its file is damaged or was taken away, or
 * the last change was not written. Borrowed, until the registry is used again. */
const char *registry_problem(const struct registry *r);
/* The way out of a problem, outside of any transaction: opens an absent, damaged or taken-away
 * file again (*damaged_as as in registry_open) under the same handle. Changes lost meanwhile are
 * the caller's to repeat; the first that is written ends the problem. */
bool registry_heal(struct registry *r, char **damaged_as, struct err *err) MUST_CHECK;
/* Has SQLite met damage since the file was opened? It stays usable as far as it goes; closing
 * and opening it again puts it aside. */
bool registry_is_damaged(const struct registry *r);
/* The schema version this program writes and the newest that it reads. */
int registry_schema_version(void);

/* --- projects: one row per canonical root ever used --- */
struct project_row {
    const char *key, *root;
    bool is_trusted;
    int64_t first_unix_ms, last_unix_ms;
    const char *brought; /* hash of the servers it brings that are trusted too, "" none; only read */
};
/* Add, or note the last use of a known one: trust and first use of a known one stay as they are
 * (a key that comes with another root loses its trust). */
bool registry_project_put(struct registry *r, const struct project_row *row, struct err *err);
/* Err NOT_FOUND if no project has this root. */
bool registry_project_trust(struct registry *r, const char *root, bool is_trusted,
                            const char *brought, struct err *err);
/* And its daemons, leases, remembered answers and living sessions; tombstones and history stay until they are old.
 * Err NOT_FOUND. */
bool registry_project_forget(struct registry *r, const char *key, struct err *err);
typedef void project_row_fn(void *arg, const struct project_row *row);
bool registry_projects(struct registry *r, project_row_fn *each, void *arg, struct err *err);

/* --- daemons: the latest life per (project, server, instance) --- */
struct daemon_row {
    const char *id; /* of this life; never used again */
    const char *project_key, *server;
    int64_t instance;      /* 0: the project's one; 1, 2, ...: private ones and spares */
    bool is_taken;         /* a private one belongs to some session */
    int64_t generation;    /* 1, 2, ... per (project, server, instance) */
    const char *state;     /* as DESIGN: down starting ready busy draining stopping failed */
    const char *transport; /* http sse stdio */
    const char *definition;
    int64_t port, pid, keeper_pid;
    int64_t started_unix_ms; /* 0: not yet */
    int64_t ready_unix_ms;   /* 0: never in this life */
    int64_t ended_unix_ms;   /* 0: lives */
    const char *reason;      /* of the last start or end */
    const char *detail;      /* words for people, may be "" */
    const char *handshake;   /* stdio: its answer to initialize, whole message; else "" */
    bool is_pinned;
    int64_t eras; /* of MCP that daemons of this definition speak: bits, 0 unknown */
    const char *probe_session; /* of poold's own in this life, the daemon's id for it, "" none */
};
bool registry_daemon_put(struct registry *r, const struct daemon_row *row, struct err *err);
/* A private one is gone for good. */
bool registry_daemon_drop(struct registry *r, const char *project_key, const char *server,
                          int64_t instance, struct err *err);
typedef void daemon_row_fn(void *arg, const struct daemon_row *row);
bool registry_daemons(struct registry *r, daemon_row_fn *each, void *arg, struct err *err);

/* --- port leases: a port stays with its (project, server) --- */
/* The port leased to it, or 0. */
int64_t registry_lease_of(struct registry *r, const char *project_key, const char *server);
/* Lease port to it (moves its lease; another holder's lease of that port is an err CONFLICT). */
bool registry_lease_put(struct registry *r, int64_t port, const char *project_key,
                        const char *server, struct err *err);
/* Who holds port? True and fills (new strings) if leased. */
bool registry_lease_holder(struct registry *r, int64_t port, char **project_key, char **server);
bool registry_lease_drop(struct registry *r, int64_t port, struct err *err);

/* --- sessions: one row when a session is made or changes, one when it ends; none per call --- */
struct session_row {
    const char *id; /* the front's session id */
    const char *project_key, *server;
    const char *protocol;         /* negotiated version, "" before */
    const char *client;           /* name/version of the client, for people */
    const char *initialize;       /* raw params JSON of the client's initialize, to do it again */
    const char *upstream_daemon;  /* daemon id of the open link, "" none */
    const char *upstream_session; /* the daemon's own session id, "" none */
    const char *upstream_protocol; /* the revision agreed on with it; "" or NULL: as protocol */
    const char *transport;        /* the client's: http or sse */
    const char *level;            /* the log level it has set, "" none */
    const char *subscriptions; /* JSON array of the resource URIs it has subscribed to, "" none */
    int64_t pid;               /* of its client's process, 0 unknown */
    uint64_t pid_start;        /* that process's start time */
    bool is_lean;
    const char *route;         /* the rule that decided its project; NULL is taken as none */
    const char *authorization; /* hash of the Authorization it came with, "" or NULL none */
    int64_t created_unix_ms, ended_unix_ms; /* ended 0: lives. An ended row is a tombstone */
    int64_t last_unix_ms;                   /* last known use; 0 is taken as created */
};
/* Add or change; a tombstone stays what it is. */
bool registry_session_put(struct registry *r, const struct session_row *row, struct err *err);
/* Make it a tombstone, also if the id is not known here. */
bool registry_session_end(struct registry *r, const char *id, int64_t now_unix_ms, struct err *err);
/* The row of one id through the callback; *found says whether there is one. */
typedef void session_row_fn(void *arg, const struct session_row *row);
bool registry_session_get(struct registry *r, const char *id, session_row_fn *fn, void *arg,
                          bool *found, struct err *err);
/* The living, oldest first. */
bool registry_sessions(struct registry *r, session_row_fn *each, void *arg, struct err *err);
/* The living ones of one client process, oldest first. */
bool registry_sessions_of_process(struct registry *r, int64_t pid, uint64_t pid_start,
                                  session_row_fn *each, void *arg, struct err *err);
/* The living ones with an open link to this life of a daemon, oldest first. */
bool registry_sessions_of_daemon(struct registry *r, const char *daemon_id, session_row_fn *each,
                                 void *arg, struct err *err);
/* Drop a row: nobody was given its id. */
bool registry_session_drop(struct registry *r, const char *id, struct err *err);
/* Drop tombstones and sessions last used before this, and the oldest of too many. */
bool registry_sessions_prune(struct registry *r, int64_t before_unix_ms, struct err *err);

/* --- what is remembered of servers: their answers, so that a client need not wait for a start ---
 * The key: who asked what of which definition. hash stands for the client's capabilities and
 * Authorization; it is made by the front. */
struct known_row {
    const char *project_key, *server, *definition;
    const char *era;      /* legacy or modern */
    const char *protocol; /* the revision that the client asked for */
    const char *hash;
    const char *kind;     /* handshake tools prompts resources templates */
    const char *result;   /* raw JSON of the answer's result */
    int64_t seen_unix_ms; /* when a daemon last said so */
};
/* Add or replace. Rows of other definitions of the same (project, server) go, and so do the
 * oldest of more than 64 of one. A result above CAP_HANDSHAKE is an err. */
bool registry_known_put(struct registry *r, const struct known_row *row, struct err *err);
/* All of one (project, server), newest first. */
typedef void known_row_fn(void *arg, const struct known_row *row);
bool registry_known(struct registry *r, const char *project_key, const char *server,
                    known_row_fn *each, void *arg, struct err *err);
/* Drop one kind (empty: all) of one (project, server). */
bool registry_known_drop(struct registry *r, const char *project_key, const char *server,
                         const char *kind, struct err *err);

/* --- history: bounded, newest last --- */
struct history_row {
    int64_t seq, at_unix_ms;
    const char *project_key, *server, *daemon_id;
    const char *event;  /* start ready end fail adopt */
    const char *reason; /* REASON word */
    const char *detail;
    int64_t took_ms; /* start: until ready; end: how long it lived; -1 unknown */
};
/* Add (seq is given by the table) and drop what is more than keep rows back. */
bool registry_history_add(struct registry *r, const struct history_row *row, int64_t keep,
                          struct err *err);
typedef void history_row_fn(void *arg, const struct history_row *row);
/* Newest first, at most limit; project_key NULL = all. */
bool registry_history(struct registry *r, const char *project_key, int64_t limit,
                      history_row_fn *each, void *arg, struct err *err);

/* Several changes in one transaction (may nest; the outermost counts). A begin that succeeded is
 * always followed by commit or rollback; one rollback inside undoes the whole. */
bool registry_begin(struct registry *r, struct err *err) MUST_CHECK;
bool registry_commit(struct registry *r, struct err *err) MUST_CHECK;
void registry_rollback(struct registry *r);
