/* front/upstream.h - one HTTP connection of ours: to a daemon's port, or to api.sock. Sends a
 * request, gives the answer's head and decoded body to its user as they come, is kept for the next
 * request when the answer is complete.
 *
 * Owned by: the front; borrowed by its user from upstream_open until on_end or upstream_close.
 * Callbacks may close it; none runs inside upstream_open or upstream_flush. */
#pragma once
#include "base/buf.h"
#include "front/state.h"
#include "mcp/http_chunked.h"
#include "mcp/http_head.h"

enum upstream_end {
    UPSTREAM_DONE,   /* the answer is complete */
    UPSTREAM_UNSENT, /* never connected, or reset with the request unread: nothing was taken */
    UPSTREAM_STALE,  /* the same on a kept connection, which the other side was just closing:
                        at once on a new one */
    UPSTREAM_BROKEN  /* lost after it was (or may have been) handed over */
};

struct upstream_user {
    /* The answer's head (1xx are skipped). Borrowed for the call. */
    void (*on_head)(void *self, const struct http_head *head);
    /* Decoded body bytes, borrowed for the call. */
    void (*on_body)(void *self, const char *bytes, size_t n);
    /* A run of bytes has been given: a good moment to flush. */
    void (*on_pause)(void *self);
    /* The end; the upstream is not the user's any more. */
    void (*on_end)(void *self, enum upstream_end how);
};

struct upstream {
    struct front *front;
    struct list node;
    ev_io io;
    struct daemon *daemon; /* NULL: api.sock */
    char daemon_id[32];    /* the life it was dialled for */
    bool is_connected, is_reused, is_sent, got_bytes, has_head, is_doomed, keep;
    bool was_refused; /* sending failed: the request is not whole there */
    bool is_head;     /* the request is a HEAD: its answer has no body, whatever its length says */
    enum { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_CLOSE } body;
    int64_t left;
    struct http_chunked chunked;
    struct buf out, in;
    const struct upstream_user *user;
    void *self;
    int64_t idle_since_ms;
};

/* A connection to the daemon's present life (kept or new), or to api.sock (daemon NULL). */
struct upstream *upstream_open(struct front *f, struct daemon *daemon,
                               const struct upstream_user *user, void *self,
                               struct err *err) MUST_CHECK;
/* Append bytes of the request; upstream_flush sends what goes. */
void upstream_add(struct upstream *up, const void *bytes, size_t n);
void upstream_add_str(struct upstream *up, const char *text);
void upstream_add_int(struct upstream *up, int64_t number);
void upstream_flush(struct upstream *up);
/* Give it up in the middle: closed, user not told. NULL is fine. */
void upstream_close(struct upstream *up);
/* Stop and go on reading (back-pressure). */
void upstream_pause(struct upstream *up);
void upstream_resume(struct upstream *up);
/* Close kept connections that are idle for long, or of an earlier life; true if some are left. */
bool upstream_check_idle(struct front *f, int64_t now_ms);
void upstream_reap(struct front *f);
