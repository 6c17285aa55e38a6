/* front/modern_lines.h - clients of the stateless revision (2026-07-28) that speak JSON lines: the
 * adapter beside modern_http.h. A request is cancelled by notifications/cancelled, or by the end of
 * the connection (basic, transports, stdio). */
#pragma once
#include "front/conn.h"
#include "front/session.h"
#include "mcp/jsonrpc.h"
#include "mcp/lines.h"

struct lines_who {                   /* who asks; borrowed for the call */
    const struct lines_hello *hello; /* what the first line said */
    const struct session *named;     /* the session that it was answered with, or NULL */
    const struct owner *owner;       /* the process at the other end */
};

/* The session that the front keeps for this client. NULL: err. */
struct session *modern_lines_session(struct front *f, const struct lines_who *who,
                                     const struct rpc_peek *peek, struct err *err);
/* Serve a request of the revision (or answer what is wrong with it). */
void modern_lines_request(struct conn *c, const struct lines_who *who, struct span line,
                          const struct rpc_peek *peek);
/* The request of this id (raw) is cancelled. False: c has none under way. */
bool modern_lines_cancel(struct conn *c, struct span id);
/* How many requests of c are under way, without its subscriptions/listen. */
int modern_lines_calls(const struct conn *c);
/* There is room to write again. */
void modern_lines_resume(struct conn *c);
/* The connection is gone. */
void modern_lines_gone(struct conn *c);
