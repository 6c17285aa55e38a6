/* keeper/lock_file.h - a file whose flock is proof of life. Its text ("pid start_time boot_id") is
 * for people and for a look from outside; only the lock counts. */
#pragma once
#include "base/err.h"

/* Take the lock of path; ERR_ALREADY_RUNNING (with the holder's pid in the text) if it is held. The
 * fd keeps it; a child of fork shares it. */
bool lock_file_take(const char *path, int *fd, struct err *err) MUST_CHECK;
/* Write who we are into it. */
bool lock_file_sign(int fd, struct err *err) MUST_CHECK;
