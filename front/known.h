/* front/known.h - what is remembered of a server: its answer to initialize and its lists, by
 * project, server, definition, the revision that a client asked for, the client's capabilities and
 * its Authorization.
 * A client is answered from it at once, whether or not the daemon runs; when one does, it is
 * asked again, and clients are told where it differs.
 *
 * Owned by: the front; each session holds the one of its key (s->known). Rows are in the registry.
 */
#pragma once
#include "mcp/http_head.h"

#include <stdbool.h>
#include <stdint.h>

struct daemon;
struct flight;
struct front;
struct known;
struct session;

enum known_kind {
    KNOWN_HANDSHAKE, /* the result of initialize, or of server/discover in the stateless era */
    KNOWN_TOOLS,
    KNOWN_PROMPTS,
    KNOWN_RESOURCES,
    KNOWN_TEMPLATES,
    KNOWN_KIND_COUNT /* none of them */
};

#define KNOWN_WHO_SIZE 14 /* 13 characters of a hash */
/* The Authorization that the client of s came with last: only those with the same one are answered
 * from each other's memory, and requests of our own for it carry it. Empty: none. */
void known_authorize(struct session *s, struct span authorization);
/* The hash that s->authorization is; "" of none. */
void known_hash_authorization(struct span authorization, char out[KNOWN_WHO_SIZE]);
/* Which list does a request of this method (raw) ask for? A page of one (cursor) is none. */
enum known_kind known_kind_of(struct span method, struct span params);
/* Answer a queued flight from memory if that can be done: then it is over, true. */
bool known_answer(struct flight *f);
/* A list as it is remembered for the client of s (raw result), empty if it is not. Borrowed until
 * the loop is reached. */
struct span known_list(struct session *s, enum known_kind kind);
/* From now on it counts whether the client stays: then its daemon is started. */
void known_note_stay(struct session *s);
/* Does the server have this capability, as far as is known? */
bool known_has_capability(struct session *s, const char *name);
/* The daemon has answered initialize (whole message). */
void known_take_handshake(struct session *s, struct span message);
/* The link is open: ask again for what was not confirmed in this life of the daemon. */
void known_link_opened(struct session *s);
/* Is a notification of this method such news? */
bool known_is_change(struct span method);
/* The daemon says that some list has changed: ask again. */
void known_list_changed(struct session *s);
/* Start the daemons of sessions that were answered from memory and have stayed. True: some may. */
bool known_check_time(struct front *front, int64_t now_ms);
/* Its client's stream is open: tell it of the changes that it missed without one. */
void known_stream_opened(struct session *s);
/* s goes to another slot: its known is the caller's now (NULL: none), for known_moved. */
struct known *known_leave(struct session *s);
/* It is there: its client is told where lists that it asked for differ from was. */
void known_moved(struct session *s, struct known *was);
/* The session is over, or its client begins anew. */
void known_close(struct session *s);
