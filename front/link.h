/* front/link.h - one MCP connection of ours to one daemon life, on behalf of a session. Makes the
 * handshake with the client's own initialize parameters, hands calls over, carries what the daemon
 * sends unasked. When the daemon's life ends, so does the link; the session stays and opens
 * another.
 *
 * Owned by: its session (one each). The two daemon transports are struct link_transport. */
#pragma once
#include "base/buf.h"
#include "base/list.h"
#include "front/trail.h"
#include "mcp/http_head.h"
#include "mcp/sse.h"

#include <stdint.h>

struct session;
struct flight;
struct link;
struct upstream;

enum link_state { LINK_NONE, LINK_OPENING, LINK_OPEN };

struct link_transport {
    /* Begin the handshake; news by link_opened or link_failed. */
    void (*open)(struct link *l);
    /* Hand a flight over. */
    void (*send)(struct link *l, struct flight *f);
    /* The client's wish to be pushed to has changed: open or close the stream for it. */
    void (*push)(struct link *l, bool is_wanted);
    /* End it towards the daemon (DELETE, close). */
    void (*close)(struct link *l);
};
extern const struct link_transport link_http;   /* front/link_http.c */
extern const struct link_transport link_sse;    /* front/link_sse.c */
extern const struct link_transport link_stdio;  /* front/link_stdio.c */
extern const struct link_transport link_modern; /* front/link_modern.c: open at once, no session */
extern const struct link_transport link_upgraded; /* front/link_upgraded.c: for clients with one */

struct link {
    struct session *session;
    enum link_state state;
    const struct link_transport *transport;
    char daemon_id[32];
    char protocol[16];        /* the revision that was agreed with the daemon */
    char who[16];             /* hash of the Authorization that its handshake carried */
    char *upstream_session;   /* the daemon's session id (HTTP), or NULL */
    char *post_path;          /* where messages go (HTTP+SSE) */
    char *call_head;          /* the part of a call's head that is always the same, made at need */
    char *answer_head;        /* same for the answers to the client */
    char *result;             /* the daemon's answer to initialize, whole message */
    struct upstream *opening; /* handshake request under way */
    struct upstream *push;    /* the stream of what comes unasked (HTTP: GET; SSE: the stream) */
    ev_timer linger; /* the handshake's answer has come, but its stream does not end (HTTP) */
    struct list member_node; /* stdio: of its shared daemon's members, or of front->privates */
    struct list turn_node;   /* of front->turning, while it opens */
    unsigned serial,
        restoring; /* how many links there were; what is being told again (restore.h) */
    bool is_initialized_sent, is_stale_seen;
    bool is_resumed;    /* an earlier poold's: whether to push was not said to the daemon yet */
    bool is_result_sse; /* the handshake's answer comes as SSE */
    int status;
    struct sse_splitter split;
    struct buf held;    /* unfinished event of the push stream, or a handshake answer */
    struct trail trail; /* of the push stream (HTTP) */
    bool has_pushed;    /* the daemon has (or for an earlier poold may have) opened that stream */
};

void link_init(struct link *l, struct session *s);
void link_finish(struct link *l);
/* Open it to the slot's present life, if it is not being opened already. */
void link_open(struct link *l);
/* Go on with a link of an earlier poold (HTTP and stdio). protocol: agreed on with the daemon; "":
 * that of the client. */
void link_resume(struct link *l, const char *daemon_id, const char *upstream_session,
                 const char *protocol);
/* Is it open to the slot's present life? */
bool link_is_open(const struct link *l);
/* Has the daemon taken our handshake, so that a later poold may go on with it? */
bool link_is_known_upstream(const struct link *l);
/* The daemon or its session is gone: forget the link without a word to the daemon. */
void link_reset(struct link *l);
/* The session is over: tell the daemon. */
void link_close(struct link *l);
void link_send(struct link *l, struct flight *f);
/* The client's stream came or went. */
void link_push_changed(struct link *l);
/* The client's stream has room again. */
void link_drained(struct link *l);

/* --- for the transports --- */
/* The daemon's answer to initialize has come (whole message). False: it is no good, the link
 * failed. */
bool link_take_result(struct link *l, struct span message);
/* The client's initialize f is answered with this one of the daemon (whole message). */
void link_answer_initialize(struct session *s, struct flight *f, struct span message);
/* What the front says of the project in its own words, for the instructions. New string. */
char *link_note(const struct session *s);
/* The client's own initialize is answered from it, while `initialized` is on its way. The last
 * thing to do with l: a session that nobody waits for ends here. */
void link_greet(struct link *l);
void link_opened(struct link *l);
/* may_retry: the daemon seems to be gone rather than unwilling. */
void link_failed(struct link *l, bool may_retry, const char *why);
/* A message that the daemon sent on its push stream. */
void link_message(struct link *l, struct span json);
/* The daemon seems to be gone: the pool looks, and what is queued is looked at again in a moment.
 */
void link_suspect(struct link *l);
/* The line of a head with the Authorization of the session's client, "" if there is none. Borrowed
 * until the next call. For requests of our own: the client's carry it themselves. */
const char *link_credential(const struct link *l);
/* The initialize request with the client's params, for the wire. */
bool link_initialize_body(struct link *l, struct buf *out) MUST_CHECK;
/* link_http.c: the timer of l->linger, data l. */
void link_http_lingered(struct ev_loop *loop, ev_timer *w, int events);
/* link_push.c: the timer of l->trail, data l. */
void link_push_again(struct ev_loop *loop, ev_timer *w, int events);
/* The response among the events of an SSE answer, appended to out. (link_http.c) */
bool link_find_response(const char *bytes, size_t n, struct buf *out) MUST_CHECK;
/* Where the daemon listens for MCP, and the Host it wants. */
const char *link_path(const struct link *l);
