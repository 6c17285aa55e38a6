/* pool/shell_path.h - private to pool/: asks the user's shell for the PATH of a terminal, once at
 * the pool's creation and at each reload, without waiting. The last answer is kept in
 * <state_dir>/terminal-path, so that only the very first starts wait for it, 5 s at most. */
#pragma once
#include <stdbool.h>

struct pool;

/* Ask (again). The answer goes into the pool's shell_path; a failure is logged and leaves what was
 * known, at first the usual places behind poold's own PATH. */
void shell_path_begin(struct pool *p);
/* Must starts wait for the answer? */
bool shell_path_is_awaited(const struct pool *p);
/* Stop asking, and forget the answer. */
void shell_path_end(struct pool *p);
