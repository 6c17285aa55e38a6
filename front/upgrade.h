/* front/upgrade.h - calls of clients with sessions on their way to a daemon that knows only the
 * stateless revision (2026-07-28): under another id, with what that revision requires; and back.
 * What the daemon asks for by an answer (input_required) is asked of the client by requests, as its
 * revision has it, and the call is repeated with what it said.
 *
 * It stands between the flight and the client's adapter, as lean.c and modern_call.c do. The link's
 * own part is link_upgraded.c. */
#pragma once
#include "front/flight.h"
#include "mcp/modern_upgrade.h"

/* What is said of this client. Borrowed from s. */
struct upgrade_client upgrade_client_of(const struct session *s);
/* Bring f into the daemon's era. False: it is not to be handed over (it was answered here, or is
 * over). */
bool upgrade_hand_over(struct flight *f);
/* It goes to a daemon that knows sessions after all: as the client sent it. */
void upgrade_undo(struct flight *f);
/* Its exchange with the daemon is over. True: it goes on, once the client has answered. */
bool upgrade_goes_on(struct flight *f);
/* Its client has gone: what that was asked is not waited for any more. True: the flight has ended.
 */
bool upgrade_gives_up(struct flight *f);
void upgrade_free(struct flight *f);
