/* front/modern.h - clients of the stateless revision (2026-07-28). They have no session, so the
 * front keeps one for each client process by itself: per (slot, rule of the route, Authorization,
 * process). It is never published and declares no callbacks; the process's end puts it aside.
 *
 * A request goes to a daemon of the same era as it is, and is translated for one that knows only
 * sessions: then its answer is, too. Nothing here knows HTTP: an adapter gives the request and its
 * struct flight_client (front/modern_http.c is one). */
#pragma once
#include "front/flight.h"
#include "front/route.h"

struct modern_client {   /* session->modern */
    char *authorization; /* value of its header, NULL: none */
    char *capabilities;  /* that it declared last, raw object */
    bool is_lean_url;
    unsigned pin; /* the newest one of a process says where it works; 0: taken back, it did not */
    char *row;    /* id of its row, while a daemon keeps a session for it; NULL: none */
};

struct modern_who { /* who asks for what; borrowed for the call */
    struct daemon *daemon;
    enum route_rule rule;
    const struct owner *owner; /* NULL: not known */
    enum session_client client_kind;
    bool is_lean_url;
    struct span authorization; /* p NULL: none */
};

/* The session of this client, made if it is new. peek: of a request that passed modern_check.
 * At server/discover what the client says of itself is taken anew. NULL: there are too many. */
struct session *modern_session(struct front *f, const struct modern_who *who,
                               const struct rpc_peek *peek, struct err *err) MUST_CHECK;
/* Where a client process was found to work when it last asked server/discover, or first asked
 * anything. NULL: it has not. */
struct project *modern_pinned(struct front *f, const struct owner *owner);
/* The session is freed. */
void modern_close(struct session *s);
/* The id of its row in the registry, which only we know: there is one once a daemon keeps a session
 * for it, so that a later poold goes on with that or ends it. NULL: none. Borrowed. */
const char *modern_row(struct session *s);
/* Nothing is kept for it any more. */
void modern_row_drop(struct session *s);
/* Is this the row of such a session? */
bool modern_is_row(const struct session_row *row);
/* s is that of this row (before its link is gone on with). */
void modern_take_back(struct session *s, const struct session_row *row);

/* A request that passed modern_check (and is none that the revision has removed). Begin it with
 * modern_go once the adapter is ready for its answer. */
struct flight *modern_flight(struct session *s, const struct flight_client *client,
                             struct conn *conn, struct span body, const struct rpc_peek *peek,
                             char *headers_take);
void modern_go(struct flight *f);

/* --- for the flight --- */
/* Bring it into the era of the open link. False: it was answered, or waits for the link. */
bool modern_hand_over(struct flight *f);
/* A server/discover that would have to wait for a start: a client that also knows sessions goes on
 * with those (basic, versioning). True: answered so. */
bool modern_gives_up(struct flight *f, int64_t now_ms);
/* Its client has closed the response: that cancels it (transports, cancellation). */
void modern_gone(struct flight *f);
void modern_free(struct flight *f);
/* The id that its client gave it (raw). */
struct span modern_id(const struct flight *f);
/* Something that a legacy daemon sent unasked over the link of s. */
void modern_message(struct session *s, struct span json);
