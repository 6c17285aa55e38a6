/* pool/question.h - private to probe.c, probe_http.c and talk.c: what poold asks a daemon, whatever
 * carries it. probe.c keeps the questions, writes them and judges the answers; a carrier brings
 * them there (probe_http.c: over HTTP and HTTP+SSE; talk.c: over a stdio daemon's pipes).
 *
 * Ownership: a probe owns its questions; its carrier embeds the probe and frees the whole. */
#pragma once
#include "base/list.h"
#include "mcp/jsonrpc.h"
#include "pool/probe.h"

#include <ev.h>

#define QUESTION_LEGACY "2025-11-25"
#define QUESTION_MODERN "2026-07-28"

enum ask { ASK_HANDSHAKE, ASK_PING, ASK_CALL, ASK_DISCOVER };

/* One request whose answer somebody waits for. */
struct question {
    struct list node;
    struct probe *probe;
    enum ask ask;
    char id[64];   /* raw JSON */
    char *method;  /* for the stateless era's header */
    char *tool;    /* ASK_CALL */
    char *message; /* not yet sent; NULL afterwards */
    void *carried; /* the carrier's, while it is under way */
    struct ev_timer timer;
    struct ev_timer report; /* the outcome is told from the loop */
    bool is_done;
    enum probe_outcome outcome;
    char text[300];
    probe_done_fn *done;
    void *arg;
};

/* What a carrier does. */
struct carrier {
    /* A handshake begins anew: q is the question for it, without a message yet; whoever does not
     * want that to be `initialize` sets it, or ends q. False: there is no way to the daemon. */
    bool (*begin)(struct question *q, struct err *err);
    /* May it go now? (flush asks again) */
    bool (*may_send)(const struct probe *p, const struct question *q);
    /* Send q->message; ends q if that fails. */
    void (*send)(struct question *q);
    /* The handshake was answered: say `initialized`. */
    void (*opened)(struct probe *p);
    /* It answered with an error: true if it was asked in another way. May be NULL. */
    bool (*retry)(struct question *q, const char *text);
    /* No answer in time: the outcome to tell, and what else follows of it. */
    enum probe_outcome (*timed_out)(struct question *q);
    /* q has ended: what carries it goes. */
    void (*drop)(struct question *q);
    void (*destroy)(struct probe *p);
};

struct probe {
    struct ev_loop *loop;
    const struct carrier *carrier;
    struct list questions;
    char id_before[40];       /* an id is a number, or this and the number as a JSON string */
    const char *capabilities; /* raw JSON, for initialize */
    bool is_open, is_modern, is_guarded;
    int last_id;
};

/* What every carrier's new one does first. */
void probe_init(struct probe *p, struct ev_loop *loop, const struct carrier *carrier);
/* Frees the questions: the first thing of destroy. */
void probe_finish(struct probe *p);
/* Ends it; its outcome is told from the loop. Nothing for one that has ended. */
void question_end(struct question *q, enum probe_outcome outcome, const char *text);
/* Take the answer to a question: judges it, opens the probe. data is the whole message. */
void question_answer(struct question *q, struct span data, bool is_error);
/* The question with this raw id that waits, or NULL. */
struct question *probe_question(struct probe *p, struct span id);
/* Send what may be sent now. */
void probe_flush(struct probe *p);
/* The message that asks a stateless server for its capabilities, which is its ping too. New. */
char *question_discover(const struct question *q);
