/* pool/local.h - private to runtime_local.c and local_life.c: the runtime over keepers and what it
 * knows of each daemon.
 *
 * Ownership: local owns its lives; a life owns its link to the keeper, its watchers and what it has
 * asked. local_life.c is a life from the keeper's first word to its end; runtime_local.c starts,
 * finds and asks. */
#pragma once
#include "base/list.h"
#include "platform/proc.h"
#include "pool/keeper_link.h"
#include "pool/leftovers.h"
#include "pool/runtime.h"

#include <ev.h>

enum phase {
    LIFE_LAUNCHING, /* poold-keeper has not gone into the background yet */
    LIFE_LINKED,    /* connected or connecting to the keeper */
    LIFE_LEFT,      /* the keeper is gone, what it left is being ended */
};

struct local;

struct life { /* one daemon */
    struct list node;
    struct local *local;
    enum phase phase;
    char id[64];
    int64_t generation;
    int port;
    struct proc_id process; /* main process, once known */
    int keeper_pid;
    struct proc_id keeper; /* the same with its start time, as it was when it first answered */
    bool is_sought;        /* by sync: not yet reported */
    bool is_stray;         /* found without a keeper: never reported */
    bool is_started;       /* RUN_STARTED or RUN_FOUND was told */
    bool is_port_open, is_port_ours;
    bool is_ending; /* RUN_ENDING was told */
    bool is_stop_asked;
    int64_t stop_grace_ms;
    char *stop_reason;
    int64_t started_ms; /* monotonic */
    int relinks;
    struct ev_child launcher;
    int launcher_err; /* file with what poold-keeper said on stderr, or -1 */
    struct keeper_link *link;
    struct inputs inputs; /* stdio: outlives its links */
    struct leftovers *leftovers;
    struct ev_timer look;  /* for its port */
    struct ev_timer again; /* connect again */
    struct ask *asks;      /* usage questions under way, first asked first */
};

struct ask {
    struct ask *next;
    run_usage_fn *done;
    void *arg;
};

struct local {
    struct ev_loop *loop;
    char *dir; /* run_dir/keepers */
    char *keeper_program;
    int64_t epoch;
    run_event_fn *on_event;
    void *arg;
    struct list lives;
    struct ev_timer sync; /* the end of waiting */
    bool is_syncing;
};

/* --- local_life.c --- */
struct life *life_new(struct local *local, const char *id);
void life_free(struct life *l);
struct life *life_find(const struct local *local, const char *id);
/* Connect to its keeper, which is there or was a moment ago. */
void life_connect(struct life *l);
/* Its keeper is gone: end what it left. */
void life_left(struct life *l);
/* The whole tree is gone: the last news, then the life is forgotten. */
void life_over(struct life *l, struct run_event *event);
/* Who listens on its port now? Remembered for dial. */
enum port_state life_look_at_port(struct life *l);
/* Is sync complete? To be asked whenever a sought life was found or turned out to be none. */
void local_sync_check(struct local *local);
/* <run_dir>/keepers/<id><ending>, new. */
char *local_file(const struct local *local, const char *id, const char *ending);
/* Does a living keeper hold the lock? */
bool local_is_lock_held(const struct local *local, const char *id);
