/* front/session.h - what one MCP client has with the front. It outlives connections, daemons and
 * poold: its id is our own, unguessable and self-proving (project key, server, revision, creation
 * and an HMAC with the key file in the state directory), so that an id which the registry has lost
 * is still taken back. One registry write when a session is made, re-linked or ended; none per
 * call.
 *
 * Owned by: the front's table. An ended session is freed with its last flight. */
#pragma once
#include "front/conn.h"
#include "front/departed.h"
#include "front/known.h"
#include "front/link.h"
#include "front/route.h"

/* What the client speaks. */
enum session_client {
    CLIENT_HTTP, /* Streamable HTTP with our session id */
    CLIENT_SSE,  /* HTTP+SSE */
    CLIENT_COUNT
};
const char *session_client_word(enum session_client c); /* http sse */

struct session {
    struct front *front;
    struct list node;      /* table bucket; front->unlisted before it is published and once ended */
    char *id;              /* NULL until published */
    struct daemon *daemon; /* the slot it belongs to */
    enum session_client client_kind;
    bool is_ended, is_published;
    bool is_departed;               /* its client's process has ended */
    bool is_lean;                   /* its client sees three tools in the place of all (lean.h) */
    enum route_rule rule;           /* that decided the project */
    char *initialize;               /* raw params of the client's initialize, to do it again */
    char protocol[16];              /* negotiated revision, "" before */
    char *level;                    /* log level that its client has set, raw JSON, NULL: none */
    struct strv subscriptions;      /* resource URIs, raw JSON texts */
    char *client;                   /* "name version", for people */
    pid_t pid;                      /* of the client process, 0 unknown */
    struct client_process *process; /* the watch for its end, NULL: none (departed.h) */
    uint64_t pid_start;             /* its start time: a recycled pid is another client */
    char *program, *cwd;
    int64_t created_unix_ms, last_use_unix_ms;
    struct list flights;
    struct known *known; /* what is remembered for its client, NULL until it is asked for */
    int64_t stay_at_ms;  /* answered from memory: is it still there then? 0: not asked */
    bool has_stayed;     /* that was looked at: a daemon that is stopped later stays stopped */
    int holds;           /* being walked over: not to be freed */
    struct link link;
    struct conn *stream; /* the client's GET or /sse stream, NULL if none */
    struct list stream_node;
    int64_t stream_beat_ms; /* last byte on it */
};

/* A session of this slot. owner may be NULL. Not in the table until published. */
struct session *session_new(struct front *f, struct daemon *daemon, enum route_rule rule,
                            const struct owner *owner, enum session_client client_kind);
/* Give it its id, put it into the table and the registry. */
void session_publish(struct session *s);
/* Write its row again (its link has changed). */
void session_save(struct session *s);
/* The session of this id: known, or taken back from registry or proof. NULL: never issued, or
 * ended. */
struct session *session_find(struct front *f, struct span id);
/* The client has ended it: no request with its id is served any more. */
void session_end(struct session *s);
/* Drop a session that was never published, or free an ended one without flights. */
void session_release(struct session *s);
/* What of it is shown in lists and news, without its calls. Borrowed from s. */
struct front_session session_view(const struct session *s);
/* Every session in turn, ended and unpublished ones too; the callback may end it. */
void session_each(struct front *f, void (*each)(void *arg, struct session *s), void *arg);
/* Does its client show that it lives: by an open stream, or by its process? */
bool session_client_is_there(const struct session *s);
/* Does a client that is there have a resource subscription in one of this slot's sessions? */
bool session_subscribed(struct front *f, const struct daemon *d);
void session_destroy_all(struct front *f);

/* Its client's process has ended: it is put aside, now or after its last flight. */
void session_departed(struct session *s);
/* Let go of sessions whose client process is gone or that were silent for long: their links are
 * closed and their memory is given back; their rows stay, so that their ids are still taken back.
 * Rows that nobody has used for a month go. */
void session_tidy(struct front *f);

/* --- its long stream to the client --- */
/* The client's stream is open: c carries it until session_stream_close or its end. */
void session_stream_open(struct session *s, struct conn *c);
/* Append whole SSE events, raw. */
void session_stream_events(struct session *s, const char *bytes, size_t n);
/* Append one message as an event. */
void session_stream_message(struct session *s, struct span json);
void session_stream_close(struct session *s);
/* A comment on streams that were silent for long. True if there is any stream. */
bool session_streams_beat(struct front *f, int64_t now_ms);
