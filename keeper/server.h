/* keeper/server.h - the keeper's unix socket: connections, frames, and who of them is the poold
 * that is obeyed (the owner; see "Epoch" in keeper/wire.h). Never blocks: what a peer does not take
 * is held up to a limit, then the peer is dropped. */
#pragma once
#include "base/buf.h"
#include "keeper/wire.h"

#include <poll.h>

#define SERVER_CONNECTIONS 8
#define SERVER_POLLS (SERVER_CONNECTIONS + 1)

struct peer {
    int fd; /* -1: free */
    struct buf in, out;
    bool has_greeted, is_closing; /* closing: out is still sent, nothing is read */
    uint64_t epoch;               /* 0: observer */
};

struct server {
    int listen_fd;
    struct peer peers[SERVER_CONNECTIONS];
    struct peer *owner; /* or NULL */
    uint64_t epoch;     /* the highest seen */
    int64_t owner_gone_ms; /* when the last owner went (or we began) */
    /* What the keeper does with what comes. on_owner: greeted is the new owner, WELCOME is out. */
    void (*fill_welcome)(void *arg, struct buf *text, int64_t version);
    void (*on_frame)(void *arg, struct peer *from, const struct wire_header *header,
                     const char *payload);
    void (*on_owner)(void *arg);
    void *arg;
};

/* listen_fd is taken over. The callbacks are set by the caller afterwards. */
void server_init(struct server *server, int listen_fd, uint64_t epoch);
void server_finish(struct server *server);
/* Fill SERVER_POLLS entries; hand them to server_handle after poll. */
void server_polls(const struct server *server, struct pollfd *polls);
void server_handle(struct server *server, const struct pollfd *polls);
/* Queue a frame and try to send it. A peer that cannot hold it is dropped. */
void server_send(struct server *server, struct peer *to, enum wire_type type, uint64_t sequence,
                 const void *payload, size_t n);
/* Queue bytes that are whole frames already. */
void server_send_frame(struct server *server, struct peer *to, const char *frame, size_t n);
/* Close after what is queued has been sent. */
void server_close_later(struct server *server, struct peer *peer);
/* Close at once. */
void server_drop(struct server *server, struct peer *peer);
