/* pool/talk.h - what the pool itself says to a stdio daemon over its pipes: a probe (probe.h) whose
 * questions are lines.
 *
 * A shared one has one MCP connection for its whole life, used by all: the pool makes its handshake
 * (`initialize` with roots only, then `initialized`; never `server/discover`, which pins some
 * servers to the stateless era), answers its `roots/list` with the project and its `ping`. A later
 * poold goes on with the same connection: `initialize` has an id that is always the same, so that
 * an answer that comes late is known to be that.
 *
 * A private one is initialized by the client it belongs to. Its "handshake" here is a `ping`, which
 * MCP allows before `initialize` (lifecycle, "Initialization"): an answer of any kind, or a second
 * of silence in which it does not end, makes it ready. */
#pragma once
#include "mcp/jsonrpc.h"
#include "pool/probe.h"

/* The ids of the pool's own questions, inside the quotes; no answer to one reaches the front. */
#define TALK_IDS "poold.pool."

struct talk_how { /* strings are copied */
    bool is_private;
    const char *root; /* of the project, for roots/list */
    int64_t epoch;    /* of this poold: its ids are never an earlier one's */
    bool is_open;     /* an earlier poold has had the handshake's answer */
    int64_t given;    /* lines that earlier poolds have given it */
    bool (*send)(void *arg, const char *json, size_t n, struct err *err);
    /* Bytes it has not read. */
    size_t (*unread)(void *arg);
    /* The answer to initialize (the whole message): to be kept for a later poold before this
     * returns. Not for a private one. */
    void (*on_handshake)(void *arg, const char *json, size_t n);
    void *arg;
};

/* New; probe_free. */
struct probe *talk_new(struct ev_loop *loop, const struct talk_how *how);
/* A message of the daemon's: true if it was the pool's to take. */
bool talk_take(struct probe *p, const struct rpc_peek *peek, const char *json, size_t n);
