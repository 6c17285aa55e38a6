/* keeper/lines_in.h - lines of poold on their way to a stdio server's stdin. */
#pragma once
#include "base/buf.h"
#include "keeper/wire.h"

struct lines_in {
    struct buf frames;    /* INPUT frames not yet written whole */
    size_t written;       /* of the first one's payload and line end */
    uint64_t taken, done; /* highest sequence accepted, and written to the daemon */
};

void lines_in_init(struct lines_in *lines);
void lines_in_finish(struct lines_in *lines);
/* Accept an INPUT; a repetition is dropped. False if poold passed its window. */
bool lines_in_take(struct lines_in *lines, uint64_t sequence, const char *line,
                   size_t n) MUST_CHECK;
/* Is anything to be written? */
bool lines_in_are_waiting(const struct lines_in *lines);
/* Write to the daemon's stdin what it takes now. False if it takes no more for ever. */
bool lines_in_write(struct lines_in *lines, int fd) MUST_CHECK;
