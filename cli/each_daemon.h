/* cli/each_daemon.h - one API action on all running daemons of a project. */
#pragma once
#include "cli/target.h"

#define EACH_WAIT_MS (1800 * 1000) /* an end may wait for calls and for a stubborn tree */

struct each_daemon {
    const char *tail; /* of the target: "/stop" */
    const char *did;  /* "stopped": said for each; NULL: silent */
    json_t *body;     /* sent each time; taken over */
};

/* For commands that end things: when poold is down and nothing lives, that is said and *is_there
 * is false; when daemons live without a poold, one is started (if it may be). */
bool each_daemon_can_live(struct cli *cli, bool may_start, bool *is_there,
                          struct err *err) MUST_CHECK;
/* For the daemons of DIR (and --server) that are not down. Prints the array of what became. */
bool each_daemon_do(struct cli *cli, const struct each_daemon *what, struct err *err) MUST_CHECK;
/* For the daemons of a resolved target; what became is added to the array done. */
bool each_daemon_of(struct cli *cli, const struct each_daemon *what, const struct target *t,
                    json_t *done, struct err *err) MUST_CHECK;
