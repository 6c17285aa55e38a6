/* pool/probe.h - poold's own small MCP client towards one life of a daemon: the handshake that
 * makes it ready, pings in that same session, and the warm-up call. Over Streamable HTTP and
 * HTTP+SSE (here), and over the pipes of a stdio daemon (talk.h). A daemon that refuses
 * `initialize` over HTTP but speaks the stateless era is asked `server/discover` instead, for pings
 * too (that era has no ping).
 *
 * One session per life, kept: never session-less stray requests. Threads: loop only. */
#pragma once
#include "pool/runtime.h"

struct ev_loop;
struct probe;

enum probe_outcome {
    PROBE_OK,
    PROBE_REFUSED,     /* it answered, but with an error; text says which */
    PROBE_TOOL_FAILED, /* the call's result says so (isError, or a text that starts with "Error") */
    PROBE_UNREACHABLE, /* no connection, or cut without an answer */
    PROBE_SILENT       /* no answer in time */
};

/* text: what went wrong (first line, at most 300 characters), "" when OK. */
typedef void probe_done_fn(void *arg, enum probe_outcome outcome, const char *text);
typedef bool probe_dial_fn(void *arg, int *fd, struct err *err);

/* The daemon has given the probe's session this id ("": there is none any more). */
typedef void probe_session_fn(void *arg, const char *session);

struct probe_how {            /* strings are copied */
    enum transport transport; /* not stdio */
    int port;                 /* for the Host header */
    const char *session; /* Streamable HTTP: go on with this one of an earlier probe, or NULL */
    probe_dial_fn *dial;
    probe_session_fn *on_session;
    void *arg;
};

/* New, over HTTP; probe_free. */
struct probe *probe_new(struct ev_loop *loop, const struct probe_how *how);
/* No callbacks afterwards. NULL is fine. */
void probe_free(struct probe *p);

/* Each is answered by exactly one callback, never from inside the call. */
void probe_handshake(struct probe *p, int64_t timeout_ms, probe_done_fn *done, void *arg);
void probe_ping(struct probe *p, int64_t timeout_ms, probe_done_fn *done, void *arg);
/* arguments: JSON text of an object, or NULL. After a handshake only. */
void probe_call(struct probe *p, const char *tool, const char *arguments, int64_t timeout_ms,
                probe_done_fn *done, void *arg);
/* Does it speak the stateless era too (OK), or not (REFUSED)? Asked by `server/discover` within the
 * session of the handshake: servers that know nothing of that era would make a new session, and
 * never forget it, for a request without one. Streamable HTTP only, after a handshake. */
void probe_discover(struct probe *p, int64_t timeout_ms, probe_done_fn *done, void *arg);
/* Did it refuse `initialize` and answer `server/discover` instead? */
bool probe_is_modern_only(const struct probe *p);
/* Did it want an Authorization, which poold itself has not? It serves; the handshake is OK then. */
bool probe_is_guarded(const struct probe *p);
/* Has the handshake been answered, and is its session still there? */
bool probe_is_open(const struct probe *p);
