/* front/flight_parts.h - what the files of the flight (flight.c, flight_wait.c) have of each other.
 */
#pragma once
#include "front/flight.h"

/* Does its daemon count it as work from now on? */
void flight_set_using(struct flight *f, bool is_using);
/* The end for the client and for us: f is freed. */
void flight_finish(struct flight *f);
/* Nobody waits for it, and nothing was handed over. */
bool flight_is_abandoned(const struct flight *f);
