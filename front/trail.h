/* front/trail.h - how far a daemon's event stream was read, in the daemon's own numbers, so that it
 * can be resumed when the daemon closes it in the middle (MCP 2025-11-25, transports; SEP-1699): by
 * GET with the last id, after the time that the daemon asked for. Zero to start. */
#pragma once
#include "mcp/sse.h"

#include <ev.h>
#include <stdint.h>

struct trail {
    char *last_id; /* NULL: none was given */
    int64_t retry_ms;
    int tries; /* since the last id */
    ev_timer timer;
};

/* An event with numbers of the daemon's has been read to its end. */
void trail_note(struct trail *t, const struct sse_event *event);
/* Run t->timer (set by ev_init) once when it is time for the next try; the time grows with the
 * number of tries in vain. */
void trail_wait(struct trail *t, struct ev_loop *loop);
/* Forget it all; the timer stops. */
void trail_finish(struct trail *t, struct ev_loop *loop);
