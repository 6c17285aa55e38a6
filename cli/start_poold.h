/* cli/start_poold.h - see that a poold serves: start one, detached, if none does.
 *
 * It is found beside poolctl itself, else in PATH; runs in a session of its own; says what it says
 * to <state_dir>/logs/poold.log. Of many poolctl at once one starts it and the others wait. */
#pragma once
#include "cli/cmd.h"

/* Returns when poold answers. Err: what a poold that ended said last, with its exit status as
 * code; NOT_RUNNING when it does not answer in time. */
bool poold_start(struct cli *cli, struct err *err) MUST_CHECK;
