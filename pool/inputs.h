/* pool/inputs.h - lines on their way to a stdio daemon's stdin, from poold's end: numbered, and
 * kept until the keeper has written them, so that a broken connection to a keeper loses none.
 * keeper/wire.h says how they travel. Belongs to one life; its links come and go. */
#pragma once
#include "base/buf.h"

#include <stdint.h>

struct inputs {
    struct buf frames; /* INPUT frames without an acknowledgement, as they go over the wire */
    uint64_t given;    /* number of the last one */
    uint64_t heard;    /* number of the last LINE that was taken: the other direction */
    bool is_known;     /* the keeper has said where it stands: lines may be given */
    bool was_refused;  /* somebody waits for room */
};

void inputs_init(struct inputs *in);
void inputs_finish(struct inputs *in);
/* The keeper has all up to taken (at a connection's start). What it has not is in frames then. */
void inputs_greet(struct inputs *in, uint64_t taken);
/* Append one line; *frame and *size are where its frame is (borrowed until the next change). False:
 * the window is full (CONFLICT), it is too long for the wire (TOO_BIG), or the keeper has not
 * answered yet (DAEMON_LOST). */
bool inputs_add(struct inputs *in, const char *json, size_t n, const char **frame, size_t *size,
                struct err *err) MUST_CHECK;
/* Written to the daemon up to sequence. True: who was refused may try again now. */
bool inputs_ack(struct inputs *in, uint64_t sequence);
