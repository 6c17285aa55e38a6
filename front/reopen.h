/* front/reopen.h - HTTP+SSE clients that open their stream anew. The transport has no word for it:
 * a client that lost its stream asks for another one and goes on with the new endpoint, without
 * initialize (the EventSource of the official TypeScript SDK does). So a new stream is nobody's
 * until something shows whose it is: `initialize` makes it a client's of its own; any other
 * message, the header of a client that has initialized before, or a second without a word make it
 * the stream of the one earlier session of the same process (pid and start time), project, server
 * and tools that has lost its own: in memory, or in the registry after a restart of poold. Where
 * there is none it begins with a handshake of ours; where there are several that said the same in
 * their handshakes, with that. */
#pragma once
#include "front/session.h"

/* s was enlisted and its stream is open. is_known: its client shows that it has initialized
 * before. */
void reopen_begin(struct session *s, bool is_known);
/* A message that is not `initialize` has come for s. The session that it is for: s, published, or
 * the earlier one, and s is freed. */
struct session *reopen_settle(struct session *s);
/* Settle those that said nothing. True: some may come. */
bool reopen_check_time(struct front *f, int64_t now_ms);
