/* front/restore.h - what a client has set in its session and a new daemon must be told again: its
 * log level and its resource subscriptions. Kept in the session and its row. */
#pragma once
#include "front/flight.h"

/* A request of the client: if it sets something, that is kept. */
void restore_note(struct session *s, const struct rpc_peek *peek);
/* The daemon has refused what a request of this method had set: it is not kept. */
void restore_refused(struct session *s, struct span method, struct span value);
/* The same for a client without a session (modern.h): a log level, and whether a resource is
 * followed (both raw JSON texts). The daemon is told, unless it knows no sessions either. */
void restore_level(struct session *s, struct span level);
void restore_follow(struct session *s, struct span uri, bool is_on);
/* Its link has been opened anew: tell the daemon. Calls wait until it has answered
 * (link.restoring).
 */
void restore_begin(struct session *s);
/* For the session's row: JSON array of the subscriptions, "" for none. New string. */
char *restore_subscriptions(const struct session *s);
/* Append the subscriptions in a row. */
void restore_read(struct strv *out, const char *subscriptions);
/* From the row. */
void restore_load(struct session *s, const char *level, const char *subscriptions);
