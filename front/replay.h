/* front/replay.h - what was sent on a response stream, kept so that a client that lost its
 * connection can resume it (GET with Last-Event-ID): the newest CAP_REPLAY bytes of a stream,
 * CAP_REPLAYS of all, and of a stream that has ended for a minute. Streams that were sent to their
 * end while the client was there are hardly ever asked for: of those CAP_REPLAYS_SENT, or the last.
 *
 * Owned by: the front. A flight borrows its own until replay_end. */
#pragma once
#include "front/event_id.h"
#include "front/flight.h"

struct replay {
    struct list node; /* of one of the front's three lists, oldest first */
    size_t *total;    /* that it counts in */
    struct front *front;
    struct flight *flight; /* NULL: the stream has ended, or is a session's long one */
    uint64_t stream;
    uint64_t next_event; /* numbers start at 1; 0 is the priming event */
    uint64_t last_kept;  /* newest event that was kept whole */
    size_t open_at;      /* in kept: the event that is being written */
    bool is_open, is_skipped;
    bool is_taken_back; /* its client has closed it, which ends the call: there is no answer */
    struct buf kept;
    size_t charged;
    int64_t ended_ms;
    size_t name_n;
    char name[EVENT_NAME_MAX];
};

#define REPLAY_LINE_MAX (EVENT_ID_MAX + 8)

/* For the stream of s that answers the request of this id (empty: its long stream). NULL: the id is
 * too long to be named. f: whose stream it is, or NULL. */
struct replay *replay_new(struct session *s, struct span request, struct flight *f);
/* "id: ...\r\n" of the priming event, which stands before all others: its length. */
size_t replay_priming(const struct replay *r, char out[REPLAY_LINE_MAX]);
/* The next event begins: its id line into out. Its bytes follow by replay_add, and replay_close
 * ends it. */
size_t replay_begin(struct replay *r, char out[REPLAY_LINE_MAX]);
void replay_add(struct replay *r, const char *bytes, size_t n);
void replay_close(struct replay *r);
/* The stream has ended with the event written last; r is not the flight's any more. is_sent: all of
 * it has left for a client that was there. NULL is fine. */
void replay_end(struct replay *r, bool is_sent);
/* The same for one whose client has taken its call back. */
void replay_take_back(struct replay *r);
/* The one of this stream of this run, or NULL. */
struct replay *replay_find(struct front *f, const struct event_id *id);
/* Each kept event after that number, and what there is of one that is being written. */
void replay_after(const struct replay *r, uint64_t event,
                  void (*each)(void *arg, const char *bytes, size_t n), void *arg);
/* Let go of what has ended long ago; true if some is left. */
bool replay_check_time(struct front *f, int64_t now_ms);
void replay_destroy_all(struct front *f);
