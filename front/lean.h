/* front/lean.h - sessions under /lean, or of a server with "lean": true: their client sees three
 * tools (search, describe, call) in the place of all. The three are answered here out of what is
 * known of the server; a call goes on as the call it stands for. */
#pragma once
#include "front/flight.h"

/* Look at a request of a lean session that has just come. True: it was answered, or its answer is
 * made from another one's (its body was replaced); false: it goes on as it is now. */
bool lean_takes(struct flight *f);
/* Free what it keeps of a flight. */
void lean_free(struct flight *f);
