/* cli/running.h - the poold that serves our places now: which process, and who holds its sockets.
 */
#pragma once
#include "cli/cmd.h"

#include <sys/types.h>

struct running {
    pid_t pid;    /* of poold.pid if that process lives, else 0 */
    pid_t holder; /* of its own keeper (`poold-keeper hold`), 0: none lives */
    int port;     /* the front's, 0: not known */
};

/* Look at the files of the run directory; asks nobody. */
bool running_look(struct cli *cli, struct running *out, struct err *err) MUST_CHECK;
/* End it and leave its daemons; returns when poold and its holder are gone. */
bool running_end_keeping(struct cli *cli, const struct running *r, struct err *err) MUST_CHECK;
