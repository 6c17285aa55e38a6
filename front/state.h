/* front/state.h - what the parts of the front share. Included by front/ only. */
#pragma once
#include "base/list.h"
#include "front/metrics.h"

#include <ev.h>
#include <stdint.h>
#include <sys/types.h>

struct session;

#define SESSION_BUCKETS 1024
#define CALL_BUCKETS 256
#define READ_SIZE (64 * 1024)

struct front {
    struct ev_loop *loop;
    struct pool *pool;
    struct registry *registry;
    const struct front_places *places;
    int port;
    uid_t uid;                     /* ours: whose requests are answered */
    ev_io accept_io, accept_lines; /* the fixed port, mcp.sock */

    struct list conns; /* client connections */
    int conn_count;
    struct list searching; /* connections whose owner is being looked for */
    struct list flights;   /* requests under way */
    struct list upstreams; /* busy upstream connections */
    struct list idle;      /* kept-alive upstream connections, oldest first */
    struct list streams;   /* long client streams (GET, /sse), for their keep-alive */
    struct list doomed_conns, doomed_upstreams;
    int api_relays;
    /* Response streams that can be resumed (replay.h): live; ended; ended and sent. */
    struct list replays, ended_replays, sent_replays;
    size_t replay_bytes, sent_replay_bytes; /* of the first two, and of the last */
    uint64_t replay_count;
    char run[14]; /* names this run of poold in event ids */
    struct front_metrics metrics;
    struct front_listener listener;
    struct project no_project;
    struct daemon nowhere; /* the slot of sessions that wait for their project: always down */

    struct list sessions[SESSION_BUCKETS];
    struct list modern;   /* sessions that the front keeps for clients without (modern.h) */
    unsigned pins;        /* how often one of them was told where it works */
    struct list listens;  /* flights that listen for changes (listen.h) */
    struct list unlisted; /* sessions not published yet, or ended and waiting for a last flight */
    struct list aliases;  /* sessions with an earlier id that still leads to them */
    int session_count;
    int64_t pruned_unix_ms; /* when old session rows were last looked at */
    uint8_t session_key[32];

    struct list calls[CALL_BUCKETS]; /* under way over shared stdio daemons, by serial */
    struct list cancelled;           /* such calls that end at the next turn */
    struct list turning;             /* links to shared stdio daemons that open at the next turn */
    struct list shared;              /* what is kept of such daemons (shared.h) */
    struct list privates;            /* links to private stdio daemons */
    struct list late;                /* answers to calls of an earlier poold (late.h) */
    size_t late_bytes;
    int64_t started_unix_ms;
    uint64_t serial; /* of the last alias: no two poolds give the same */

    struct list known;     /* what is remembered of servers, as long as sessions use it */
    struct list processes; /* of clients (departed.h) */
    struct list scouts;    /* lives of daemons that are got to know (scout.h) */
    bool stays;            /* some session's stay_at_ms is set */
    bool awaits;           /* some session's awaited_until_ms is set */

    ev_prepare reaper;   /* frees what is doomed before the loop blocks */
    ev_idle search_idle; /* steps owner searches between other work */
    ev_timer second;     /* runs while something is timed: flights, half requests, idle upstreams */
    ev_timer moment;     /* runs while a session waits for a word of its client's (reopen.h) */
    ev_timer turn;       /* runs while something is in cancelled or turning */
    ev_timer soon;       /* runs while queued calls wait for a suspected daemon */
    ev_timer minute;     /* always: sessions of departed clients are put aside */
    ev_timer primer;     /* runs while calls wait that may be resumed once they are primed */
    ev_timer keepalive;  /* runs while there are long streams */
    char read_buffer[READ_SIZE]; /* one for the process: an idle connection owns none */
};

/* Look at the queued calls again in a moment. */
void front_look_soon(struct front *f);
/* A call was begun that gets a priming event if it is not answered soon. */
void front_prime_soon(struct front *f);
/* Make sure that the timer of sessions that wait for a word of their clients' runs. */
void front_time_moment(struct front *f);
/* Make sure that the one-second timer runs (it stops by itself when nothing is timed). */
void front_time_something(struct front *f);
