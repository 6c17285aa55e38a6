/* front/lines_session.h - the session of a client that speaks JSON lines: gone on with by the name
 * in its first line, or made. For client_lines.c only. */
#pragma once
#include "front/session.h"
#include "mcp/lines.h"

struct lines { /* reader_self of its connection, whose user is the session once there is one */
    struct conn *conn;
    pid_t pid;                /* of the peer */
    struct lines_hello hello; /* what the first line said */
    struct owner *owner;      /* the peer, as modern requests found it; NULL: not asked yet */
    bool has_begun, has_hello, has_modern;
    bool is_skipping; /* the rest of a line that is too long */
    size_t scanned;   /* bytes of an unfinished line that hold no line end */
    ev_timer turn;    /* looks, from the loop, whether it may go on */
};

/* The connection's session, or NULL. A project that was forgotten meanwhile is made known again. */
struct session *lines_session(const struct lines *l);
/* Go on with it, or make it. may_have_roots: its client says so, or may still say so. NULL: err. */
struct session *lines_open_session(struct lines *l, bool may_have_roots, struct err *err);
