/* front/conn.h - one client connection: collects requests, hands each to the dispatcher, writes
 * answers with back-pressure. It does not know what MCP is.
 *
 * Owned by: the front. Life: create -> (request -> answer)* -> close; freed before the loop blocks.
 * A request's bytes are borrowed for the dispatcher's call only. */
#pragma once
#include "base/buf.h"
#include "front/state.h"
#include "mcp/http_chunked.h"
#include "mcp/http_head.h"
#include "platform/peer.h"

struct owner; /* front/route.h */
struct conn;

enum conn_state {
    CONN_READING, /* waiting for (the rest of) a request */
    CONN_ROUTING, /* a whole request waits in `in` for the owner of the socket */
    CONN_BUSY,    /* a request is being answered */
    CONN_CLOSING  /* closes once all is written */
};

struct conn_user {               /* who is told while a request is being answered */
    void (*on_gone)(void *self); /* the client has closed; the connection is not to be used again */
    void (*on_drained)(void *self); /* what was written has gone out (after conn_is_full) */
};

/* How bytes become requests where they are not HTTP. Such a connection goes on reading while it is
 * being answered. */
struct conn_reader {
    /* One request off the front of the bytes (borrowed for the call): how many were used; 0: more
     * must come, or it is paused. After the client's end there come no more. */
    size_t (*take)(struct conn *c, const char *bytes, size_t n);
    /* The client sends no more, but may still listen. */
    void (*on_end)(struct conn *c);
    /* An answer has ended, or bytes have gone out: it may go on if it was paused. */
    void (*on_room)(struct conn *c);
    /* The connection is closed, by whomever: nothing may be written any more. */
    void (*on_close)(struct conn *c);
    /* The connection is freed: so is reader_self. */
    void (*free)(struct conn *c);
};

struct conn {
    struct front *front;
    struct list node, search_node;
    ev_io io;
    enum conn_state state;
    bool is_http10, is_head, was_full, will_close, is_doomed, continue_sent;
    bool is_paused, has_ended;        /* with a reader: it waits; the client sends no more */
    const struct conn_reader *reader; /* NULL: HTTP */
    void *reader_self;
    struct buf in, out;
    struct peer_id peer;
    struct peer_search *search;
    struct owner *owner; /* process at the other end, if it was looked for */
    const struct conn_user *user;
    void *user_self;
    int64_t deadline_ms; /* of the request being received; 0 none */
};

struct request { /* a whole request, borrowed for the call */
    struct http_head head;
    struct span body;
};

void conn_create(struct front *f, int fd);
/* One that is read by reader; it has no peer_id and no time limit. */
struct conn *conn_create_with(struct front *f, int fd, const struct conn_reader *reader,
                              void *reader_self);
/* Stop and go on reading; conn_resume reads what is here already, so call it from the loop. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);
/* Stop using it: told user nothing, freed soon. */
void conn_close(struct conn *c);
/* Close it as if the client had: the user hears it once. */
void conn_gone(struct conn *c);
/* The request being dispatched is answered later by user. */
void conn_take(struct conn *c, const struct conn_user *user, void *self);
/* Append to the answer; conn_flush sends it. */
void conn_add(struct conn *c, const void *bytes, size_t n);
void conn_add_int(struct conn *c, int64_t number);
void conn_printf(struct conn *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
void conn_flush(struct conn *c);
/* So much is unsent that its source should pause (user->on_drained follows). */
bool conn_is_full(const struct conn *c);
/* The answer is complete: flush, then the next request or the end. */
void conn_finish(struct conn *c);
/* The first line of an answer that is written in pieces. */
void conn_status_line(struct conn *c, int status);
/* Begin an answer of server-sent events with these header lines; each run of bytes then goes by
 * conn_chunk, and conn_end_chunks ends it. Where the connection's end frames it (is_chunked false,
 * HTTP/1.0), bytes go by conn_add. */
void conn_begin_events(struct conn *c, const char *headers, bool is_chunked);
/* A run of bytes of a chunked body (as it is to clients of HTTP/1.0, which know no chunks). */
void conn_chunk(struct conn *c, const void *bytes, size_t n);
void conn_end_chunks(struct conn *c);
/* A whole answer: status line, headers (each with CRLF, may be ""), JSON body; finishes. */
void conn_answer(struct conn *c, int status, const char *headers, const char *type,
                 struct span body);
/* An answer in form of a JSON-RPC error, with the HTTP status given. id: raw JSON or empty. */
void conn_answer_error(struct conn *c, int status, struct span id, int code, const char *text);
/* An answer to a request that is not MCP: problem+json (RFC 9457) as the management API gives it.
 */
void conn_answer_problem(struct conn *c, int status, enum err_code code, const char *text);
/* Look for the process behind the socket; the request in `in` is dispatched again afterwards. */
void conn_find_owner(struct conn *c);
/* Step searches (from ev_idle); time out half-sent requests (each second). */
void conn_search_step(struct front *f);
/* True if some connection still waits for the rest of its request. */
bool conn_check_deadlines(struct front *f, int64_t now_ms);
void conn_reap(struct front *f);

/* front/dispatch.c: answer the request now, or conn_take it. May call conn_find_owner instead. */
void dispatch(struct conn *c, const struct request *request);
/* May it ask at all? If not, it is answered and the connection closes. */
bool dispatch_refuses(struct conn *c, const struct http_head *head);
