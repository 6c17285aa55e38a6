/* front/flight.h - one request under way: whose it is, where it is, and how its answer is given.
 * Client adapters (client_http, client_stream) and daemon adapters (link_http, link_sse) meet only
 * here, so that any client transport reaches any daemon transport.
 *
 *   client adapter --flight_new--> flight --link_send--> daemon adapter
 *   daemon adapter --flight_json_*, flight_events, flight_message, flight_end--> client adapter
 *
 * Owned by: its session. It ends exactly once: answered, failed, or dropped. A flight whose client
 * has left goes on until the daemon has answered, because the daemon works on it. */
#pragma once
#include "front/session.h"
#include "front/upstream.h"
#include "mcp/jsonrpc.h"
#include "mcp/sse.h"

enum flight_phase { FLIGHT_QUEUED, FLIGHT_SENT, FLIGHT_STREAMING, FLIGHT_ANSWERED };
enum flight_form { FORM_NONE, FORM_JSON, FORM_SSE };
enum flight_resume {
    RESUME_NO,
    RESUME_BY_ID, /* events carry ids */
    RESUME_PRIMED /* and the stream opens with one */
};
enum flight_kind {
    FLIGHT_CALL,       /* a request of the client */
    FLIGHT_INITIALIZE, /* answered from the link's handshake */
    FLIGHT_ONEWAY,     /* a notification or a response: nothing comes back */
    FLIGHT_OWN,        /* a request of the front's own (own.h): it starts and opens nothing */
    FLIGHT_LISTEN      /* a stream of what changes (listen.h): never handed over, always queued */
};

struct flight;
struct replay;
struct sse_filter;
struct trail;
struct flight_client {                                    /* how the answer goes to the client */
    void (*json_begin)(struct flight *f, int64_t length); /* -1: not known */
    void (*json_data)(struct flight *f, const char *bytes, size_t n);
    void (*json_end)(struct flight *f);
    /* One whole event of the daemon's, raw, with data and without id and retry. */
    void (*events)(struct flight *f, const char *bytes, size_t n);
    void (*message)(struct flight *f, struct span json, bool is_answer);
    void (*end)(struct flight *f); /* after the answer: close what was opened */
    void (*flush)(struct flight *f);
    bool (*is_full)(struct flight *f);
    void (*beat)(struct flight *f); /* nothing was said for long: show that we live */
    /* The same of an event that is longer than CAP_EVENT, as it comes; nothing else until the last
     * part. NULL: such events are held until they are whole. */
    void (*part)(struct flight *f, const char *bytes, size_t n, bool is_last);
};

struct flight {
    struct session *session;
    struct list node, session_node;
    enum flight_kind kind;
    enum flight_phase phase;
    enum flight_form form;
    const struct flight_client *client;
    struct modern_call *modern; /* of a modern client's (modern.h), or NULL */
    struct upgraded *upgraded;   /* on its way to a stateless daemon (upgrade.h), or NULL */
    struct lean *lean; /* of a call that is answered from the list of tools (lean.h), or NULL */
    void *client_self; /* of that client adapter, if it keeps anything per flight */
    struct conn *conn; /* HTTP client's connection, NULL when gone or not HTTP */
    char *body;        /* the request, own copy */
    size_t body_n;
    char *headers;                 /* of the client's to be passed on (lines with CRLF), or NULL */
    struct span id, token, method; /* into body */
    enum known_kind list;          /* that it asks for, KNOWN_KIND_COUNT: none */
    bool is_looked_at;             /* by lean.h, once */
    bool is_first_list;    /* its session has not asked for this list before */
    bool is_using;                 /* counted by daemon_use_begin */
    bool has_answer;               /* its answer has been given to the client */
    bool is_failed;                /* that answer was an error of ours */
    bool is_cancelled;             /* its client has taken it back: it ends when looked at next */
    int http_status;               /* of a JSON answer over HTTP; 0: 200 */
    struct upstream *up;           /* its exchange with the daemon */
    struct list call_node; /* over a shared stdio daemon: of front->calls or front->cancelled */
    uint64_t serial;       /* of its alias there */
    int tries, told;       /* hand-overs; progress messages of ours */
    unsigned link_serial;  /* of the link it was handed over to last */
    bool had_session;      /* ... and whether that was one of a session of the daemon's */
    bool is_resent;        /* it was handed over again, to a new session: not twice */
    int64_t late_until_ms; /* an earlier poold handed it over: its answer is waited for (late.h) */
    int64_t born_ms, beat_ms, born_us;
    /* reading the daemon's answer */
    int status;
    bool is_sse_answer;
    bool is_chunking; /* a JSON answer of unknown length goes out in chunks of ours */
    struct sse_splitter split;
    struct buf held;          /* unfinished event, or an answer that must be whole */
    struct trail *trail;      /* of an event stream whose events the daemon numbers, or NULL */
    struct sse_filter *parts; /* of an event that goes on in parts, or NULL */
    bool is_part_answer;
    /* writing to an HTTP client */
    enum flight_resume resume;
    struct replay *replay; /* its stream, once begun, if it may be resumed */
    int64_t away_ms;       /* since when its client has not been there for it, 0: it is */
    bool is_in_event;      /* the last event was not written to its end */
    char last_byte;        /* of what was written of it */
    bool is_framed_by_end; /* a resumed stream: its connection's end is its end */
};

/* New flight of s with a copy of body; peek's spans are moved into the copy. conn NULL: none. */
struct flight *flight_new(struct session *s, enum flight_kind kind,
                          const struct flight_client *client, struct conn *conn, struct span body,
                          const struct rpc_peek *peek, char *headers_take);
/* The id that its client gave it (raw): it may have another one on its way to the daemon. */
struct span flight_client_id(const struct flight *f);
/* It asks for something else, under the same id (a copy is made). */
void flight_replace_body(struct flight *f, struct span body);
/* Move it on as far as it goes now: wait for the daemon, for the link, or hand it over. */
void flight_go(struct flight *f);
/* It was handed over by an earlier poold: wait so long for its answer. */
void flight_wait_late(struct flight *f, int64_t until_ms);
/* Give the client a JSON-RPC error with the request's own id, and end. */
void flight_fail(struct flight *f, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* For clients that need a JSON answer whole: json_begin and json_data that keep it in held. */
void flight_hold_begin(struct flight *f, int64_t length);
void flight_hold_data(struct flight *f, const char *bytes, size_t n);
/* The whole answer message is given here, and the flight ends. */
void flight_answer(struct flight *f, struct span json);
/* The same for an answer whose bytes lie in pieces. */
void flight_answer_pieces(struct flight *f, const struct span *pieces, size_t count);
/* The exchange is over: if no answer came, the client gets an error that says so. */
void flight_end(struct flight *f);
/* Bytes of the daemon's SSE answer: whole events go on, the rest is held (flight_events.c). */
void flight_sse(struct flight *f, const char *bytes, size_t n);
/* An event with a number of the daemon's was read (link_call.c). */
void flight_note_number(struct flight *f, const struct sse_event *event);
/* A message for this flight's client (progress, request, answer). True if it was the answer. */
bool flight_message(struct flight *f, struct span json, bool is_answer);
/* The client's connection is gone. */
void flight_client_gone(struct flight *f);
/* Begin the streams of calls that were not answered soon, so that they may be resumed. False if
 * there are no others. */
bool flight_prime_all(struct front *front, int64_t now_ms);
/* Look after time: keep-alive of silent answers, end of waiting. False if there is none left. */
bool flight_check_time(struct front *front, int64_t now_ms);
/* Move on what is queued, of all sessions. */
void flight_wake_all(struct front *front);
/* Their link is gone, and with it the stream on which their answers would have come. */
void flight_end_orphans(struct session *s);
/* End all of a session: poold goes. */
void flight_drop_all(struct session *s);
/* The session's stream has room again: read on for its calls. */
void flight_resume_all(struct session *s);
/* Was nothing of the session's client handed over that is not over, so that it may be moved? */
bool flight_may_move(const struct session *s);
/* It is moved to another slot: its calls are not counted at this one any more, our own end. */
void flight_leave_slot(struct session *s);
/* A slot has changed: wake, re-send or fail what waits for it. */
void flight_daemon_changed(struct session *s);
/* The headers every MCP answer carries, as lines. Borrowed until the next call. */
const char *flight_headers(struct session *s, bool with_session_id);

extern const char flight_lost_text[]; /* what is said of a call that was lost with poold */
extern const struct flight_client flight_client_none; /* nobody listens */
extern const struct flight_client client_http_sink;   /* front/client_http.c */
extern const struct flight_client client_stream_sink; /* front/client_stream.c */
