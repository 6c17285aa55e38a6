/* keeper/holder.h - the keeper of poold itself: holds the listening sockets, so that clients wait
 * in the backlog and are not refused while poold is being started again. */
#pragma once

/* `poold-keeper hold`, without the first two words. Returns the exit status: poold's own, 2 for a
 * wrong command line, 8 if another holder has these places, 1 if poold cannot be run. */
int holder_main(int argc, char **argv);
