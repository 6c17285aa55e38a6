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

#define SESSION_AWAIT_MS 10000 /* HTTP+SSE clients open a lost stream anew within about 3 s */

/* What the client speaks. */
enum session_client {
    CLIENT_HTTP,  /* Streamable HTTP with our session id */
    CLIENT_SSE,   /* HTTP+SSE */
    CLIENT_LINES, /* JSON lines over mcp.sock */
    CLIENT_COUNT
};
const char *session_client_word(enum session_client c); /* http sse lines */

enum roots_state {
    ROOTS_NONE,   /* its client has none, or they do not matter */
    ROOTS_WANTED, /* to be asked for */
    ROOTS_ASKED,
    ROOTS_SAID /* answered, or waited for long enough */
};
struct roots { /* the client's, as far as they may decide the project (roots.h) */
    enum roots_state state;
    unsigned number; /* in the id of the last request for them */
    int64_t deadline_ms;
    char *why;       /* there is no project without them, for the client; NULL: there is */
    char said[640];  /* what came of the question, as another sentence of that */
    bool is_neutral; /* initialize was answered without knowing the server */
    bool has_called, has_failed; /* a call was handed over; a request failed without project */
};

struct session {
    struct front *front;
    struct list node; /* table bucket; front->unlisted before it is published and once ended */
    char *id;         /* NULL until published (HTTP+SSE: until its stream is open) */
    char *earlier_id; /* of the stream before this one (HTTP+SSE, reopen.h), or NULL */
    struct list alias_node; /* of front->aliases while there is an earlier id */
    struct daemon *daemon;  /* the slot it belongs to; front->nowhere: not known yet */
    char server[80];        /* that the URL named, while that is so */
    struct roots roots;
    enum session_client client_kind;
    bool is_ended, is_published;
    bool is_departed;               /* its client's process has ended */
    bool is_shared;                 /* its server is a stdio one that all sessions share */
    bool needs_own;                 /* "share": "session": a daemon of its own, once it needs one */
    bool has_own;                   /* daemon is that, and goes with it */
    bool ends_with_stream;          /* nobody could come back to it */
    bool asks_again;                /* its client asks again for what is lost with poold */
    struct modern_client *modern;   /* of a modern client: never published (modern.h); or NULL */
    int listens;                    /* its flights that listen (listen.h) */
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
    struct list asked; /* what a daemon has asked its client and waits for (asked.h) */
    bool has_waiting; /* some of its answers wait until others are whole (client_stream.c) */
    int calls;        /* requests of its client under way, among the flights */
    char authorization[KNOWN_WHO_SIZE]; /* hash of what it came with, "": none (known.h) */
    char *credential; /* that itself, for requests of ours; in memory only, NULL: none, not known */
    unsigned listed;                    /* bits of enum known_kind: lists that were asked for */
    unsigned changed; /* the same: lists whose change its client was not told, without a stream */
    struct known *known; /* what is remembered for its client, NULL until it is asked for */
    int64_t stay_at_ms;  /* answered from memory: is it still there then? 0: not asked */
    bool has_stayed;     /* that was looked at: a daemon that is stopped later stays stopped */
    int holds;           /* being walked over: not to be freed */
    struct link link;
    struct conn *stream; /* the client's GET or /sse stream, NULL if none */
    struct list stream_node;
    int64_t stream_beat_ms; /* last byte on it */
    struct replay *replay;  /* Streamable HTTP: what was sent on it, NULL: nothing */
    /* HTTP+SSE: */
    int64_t settle_at_ms; /* whose stream this is shows until then (reopen.h); 0: it is settled */
    int64_t awaited_until_ms; /* its client may open its lost stream anew until then; 0: not */
    struct buf late;          /* events for the stream that is awaited */
};

/* A session of this slot. owner may be NULL. Not in the table until published. */
struct session *session_new(struct front *f, struct daemon *daemon, enum route_rule rule,
                            const struct owner *owner, enum session_client client_kind);
/* The same for a request that was routed: its slot is made where need be. Without a project it
 * waits for one (roots.h). Err says what is wrong. */
struct session *session_make(struct front *f, const struct route *route, const struct owner *owner,
                             enum session_client client_kind, struct err *err) MUST_CHECK;
/* The process of its client is this one (found). */
void session_set_owner(struct session *s, const struct owner *owner);
/* Give it its id and put it into the table: requests may name it, but it is nobody's yet. */
void session_enlist(struct session *s);
/* The same, and into the registry and the lists: it is a client's. */
void session_publish(struct session *s);
/* s goes on with the stream and under the id of fresh, which was enlisted only and is freed; its
 * own id still leads to it. */
void session_take_over(struct session *s, struct session *fresh);
/* Its calls need a daemon and are of a server with "share": "session": it gets one of its own. */
bool session_take_own(struct session *s, struct err *err) MUST_CHECK;
/* Does it belong to a project, or does it still wait for one (roots.h)? */
bool session_has_project(const struct session *s);
/* It belongs to another slot from now on, by this rule. Nothing of it may be under way but queued
 * calls (flight_may_move). */
void session_move(struct session *s, struct daemon *d, enum route_rule rule);
/* Keep it without an id: nobody but the front knows of it. */
void session_keep(struct session *s);
/* Does its client want to hear what its daemon sends unasked? */
bool session_wants_push(const struct session *s);
/* Write its row again (its link has changed). */
void session_save(struct session *s);
/* The session of this id: known, or taken back from registry or proof. NULL: never issued, or
 * ended. */
struct session *session_find(struct front *f, struct span id);
/* A daemon of an earlier poold's was found: sessions for which it keeps something are taken back, so
 * that what it keeps ends when their clients do, or now if they have. */
void session_adopt(struct front *f, struct daemon *d);
/* The session of this id if it is in memory, else NULL. */
struct session *session_in_table(struct front *f, struct span id);
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

/* Put those aside whose stream nobody has opened anew. True: there are some to look at again. */
bool session_check_left(struct front *f);

/* --- its long stream to the client --- */
/* The client's stream is open: c carries it until session_stream_close or its end. */
void session_stream_open(struct session *s, struct conn *c);
/* s has another stream now, which another session opened (HTTP+SSE). */
void session_stream_adopt(struct session *s, struct conn *c);
/* The stream is lost; its client may open it anew (HTTP+SSE). */
void session_stream_await(struct session *s);
/* Is there a stream, or may one come soon, so that an answer would reach the client (HTTP+SSE)? */
bool session_stream_is_awaited(const struct session *s);
/* Its client comes back for its long stream of Streamable HTTP, which is open again, with the id of
 * the last event it saw there (or any other): what was sent in vain is sent again. */
void session_stream_replay(struct session *s, struct span last_event_id);
/* Append whole SSE events, raw. Without a stream, but with one that is awaited, they are kept for
 * it, up to CAP_BODY. */
void session_stream_events(struct session *s, const char *bytes, size_t n);
/* Append one message as an event. */
void session_stream_message(struct session *s, struct span json);
void session_stream_close(struct session *s);
/* A comment on streams that were silent for long. True if there is any stream. */
bool session_streams_beat(struct front *f, int64_t now_ms);
