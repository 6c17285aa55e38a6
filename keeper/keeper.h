/* keeper/keeper.h - the life of one keeper: start the daemon, log it, answer poold, end the tree.
 *
 *   starting -> running -> stopping -> exited
 *            \____________(exec failed)____/
 *
 * One thread, one poll loop. struct keeper owns everything in it. */
#pragma once
#include "keeper/daemon_child.h"
#include "keeper/lines_in.h"
#include "keeper/lines_out.h"
#include "keeper/log_file.h"
#include "keeper/server.h"
#include "keeper/spec.h"
#include "keeper/tail.h"
#include "keeper/tree.h"

enum keeper_state { KEEPER_STARTING, KEEPER_RUNNING, KEEPER_STOPPING, KEEPER_EXITED };

struct keeper {
    struct spec spec;
    enum keeper_state state;
    struct daemon_child child;
    struct tree tree;
    struct log_file log;
    struct tail tail;
    struct lines_out lines_out; /* stdio servers */
    struct lines_in lines_in;
    struct server server;
    int signal_fd;
    char *stop_reason;    /* NULL: it ended by itself */
    int64_t stop_grace_ms;
    int64_t term_at_ms;   /* stopping a stdio server: when the end of its input turns into TERM */
    int64_t kill_at_ms;   /* stopping: when TERM turns into KILL */
    int64_t kill_step_ms; /* and how long until the next KILL */
    int64_t exited_ms;
    bool may_linger;      /* exited: a poold may still come and ask */
    bool is_told;         /* exited: the owner has been sent the last line and the last STATUS */
};

/* Prepare: takes over spec (emptied) and listen_fd; catches signals and becomes a subreaper. */
bool keeper_init(struct keeper *keeper, struct spec *spec, int listen_fd,
                 struct err *err) MUST_CHECK;
/* Start the daemon and keep it until nothing of it is left and poold knows. */
void keeper_run(struct keeper *keeper);
void keeper_finish(struct keeper *keeper);

/* End the daemon: TERM now, KILL after grace_ms; again with a shorter grace to hurry. A stdio server
 * is given the end of its input first, and TERM if it does not go by that (MCP, lifecycle,
 * "Shutdown"). reason is a word (copied); the first one counts. */
void keeper_stop(struct keeper *keeper, int64_t grace_ms, const char *reason);
/* Give the owner the lines that it has not got yet, as far as it takes them. */
void keeper_hand_lines(struct keeper *keeper);
