/* pool/keeper_link.h - poold's end of one keeper's socket: connects, greets with the epoch, and
 * turns frames into plain structs. Knows nothing of the pool.
 *
 * Threads: loop only. Callbacks never come from inside keeper_link_new; they may free the link. */
#pragma once
#include "pool/inputs.h"
#include "pool/runtime.h"

struct ev_loop;
struct keeper_link;

enum keeper_state { KEEPER_IS_STARTING, KEEPER_IS_RUNNING, KEEPER_IS_STOPPING, KEEPER_HAS_EXITED };

struct keeper_status { /* strings never NULL but stop_reason; borrowed for the callback */
    char *id, *project, *project_key, *server, *definition, *boot_id, *tail;
    char *stop_reason;
    int64_t generation, started_unix_ms;
    enum transport transport;
    enum keeper_state state;
    int keeper_pid, pid, port, instance;
    uint64_t start_time;
    int exec_errno, exit_code, exit_signal; /* exit_code -1: not applicable */
    uint64_t inputs_taken, lines_acked;     /* stdio: what an earlier poold has sent and seen */
};

struct keeper_link_listener {
    void *arg;
    void (*on_status)(void *arg, const struct keeper_status *status);
    void (*on_usage)(void *arg, const struct run_usage *usage);
    /* A line of a stdio daemon, borrowed; acknowledged some milliseconds after this returns. */
    void (*on_line)(void *arg, const char *line, size_t n);
    /* A line was refused for want of room: there is some now. */
    void (*on_room)(void *arg);
    /* No more callbacks. is_superseded: a newer poold owns the keeper. */
    void (*on_end)(void *arg, bool is_superseded);
};

/* Connect to the keeper's socket (a full backlog is tried again for some seconds). inputs outlives
 * the link: what an earlier link of ours did not bring to the keeper is sent again. New. */
struct keeper_link *keeper_link_new(struct ev_loop *loop, const char *path, int64_t epoch,
                                    struct inputs *inputs,
                                    const struct keeper_link_listener *listener);
void keeper_link_free(struct keeper_link *link); /* NULL is fine */
void keeper_link_stop(struct keeper_link *link, int64_t grace_ms, const char *reason);
void keeper_link_ask_usage(struct keeper_link *link);
/* One line for the daemon's stdin (no line end in it); copied. Errors of inputs_add. */
bool keeper_link_send(struct keeper_link *link, const char *json, size_t n,
                      struct err *err) MUST_CHECK;
/* Say BYE as far as the socket takes it at once. */
void keeper_link_bye(struct keeper_link *link);
