/* connect/poold.h - the relay's connection to poold: made, greeted, lost and made again, with the
 * session that outlives it. Starts poold where none serves. */
#pragma once
#include "base/buf.h"
#include "connect/relay.h"
#include "mcp/http_head.h"

#include <sys/types.h>

enum poold_state {
    POOLD_AWAY,    /* no connection */
    POOLD_GREETED, /* our first line is under way */
    POOLD_OPEN
};

struct poold {
    const struct relay_options *options;
    enum poold_state state;
    int fd;                /* -1: none */
    struct buf in, out;    /* bytes from it, bytes for it */
    uint64_t queued;       /* all bytes that were ever added */
    bool was_unread;       /* it was lost with bytes of ours that it never read */
    uint64_t sent_at_loss; /* how many of them it may have read, when it was lost */
    char *session;         /* NULL: none yet */
    int64_t try_ms;        /* when to connect next */
    int64_t pause_ms;
    pid_t starter;      /* 0: none runs */
    int64_t started_ms; /* when it was run last */
    bool was_refused;   /* said already on stderr */
};

void poold_init(struct poold *p, const struct relay_options *options);
void poold_finish(struct poold *p);
/* While it is not open: connect if it is time. is_wanted: somebody waits, so start one if none
 * serves. False with why if that failed. */
bool poold_try(struct poold *p, bool is_wanted, char *why, size_t room);
/* When poold_try has something to do next, of clock_ms(); -1: when there is an event. */
int64_t poold_due_ms(const struct poold *p);
/* What to poll for. */
short poold_events(const struct poold *p, bool may_read);
/* Read and write what goes. False: the connection is lost (what has come is in p->in). */
bool poold_exchange(struct poold *p, short revents);
/* Give the connection up; p->in is the caller's to clean. */
void poold_lose(struct poold *p);
/* Add bytes for it. False past the cap. */
bool poold_add(struct poold *p, const char *bytes, size_t n);
bool poold_add_str(struct poold *p, const char *text);
/* Its answer to our first line has come: it is open. False: it was lost for it (a session that is
 * not good any more). */
bool poold_take_welcome(struct poold *p, struct span line, bool *is_initialized);
