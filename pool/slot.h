/* pool/slot.h - private to pool/: the pool and its slots in full. One slot is one (project, server,
 * instance) with its present life; struct daemon is the part of it that everyone may read.
 *
 * Ownership: the pool owns its projects and slots; a slot owns its probe (gone with each life).
 * Who changes what: daemon.c alone writes d.state (by slot_set_state). Everything that happens to a
 * slot is an event to slot_event, which looks the action up in daemon_table.c. */
#pragma once
#include "base/list.h"
#include "pool/pool.h"
#include "pool/probe.h"

#include <ev.h>

/* What can happen to a slot. Order and words are those of docs/STATES.md. */
#define SLOT_EVENTS(X)                                                                             \
    X(WANT, "want")             /* somebody asks for it to be up */                                \
    X(FOUND, "found")           /* adoption: it runs already */                                    \
    X(STARTED, "started")       /* its process exists */                                           \
    X(PORT_OPEN, "port-open")   /* its own tree listens on its port */                             \
    X(PORT_TAKEN, "port-taken") /* a stranger listens there */                                     \
    X(ANSWERED, "answered")     /* the handshake was answered */                                   \
    X(REFUSED, "refused")       /* it answers handshakes with errors only */                       \
    X(WORK, "work")             /* the first flight */                                             \
    X(REST, "rest")             /* the last flight ended */                                        \
    X(STOP, "stop")             /* stop, after draining */                                         \
    X(KILL, "kill")             /* stop now */                                                     \
    X(MUTE, "mute")             /* it answers nothing any more */                                  \
    X(DEADLINE, "deadline")     /* the state's own time is over */                                 \
    X(ENDING, "ending")         /* its main process has ended, not yet all of its tree */          \
    X(LOST, "lost")             /* its keeper vanished */                                          \
    X(EXITED, "exited")         /* its whole tree is gone */
enum slot_event_kind {
#define X(name, word) SLOT_##name,
    SLOT_EVENTS(X)
#undef X
        SLOT_EVENT_COUNT
};
const char *slot_event_word(enum slot_event_kind kind);

struct slot_event { /* borrowed for the call */
    enum slot_event_kind kind;
    enum reason reason;          /* WANT STOP KILL MUTE */
    const char *detail;          /* STOP KILL MUTE REFUSED: words for people, or NULL */
    bool force;                  /* WANT: also within the back-off time */
    const struct run_event *run; /* what the runtime said */
};

struct slot {
    struct daemon d; /* first: a struct daemon * is its slot */
    struct list in_pool, in_project, in_queue, in_changed;
    struct list in_id; /* hash chain of its life's id; unlinked before the first */
    struct ev_timer deadline; /* of the present state */
    struct ev_timer look;     /* health */
    bool is_alive;            /* the runtime holds a life of ours (from start to RUN_EXITED) */
    bool is_adopted;
    bool is_adoption_told; /* ... and the listeners know */
    bool is_unneeded; /* its project was forgotten: free it when it is down */
    /* private.c */
    bool is_taken;    /* some session's; else it is a spare */
    bool is_claimed;  /* the front has it in its hands */
    bool is_released; /* its session is over: free it when it is down */
    bool is_expected; /* the registry says it lives; not yet found by sync */
    bool was_ready;   /* by the registry: it had answered before */
    char *log_path;
    /* the start under way */
    enum reason start_reason;
    int64_t asked_ms;         /* when it was asked for */
    bool is_second_port;      /* this start is the repetition with another port */
    int avoid_port;           /* a stranger's; not to be leased again for the repetition */
    char *last_seen;          /* of the handshake: why there is none yet */
    int64_t refused_since_ms; /* it answers handshakes with errors since; 0: it does not */
    /* the stop under way; REASON_NONE: nobody asked for it */
    enum reason end_reason;
    char *end_detail;
    bool is_crashing;   /* the life ended by itself, what is left of it is being ended */
    bool is_failing;    /* the life ends because its start failed */
    bool is_port_taken; /* ... and is to be repeated with another port */
    bool is_forced;     /* is_wanted even if it failed */
    int draining;       /* flights that must end before it stops */
    /* definition-changed: restart (or only stop, its server is gone) at the next rest */
    bool is_outdated;
    /* failure memory */
    int quick_deaths;    /* lives in a row that ended right after ready */
    int failures_before; /* failed starts before the one that became ready */
    /* health */
    struct probe *probe;
    char *probe_session; /* HTTP: its session in this life, the daemon's id for it; NULL: none */
    int64_t lines_given;         /* stdio, adopted: by earlier poolds */
    int64_t rubbish;             /* lines of this life that are no message */
    bool is_our_want;            /* the last dial failed for want of poold's own means */
    bool is_pinging, is_shaking; /* a ping, a handshake is under way */
    bool is_asking_eras;         /* the question which eras it speaks */
    unsigned eras;               /* that were heard last, in this life or before ... */
    char eras_of[20];            /* ... of a daemon of this definition */
    int64_t heard_ms;            /* last sign of life (monotonic) */
    int pings_lost;
    int64_t handed_ms;              /* when the last flight began */
    char *reach_cause, *tool_cause; /* what is wrong below the tools, and with the tools */
    bool is_warm_done, is_warm_asked, is_warm_late;
    int64_t warmed_ms;     /* end of the warm-up (monotonic) */
    int64_t up_ms;         /* when it became ready or was adopted so (monotonic) */
    struct ev_timer again; /* the next handshake of a start */
    int64_t again_ms;      /* how long until that */
};

#define ID_BUCKETS 64       /* each line of a stdio daemon looks for its slot */
#define PROJECT_BUCKETS 256 /* each request looks for its project, among a thousand perhaps */

struct project_entry {
    struct project project;      /* first: a struct project * is its entry */
    struct list in_pool;         /* of the known ones, or of the forgotten ones */
    struct list in_key, in_root; /* hash chains; unlinked when forgotten */
    struct list slots;
    struct brought *brought; /* what it brings, as last read; NULL: not read */
    uint64_t brought_stamp;
    int64_t brought_ms; /* of the last look at its files */
    bool is_edited;     /* they were changed since what runs was compared with them */
};

struct pool {
    struct ev_loop *loop;
    struct pool_places places;
    const struct config *config;
    struct registry *registry;
    struct runtime runtime;
    int64_t epoch;
    bool is_synced;
    struct list slots, queue, changed;
    struct list by_id[ID_BUCKETS];
    struct list projects;
    struct list gone; /* forgotten; freed when the last of their daemons is down */
    struct list by_key[PROJECT_BUCKETS], by_root[PROJECT_BUCKETS];
    struct pool_listener listeners[8];
    size_t listener_count;
    struct ev_timer wake;  /* serve the queue, tell the listeners */
    struct ev_timer usage; /* next question for memory */
    struct ev_timer tidy;  /* registry_tick */
    struct ev_timer heal;  /* what the registry did not take is written again */
    char *loss;            /* why that failed the last time */
    bool is_loaded;        /* the registry was read */
    bool is_healing;
    char *shell_path;         /* PATH that the user has in a terminal; NULL: not known */
    struct shell_path *shell; /* the question for it under way, which starts wait for, or NULL */
    bool has_edited;          /* a project is_edited */
    bool is_stopping_all;
    enum reason stop_reason; /* of is_stopping_all */
    void (*stopped)(void *arg);
    void *stopped_arg;
};

static inline struct slot *slot_of(struct daemon *d)
{
    return container_of(d, struct slot, d);
}
static inline struct project_entry *entry_of(struct project *project)
{
    return container_of(project, struct project_entry, project);
}
static inline const struct slot *slot_of_const(const struct daemon *d)
{
    return (const struct slot *)(const void *)((const char *)d - offsetof(struct slot, d));
}

/* --- pool.c --- */
/* pool_create in two steps, over a runtime that the caller makes (tests bring their own): the pool
 * without a runtime, then the runtime, whose events go to pool_on_run_event with the pool as their
 * argument. pool_run_with moves it in and calls its sync(). */
struct pool *pool_create_with(struct ev_loop *loop, const struct pool_places *places,
                              const struct config *config, struct registry *registry, int64_t epoch,
                              struct err *err) MUST_CHECK;
void pool_run_with(struct pool *p, const struct runtime *runtime);
/* A run_event_fn. */
void pool_on_run_event(void *arg, const struct run_event *event);
/* Something changed that may let a queued start go, or that listeners want to hear (slot may be
 * NULL): both happen at the loop's next turn. */
void pool_wake(struct pool *p, struct slot *changed);
struct slot *pool_slot_by_id(struct pool *p, const char *id);
/* The only way to give a slot its life's id. */
void slot_set_id(struct slot *s, const char *id);
/* The least recently used daemon that may go, or NULL. */
struct slot *pool_evictable(struct pool *p);
/* The entry of the configuration that a slot runs, or NULL. */
const struct config_server *slot_server(const struct slot *s);
const struct settings *slot_settings(const struct slot *s);
struct slot *pool_slot_find(const struct project *project, const char *server, int instance);
struct slot *pool_slot_make(struct pool *p, struct project *project, const char *server,
                            int instance);

/* --- projects.c --- */
void pool_projects_init(struct pool *p);
struct project *pool_project_adopt(struct pool *p, const struct project_row *row);
void pool_project_free(struct project_entry *entry);
/* The project with this canonical root, made and written down if it is new. */
struct project *pool_project_at_root(struct pool *p, const char *root);
/* Running daemons (of one project; NULL: of all) whose definition is no longer what would be
 * started go at their next rest. */
void pool_find_outdated(struct pool *p, const struct project *only);

/* --- servers.c --- */
/* Daemons of a project whose files were edited go, if what they run is no longer what was said yes
 * to. */
void servers_follow_edits(struct pool *p);
/* What the project brings is read again when it is next asked for. */
void servers_forget(struct project_entry *entry);
/* Is this what the project brings now? */
bool servers_are(struct pool *p, struct project *project, const char *content);

/* --- daemon.c: one slot's decisions --- */
void slot_event(struct slot *s, const struct slot_event *event);
/* The row, the log path and all watchers of a new slot. */
void slot_init(struct slot *s, struct pool *p, struct project *project, const char *server,
               int instance);
/* It never starts again: its project was forgotten, or its session is over. */
bool slot_is_leaving(const struct slot *s);
void slot_finish(struct slot *s);
/* A queued start gets its place: called by the pool in the queue's order. */
void slot_launch(struct slot *s);
/* Stop it if it waits for a rest and this is one; warm it up if that is due. */
void slot_rest(struct slot *s);
/* Write the registry row; slot_save sees to errors itself. */
bool slot_put(struct slot *s, struct err *err);
void slot_save(struct slot *s);
/* Is it ready and without work, warm-up or holder: may it be evicted if need be? */
bool slot_is_idle(const struct slot *s);
bool slot_is_held(const struct slot *s);
typedef void slot_action(struct slot *s, const struct slot_event *event);
/* daemon_table.c: never NULL. */
slot_action *slot_action_for(enum daemon_state state, enum slot_event_kind kind);
const char *slot_action_word(slot_action *action);

/* The actions (daemon.c); what each does stands in docs/STATES.md. */
#define SLOT_ACTIONS(X)                                                                            \
    X(nop)                                                                                         \
    X(start)                                                                                       \
    X(join)                                                                                        \
    X(adopt)                                                                                       \
    X(spawned) X(port_open) X(move_port) X(ready) X(busy) X(rest) X(drain) X(drained) X(stop)      \
        X(stop_late) X(want_later) X(unwant) X(overdue) X(retry) X(forgive) X(timed_out)           \
            X(refused) X(idle) X(failed) X(crashed) X(ending) X(gone) X(lost) X(revive)
#define X(name) slot_action slot_do_##name;
SLOT_ACTIONS(X)
#undef X

/* --- health.c --- */
/* The life can be looked at: from port open or adoption on. */
void health_begin(struct slot *s);
void health_init(struct slot *s);
/* The first handshake (repeated until answered): SLOT_ANSWERED follows. */
void health_handshake(struct slot *s);
/* It became ready: regular looks, warm-up when it may run. */
void health_ready(struct slot *s);
void health_end(struct slot *s); /* the life is over, or is being ended */
/* It has said something: everything below the tools is fine. */
void health_heard(struct slot *s);
/* Is its process stopped by a signal? Cheap: before it is shown to people. */
void health_glance(struct slot *s);
/* Look at once. */
void health_look(struct slot *s);
void health_warm(struct slot *s, bool asked);
void health_set(struct slot *s, enum layer *layer, enum layer value, const char *cause);

/* --- private.c --- */
/* Does it wait for a session? */
bool slot_is_spare(const struct slot *s);
/* When the sessions that a spare is for were last used (monotonic, 0: never). */
int64_t private_used_ms(const struct slot *spare);
/* A session has its daemon, or a spare: make up the spares as configured, where there is room. */
void private_top_up(struct slot *taken);
/* A start that must not push anybody out. */
bool private_is_queued_spare(const struct slot *s);
/* Free a slot that nobody will want again; true: s is gone. */
bool private_sweep(struct slot *s);

/* --- lines.c: stdio daemons --- */
/* A line of its stdout. */
void lines_take(struct slot *s, const char *line, size_t n);
/* It has read what it was given. */
void lines_room(struct slot *s);

/* --- reach.c --- */
/* The probe of its present life; new. */
struct probe *reach_probe(struct slot *s);
/* stdio: bytes that slot s was given and has not read. */
size_t reach_unread(void *s);

/* --- memory.c --- */
void memory_init(struct pool *p);
/* A daemon is up: ask in 5 s, or now if it has been for long (adopted). */
void memory_begin(struct pool *p, bool is_settled);
void memory_check(struct pool *p); /* above the budget: the least recently used idle one goes */
