/* cli/channel.h - a unix socket to poold, with a deadline: send all, read what comes.
 *
 * Owns: its socket and what it has read ahead.
 * Errors: NOT_RUNNING when nobody serves the socket, when the connection is lost or the deadline
 * passes; TOO_BIG when more is read ahead than the cap. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

#define CHANNEL_READ_SIZE 16384

struct channel {
    int fd;              /* -1 when closed */
    int64_t deadline_ms; /* of clock_ms(); INT64_MAX: none */
    struct buf in;       /* read ahead; the user consumes */
};

/* wait_ms: for all that is done with it; -1: for ever. cap: of what is read ahead. A full backlog
 * is no absence: it is tried again. */
bool channel_open(struct channel *c, const char *path, int64_t wait_ms, size_t cap,
                  struct err *err) MUST_CHECK;
void channel_close(struct channel *c);
bool channel_send(struct channel *c, const char *bytes, size_t n, struct err *err) MUST_CHECK;
/* Read once more into c->in. *ready: whether bytes came within quiet_ms (-1: wait up to the
 * deadline); *ended: the peer has closed. */
bool channel_fill(struct channel *c, int64_t quiet_ms, bool *ready, bool *ended,
                  struct err *err) MUST_CHECK;
