/* api/log_tail.h - the end of a daemon's log, and what is added to it. The keeper writes the file
 * and moves it to FILE.1 when it is full; both are looked at, so that a rotation hides nothing.
 * Owns: one open file. Errors: a log that is not there is an empty one. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct log_tail;

/* From the last `lines` lines on. New. */
struct log_tail *log_tail_open(const char *path, int64_t lines);
/* Up to room bytes into to; 0 = nothing more now (ask again later: the file may grow, or have been
 * replaced). */
size_t log_tail_read(struct log_tail *t, char *to, size_t room);
/* NULL is fine. */
void log_tail_close(struct log_tail *t);
