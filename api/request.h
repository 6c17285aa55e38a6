/* api/request.h - one HTTP request: its checked parameters, its answer, its waiting.
 *
 * A handler runs once, when the whole request is there. It answers at once (request_answer,
 * request_refuse), or waits (request_wait) and answers from its step, or streams (request_stream).
 * Until it answers, the connection is suspended: MHD forgets it, and a watcher of ours notices a
 * client that hangs up. The answer is taken by MHD on a later turn; then the request is freed.
 * Owned by: the connection (made at its head, freed when MHD has completed it).
 * Threads: loop only. */
#pragma once
#include "api/api.h"
#include "base/buf.h"

#include <ev.h>
#include <jansson.h>

struct MHD_Connection;
struct request;
struct route;

/* Look again: something the request waits for may have come, or the deadline has passed (is_late:
 * it must answer now). Returns without having answered to go on waiting. */
typedef void request_step_fn(struct request *r, bool is_late);
/* Bytes for a stream: > 0 = so many were put into to; 0 = none yet (request_wake when there are);
 * -1 = the end. */
typedef ssize_t request_pull_fn(struct request *r, char *to, size_t room);

struct request {
    struct list link; /* in api->requests */
    struct api *api;
    struct MHD_Connection *connection;
    const struct route *route; /* NULL until found */
    char method[8];
    char *path;
    struct buf body;
    json_t *params;  /* object: variables of the path, query and body, checked by the route */
    bool is_started; /* the handler has run */
    bool is_too_big;
    bool is_suspended;
    bool is_gone; /* the client hung up, or the server ends */
    int peer_pid; /* who asks; 0 unknown */
    unsigned peer_uid;
    bool is_shutdown, does_keep_daemons; /* what host.shutdown is told when the answer is out */

    /* answer */
    bool is_answered, is_queued;
    int status;
    const char *content_type, *allow; /* static; allow only with 405 */
    char *text;                       /* the answer's body */
    request_pull_fn *pull;            /* a stream instead of text */
    struct buf out;                   /* NDJSON lines on their way */
    bool is_ended;                    /* no line follows */

    /* waiting */
    request_step_fn *step;
    bool is_ticking; /* step is for the timer, not for news of the pool */
    ev_timer timer;
    int64_t started_ms; /* the handler was to run */
    ev_io hangup;
    void *state; /* the handler's own */
    void (*state_free)(void *state);
};

/* --- parameters (the route's table has checked names and types) --- */
const char *request_text(const struct request *r, const char *name); /* borrowed; NULL if absent */
bool request_bool(const struct request *r, const char *name, bool otherwise);
int64_t request_int(const struct request *r, const char *name, int64_t otherwise);
/* Value of a header of the request. Borrowed; NULL if absent. */
const char *request_header(const struct request *r, const char *name);

/* --- answers --- */
/* 200 (or status) with value as JSON; takes value. In an NDJSON stream: its last line
 * {"daemon":value}. */
void request_answer(struct request *r, int status, json_t *value);
/* problem+json with the row's status; takes more (members beside the standard ones, or NULL). In
 * an NDJSON stream: its last line {"problem":...}. */
void request_refuse(struct request *r, const struct err *err, json_t *more);
/* The same with another status than the row's. */
void request_refuse_as(struct request *r, int status, const struct err *err, json_t *more);
/* 200 with text of this type (static); takes text. */
void request_answer_text(struct request *r, const char *content_type, char *text);
/* Text that pull gives, until it ends. */
void request_stream(struct request *r, const char *content_type, request_pull_fn *pull);
/* A stream of JSON lines from now on; add lines, then answer or refuse. */
void request_ndjson(struct request *r);
/* Is it one? */
bool request_is_ndjson(const struct request *r);
/* Takes line. */
void request_line(struct request *r, json_t *line);
/* pull has something to give again. */
void request_wake(struct request *r);

/* --- waiting --- */
/* Call step on each news of the pool, and with is_late after wait_ms (< 0: no deadline). */
void request_wait(struct request *r, int64_t wait_ms, request_step_fn *step);
/* Call step every ms milliseconds, and not on news of the pool. */
void request_tick(struct request *r, int64_t ms, request_step_fn *step);
/* End that. */
void request_unwait(struct request *r);
/* Keep state with the request; freed with it. */
void request_keep(struct request *r, void *state, void (*state_free)(void *state));

/* --- for server.c --- */
struct request *request_new(struct api *api, struct MHD_Connection *connection, const char *method,
                            const char *path);
void request_free(struct request *r);
/* Suspend until there is an answer or bytes; watches for a hang-up. */
void request_suspend(struct request *r);
/* Undo; MHD goes on with the connection at its next turn. */
void request_resume(struct request *r);
