/* front/front.h - the fixed port: accept, check, route, answer or relay.
 *
 * Owns:   client connections, sessions, flights, links and upstream connections.
 * Never depends on a daemon being up; talks to the pool, is told of changes by it.
 * Threads: loop only.   Life: create -> serve -> destroy (daemons live on). */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "pool/pool.h"

struct ev_loop;
struct front;

struct front_places {       /* borrowed for the front's life */
    const char *state_dir;  /* holds the key file that session ids are signed with */
    const char *api_socket; /* requests that are not MCP go there */
};

/* listen_fd: a listening TCP socket on loopback, lines_fd: the listening mcp.sock (both borrowed:
 * whoever handed them over keeps them). New. */
struct front *front_create(struct ev_loop *loop, int listen_fd, int lines_fd, struct pool *pool,
                           struct registry *registry, const struct front_places *places,
                           struct err *err) MUST_CHECK;
/* Ends every connection; sessions stay in the registry. NULL is fine. */
void front_destroy(struct front *f);
/* The port it listens on. */
int front_port(const struct front *f);
/* The stable URL of a slot: http://127.0.0.1:PORT/p/KEY[/s/SERVER]/mcp. New string. */
char *front_url(const struct front *f, const struct project *project, const char *server);
int front_session_count(const struct front *f);

struct front_session { /* for lists; borrowed for the call */
    const char *project_key, *server, *client, *transport, *route, *program, *cwd;
    int pid, in_flight;
    int64_t oldest_call_ms, last_use_unix_ms;
    bool has_stream;
};
void front_sessions_each(struct front *f, void (*each)(void *arg, const struct front_session *s),
                         void *arg);

enum session_change {
    SESSION_OPENED,
    SESSION_TAKEN_BACK, /* known by registry or proof, after a restart or a long silence */
    SESSION_PUT_ASIDE,  /* its client is gone or silent for long */
    SESSION_CLOSED,
    SESSION_CHANGE_COUNT
};
const char *session_change_word(enum session_change c); /* opened taken-back put-aside closed */
struct front_listener {
    void *arg;
    /* s is borrowed for the call, its counts are not filled in; only to take note. */
    void (*on_session)(void *arg, const struct front_session *s, enum session_change what);
};
void front_listen(struct front *f, const struct front_listener *listener); /* one; copied */
/* Its counters in Prometheus' text format. False: out is full. */
bool front_metrics_print(struct front *f, struct buf *out) MUST_CHECK;
