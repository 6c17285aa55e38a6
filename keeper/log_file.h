/* keeper/log_file.h - a daemon's log: appended, rotated (LOG to LOG.1), mode 0600. A log that
 * cannot be written is nobody's reason to stop: bytes are dropped, counted and told later. */
#pragma once
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct log_file {
    char *path, *old_path; /* ours */
    int fd;                /* -1: cannot be opened at the moment */
    int64_t size, max_bytes, lost_bytes;
};

/* Open or create; the folder must exist. max_bytes: rotate before it would be passed. */
bool log_file_open(struct log_file *log, const char *path, int64_t max_bytes,
                   struct err *err) MUST_CHECK;
/* Append n bytes of the daemon's output. A rotation happens at a line's end where there is one. */
void log_file_write(struct log_file *log, const char *bytes, size_t n);
/* Append a line of the keeper's own: "[poold-keeper TIME] ...". */
void log_file_note(struct log_file *log, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_file_close(struct log_file *log);
