/* keeper/lines_out.h - lines of a stdio server's stdout on their way to poold: numbered, kept until
 * poold has acknowledged them, within WIRE_WINDOW. */
#pragma once
#include "base/buf.h"
#include "keeper/wire.h"

struct lines_out {
    struct buf frames;          /* LINE frames as they go over the wire, not yet acknowledged */
    size_t handed;              /* bytes of them given to the present connection */
    struct buf partial;         /* the line that has no end yet */
    bool is_skipping;           /* inside a line that is too long to keep */
    char cut[2 * WIRE_CUT + 1]; /* what is kept of it: see WIRE_LINE */
    uint64_t sent, acked, lost;
};

void lines_out_init(struct lines_out *lines);
void lines_out_finish(struct lines_out *lines);
/* Is there room to read more of the daemon's stdout? */
bool lines_out_have_room(const struct lines_out *lines);
/* Take output as it was read; lines end at \n only. Empty lines are none. */
void lines_out_add(struct lines_out *lines, const char *bytes, size_t n);
/* stdout has ended: a last line without an end is a line. */
void lines_out_end(struct lines_out *lines);
/* The next whole frame for the present connection (borrowed; its size in *n), or NULL. */
const char *lines_out_next(struct lines_out *lines, size_t *n);
/* A new connection: everything unacknowledged is given again. */
void lines_out_rewind(struct lines_out *lines);
/* poold has all up to sequence. */
void lines_out_ack(struct lines_out *lines, uint64_t sequence);
