/* pool/runtime.h - the runtime seam: where and how daemons run. One struct of functions; the one
 * implementation now is keepers on this machine (pool/runtime_local.c). Above this seam nobody
 * knows pids or signals. Calls return at once; all news comes back as events, from the loop. */
#pragma once
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

enum transport { TRANSPORT_HTTP, TRANSPORT_SSE, TRANSPORT_STDIO };

struct run_spec { /* borrowed for the call */
    const char *daemon_id;
    int64_t generation;
    const char *project; /* canonical root */
    const char *project_key;
    const char *server;
    int instance;           /* of the daemons of one server and project */
    const char *definition; /* hash of what was started */
    enum transport transport;
    int port; /* 0: stdio */
    const char *cwd;
    const struct strv *argv; /* argv[0] resolved or to be found in env's PATH */
    const struct strv *env;  /* whole environment */
    const char *log_path;
    int64_t log_max_bytes, orphan_ms, grace_ms;
};

enum run_event_kind {
    RUN_STARTED,    /* the process exists */
    RUN_TRY_NOW,    /* its port is listened on by its own tree: worth a handshake */
    RUN_PORT_TAKEN, /* while it starts: a stranger listens on its port */
    RUN_EXITED,     /* the whole tree is gone; code/signal/exec_errno/reason/tail */
    RUN_ENDING,     /* its main process ended unasked; the rest of its tree is being ended */
    RUN_LOST,  /* its keeper vanished; the runtime is ending what it left; RUN_EXITED follows */
    RUN_FOUND, /* sync: it runs (adoption); all identity fields are set */
    RUN_LINE,  /* stdio: a line of its stdout; it is not told again once this returns */
    RUN_ROOM,  /* stdio: a line was refused for want of room, there is some now */
    RUN_SYNCED /* sync is complete (daemon_id NULL) */
};

struct run_event {
    enum run_event_kind kind;
    const char *daemon_id;
    int64_t generation;
    const char *project, *project_key, *server, *definition; /* RUN_FOUND */
    int instance;
    enum transport transport;
    int port;
    int pid, keeper_pid; /* for display only */
    int64_t started_unix_ms;
    bool is_stopping;           /* RUN_FOUND: its tree is being ended, RUN_EXITED will follow */
    int exec_errno;             /* RUN_EXITED: the command could not be run */
    int exit_code, exit_signal; /* -1 / 0 when not applicable */
    /* RUN_EXITED, RUN_FOUND if is_stopping: the word given to stop(), "orphaned", or NULL */
    const char *reason;
    const char *tail; /* last output lines, may be "" */
    /* RUN_FOUND of a stdio daemon: how many lines it has been given, and has said that were taken,
     * by earlier poolds */
    int64_t lines_given, lines_taken;
    const char *line; /* RUN_LINE: without its line end */
    size_t line_size;
};

struct run_usage {
    int64_t rss_bytes, pss_bytes, cpu_ms;
    int processes;
};

typedef void run_event_fn(void *arg, const struct run_event *event);
typedef void run_usage_fn(void *arg, const char *daemon_id, const struct run_usage *usage);
enum port_state { PORT_SILENT, PORT_OURS, PORT_STRANGER };

struct runtime {
    void *self;
    /* Start it; true = the start is under way (RUN_STARTED or RUN_EXITED follows). Twice with the
     * same id and generation makes one daemon. */
    bool (*start)(void *self, const struct run_spec *spec, struct err *err);
    /* End the whole tree: TERM, grace, KILL. RUN_EXITED follows. Unknown ids are ignored. */
    void (*stop)(void *self, const char *daemon_id, int64_t grace_ms, const char *reason);
    /* Report all that runs for this pool: RUN_FOUND each, then RUN_SYNCED. What runs without a
     * keeper is ended by the runtime and not reported. */
    void (*sync)(void *self);
    /* Non-blocking connected (or connecting) fd to the daemon's port, its listener checked to be
     * the daemon's own (cached per generation, checked again after a failed connect). */
    bool (*dial)(void *self, const char *daemon_id, int *fd, struct err *err);
    /* Who listens on its port right now (forgets what dial remembered)? */
    enum port_state (*port)(void *self, const char *daemon_id);
    /* stdio: one line (no line end in it) for its stdin; copied, and brought there even if the way
     * to it breaks meanwhile. Err CONFLICT: it does not read, RUN_ROOM follows; TOO_BIG;
     * DAEMON_LOST. */
    bool (*send_line)(void *self, const char *daemon_id, const char *json, size_t n,
                      struct err *err);
    /* stdio: how many bytes it was given and has not read yet. */
    size_t (*unread)(void *self, const char *daemon_id);
    /* Ask for usage; one answer through the callback, none if the daemon goes meanwhile. */
    void (*usage)(void *self, const char *daemon_id, run_usage_fn *done, void *arg);
    /* Is the process responsive to the scheduler (not stopped)? Used to explain silence. */
    bool (*is_stopped)(void *self, const char *daemon_id);
    void (*destroy)(void *self);
};

struct ev_loop;
/* Keepers on this machine. run_dir/keepers holds their sockets; epoch grows with every poold;
 * keeper_program is the path of poold-keeper. New; destroy() frees it and leaves daemons alone. */
bool runtime_local_create(struct ev_loop *loop, const char *run_dir, int64_t epoch,
                          const char *keeper_program, run_event_fn *on_event, void *arg,
                          struct runtime *out, struct err *err) MUST_CHECK;
