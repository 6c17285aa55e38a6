/* pool/pool.h - the pool: projects, and per (project, server) one daemon slot with its present
 * life, or several where each session has its own ("share": "session"). The one owner of every
 * start and stop. Front and api talk to it; it calls back through listeners and never sees them.
 * Threads: loop only.
 *
 * Pointers to struct project and struct daemon stay valid until the pool is destroyed or, after
 * pool_forget, until the loop next blocks; across calls from the loop hold (key, server) or ask
 * pool_daemon_by_id. Callbacks never run inside the call that registered or caused them. */
#pragma once
#include "base/err.h"
#include "config/brought.h"
#include "pool/runtime.h"
#include "registry/registry.h"

#include <stdint.h>

struct ev_loop;
struct pool;

#define DAEMON_STATES(X)                                                                           \
    X(DOWN, "down")                                                                                \
    X(STARTING, "starting")                                                                        \
    X(READY, "ready")                                                                              \
    X(BUSY, "busy") X(DRAINING, "draining") X(STOPPING, "stopping") X(FAILED, "failed")
enum daemon_state {
#define X(name, word) DAEMON_##name,
    DAEMON_STATES(X)
#undef X
        DAEMON_STATE_COUNT
};
const char *daemon_state_word(enum daemon_state s);

enum layer { LAYER_UNKNOWN, LAYER_OK, LAYER_FAILED };
const char *layer_word(enum layer l); /* unknown ok failed */
enum start_step {
    STEP_QUEUED,
    STEP_SPAWNED,
    STEP_PORT_OPEN,
    STEP_HANDSHAKE,
    STEP_WARM,
    STEP_COUNT
};
const char *start_step_word(enum start_step s); /* queued spawned port-open handshake warm */

/* What a daemon speaks of MCP: bits. */
enum era {
    ERA_LEGACY = 1, /* initialize and sessions: the revisions up to 2025-11-25 */
    ERA_MODERN = 2  /* stateless requests: 2026-07-28 */
};

struct project {
    char *key, *root;
    bool is_trusted;
    char brought_trusted[BROUGHT_CONTENT_SIZE]; /* brought.content that was said yes to, or "" */
    int64_t first_unix_ms, last_unix_ms;
};

/* One slot; fields are for reading outside pool/. */
struct daemon {
    struct pool *pool;
    struct project *project;
    char *server;
    enum daemon_state state;
    bool is_wanted; /* start again when a stop in progress has ended */
    bool is_pinned;
    /* the present or last life */
    char id[32]; /* "" before the first */
    int64_t generation;
    enum transport transport;
    bool is_private; /* "share": "session": it belongs to one client session; the front makes the
                        handshake */
    int instance;    /* 0: the project's one; 1, 2, ...: private ones and spares */
    char definition[20];
    unsigned eras; /* enum era bits, 0: this life has not been asked yet (on_change follows) */
    int port, pid, keeper_pid; /* for display; port 0 = none */
    int64_t started_unix_ms, ready_unix_ms, ended_unix_ms;
    int64_t state_since_ms;      /* monotonic */
    int64_t step_ms[STEP_COUNT]; /* ms since the start was asked, -1 = not reached */
    enum reason reason;          /* of the last start or end */
    char *detail;                /* words for people: cause of a failure with its remedy, or NULL */
    char *tail;                  /* last lines of the daemon's output after a failure, or NULL */
    int64_t retry_at_ms;         /* failed: not tried before this (monotonic); 0 = now */
    int failures;                /* starts that failed in a row */
    enum layer process, accepts, mcp, useful;
    char *cause; /* what the failed layer says, or NULL */
    bool is_warming;
    char *handshake; /* shared stdio daemon: its whole answer to initialize (a JSON-RPC message),
                        NULL: none yet */
    /* use */
    int in_flight;                  /* calls handed over or held */
    int sessions;                   /* front sessions bound to this slot */
    int64_t last_use_ms;            /* monotonic: end of the last work; 0 = never */
    int64_t suspect_until_ms;       /* monotonic: it may just be dying, hand nothing over before */
    int64_t memory_bytes, cpu_ms;   /* of the tree, last look; -1 unknown */
    int64_t starts, usual_start_ms; /* how often; median-like estimate, 0 unknown */
};

/* Told from the loop, never from inside a call of the listener's own. */
struct pool_listener {
    void *arg;
    /* state, step, health or pin changed; failed starts too. */
    void (*on_change)(void *arg, struct daemon *d);
    /* A life that an earlier poold started is up: told once, before the first on_change of its. May
     * be NULL. */
    void (*on_adopted)(void *arg, struct daemon *d);
    /* Each change of state but ready <-> busy (that is once a call), with the state before and how
     * long it lasted. From inside of what caused it: only to take note. May be NULL. */
    void (*on_state)(void *arg, const struct daemon *d, enum daemon_state was, int64_t was_ms);
    /* Does a living client of this slot pin it (a resource subscription)? May be NULL. */
    bool (*is_held)(void *arg, const struct daemon *d);
    /* A message of a stdio daemon that is not for the pool itself: borrowed, no line end in it, a
     * JSON-RPC message by rpc_peek. It is not told again (by a later poold) once this has
     * returned. May be NULL. */
    void (*on_line)(void *arg, struct daemon *d, const char *json, size_t n);
    /* daemon_send_line refused one for want of room: there is some now. May be NULL. */
    void (*on_line_room)(void *arg, struct daemon *d);
};

struct pool_places { /* borrowed for the pool's life */
    const char *state_dir, *run_dir, *data_dir, *keeper_program;
};

/* New; the configuration is borrowed and may be replaced by pool_reconfigure. The pool adopts what
 * runs at once (asynchronously); until that is complete wants wait. */
struct pool *pool_create(struct ev_loop *loop, const struct pool_places *places,
                         const struct config *config, struct registry *registry, int64_t epoch,
                         struct err *err) MUST_CHECK;
/* Leaves daemons running; keepers are told BYE. */
void pool_destroy(struct pool *p);
void pool_listen(struct pool *p, const struct pool_listener *listener); /* copied; at most 8 */
void pool_reconfigure(struct pool *p, const struct config *config);
const struct config *pool_config(const struct pool *p);

/* --- projects --- */
/* The project that path belongs to, made known if need be; how as in project_find_root. */
struct project *pool_project_at(struct pool *p, const char *path, char how[64],
                                struct err *err) MUST_CHECK;
/* path itself as root when no project is found above it (explicit ensure). */
struct project *pool_project_make(struct pool *p, const char *path, char how[64],
                                  struct err *err) MUST_CHECK;
struct project *pool_project_by_key(struct pool *p, const char *key);
typedef void project_fn(void *arg, struct project *project);
void pool_projects_each(struct pool *p, project_fn *each, void *arg);
/* Trust it or not. brought: the content (config/brought.h) of the servers it brings that are
 * trusted too, NULL or "" for none; err CONFLICT if that is not what it brings now. A running
 * daemon whose definition depends on it is restarted when idle. */
bool pool_trust(struct pool *p, struct project *project, bool is_trusted, const char *brought,
                struct err *err) MUST_CHECK;
/* The entry that a server's name means for a project: the user's own (NULL: the default one), else
 * one that the project brings, if it is trusted for just what it brings now. project NULL: the
 * user's own only. Err NO_SERVER, or DENIED for one that is not trusted. Borrowed for the moment:
 * an edit of the project's files or a new configuration ends it. */
const struct config_server *pool_server(struct pool *p, struct project *project, const char *name,
                                        struct err *err);
/* Stop its daemons and forget project, leases, sessions, history. */
bool pool_forget(struct pool *p, struct project *project, struct err *err) MUST_CHECK;

/* --- daemons --- */
/* The slot (made, state down, if there is none). server NULL = default server. Of a server that
 * sessions do not share it is instance 0: started, it is a spare for the next session. */
struct daemon *pool_slot(struct pool *p, struct project *project, const char *server,
                         struct err *err) MUST_CHECK;
/* A private daemon ("share": "session") for a new client session: a warm spare if there is one,
 * else a slot that is down; spares are made up again. It is the session's until daemon_release. */
struct daemon *pool_slot_private(struct pool *p, struct project *project, const char *server,
                                 struct err *err) MUST_CHECK;
/* The one that a session had before poold was started anew, by the id of its last life: claimed
 * again. NULL: it is gone, or not this server's; the session takes a new one. */
struct daemon *pool_slot_private_of(struct pool *p, struct project *project, const char *server,
                                    const char *id);
/* Its session is over: it is stopped, and its slot goes. d is good until its flights and sessions
 * are counted off, no longer. */
void daemon_release(struct daemon *d);
/* Is it private and waits, warm or down, for a session? */
bool daemon_is_spare(const struct daemon *d);
struct daemon *pool_daemon_by_id(struct pool *p, const char *id);
typedef void daemon_fn(void *arg, struct daemon *d);
void pool_daemons_each(struct pool *p, daemon_fn *each, void *arg);

/* Ask for it to be up: safe in any state, returns at once, news by on_change. Within the back-off
 * time of a failed start it stays failed (force: try now). */
void daemon_want(struct daemon *d, enum reason why, bool force);
/* May calls be handed over now (ready or busy)? */
bool daemon_is_up(const struct daemon *d);
/* Was its project forgotten? Then it never starts again: ask for the project and a slot anew. */
bool daemon_is_forgotten(const struct daemon *d);
/* Work: from when a call waits for or is at the daemon until its answer. */
void daemon_use_begin(struct daemon *d);
void daemon_use_end(struct daemon *d);
/* A living client's request reached it: keeps it from idling. */
void daemon_touch(struct daemon *d);
void daemon_sessions_add(struct daemon *d, int by);
/* Connected (or connecting) fd to its port; the caller closes it. Only while it is up. */
bool daemon_dial(struct daemon *d, int *fd, struct err *err) MUST_CHECK;
/* One JSON-RPC message (no line end in it) for the stdin of a stdio daemon; copied. Err
 * DAEMON_LOST: it is not up; CONFLICT: more than the wire's window waits, on_line_room tells when
 * there is room; TOO_BIG. Ids that begin with "poold.pool." are the pool's own. */
bool daemon_send_line(struct daemon *d, const char *json, size_t n, struct err *err) MUST_CHECK;
/* The hash of what a start would run now, while d->definition is that of the present or last life.
 * Borrowed until the next call. */
const char *daemon_definition_now(const struct daemon *d);
/* The eras that daemons of the definition which a start would use now spoke last; 0: not known. */
unsigned daemon_eras_remembered(const struct daemon *d);
/* The front found it dead or mute (connect refused, answer cut): look at once. A process that dies
 * closes its connections before its end is known, so suspect_until_ms is set a little ahead. */
void daemon_suspect(struct daemon *d);
/* Stop: drains first unless now. RESTART: start again afterwards. */
void daemon_stop(struct daemon *d, enum reason why, bool now);
void daemon_restart(struct daemon *d, enum reason why);
bool daemon_pin(struct daemon *d, bool is_pinned, struct err *err) MUST_CHECK;
/* Run the warm-up call now if it has not run in this life (ensure --warm). */
void daemon_warm(struct daemon *d);
/* ms until idle eviction; -1 = it does not go by idleness now, *why (static text) says why:
 * "pinned", "busy", "held by a subscription", "never (idleSeconds 0)", "evict is false", "down". */
int64_t daemon_evict_in_ms(const struct daemon *d, const char **why);
/* Path of its log file. Borrowed. */
const char *daemon_log_path(const struct daemon *d);
/* What a start would use: new strings in the lists. For `why`. */
bool daemon_describe(struct daemon *d, struct strv *argv, struct strv *env, char **cwd,
                     struct err *err) MUST_CHECK;

/* Stop everything (shutdown without --keep-daemons); done runs when all are down. */
void pool_stop_all(struct pool *p, enum reason why, void (*done)(void *arg), void *arg);
/* Is adoption complete? */
bool pool_is_synced(const struct pool *p);
