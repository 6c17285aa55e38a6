/* front/batch.h - JSON-RPC batches, which MCP had in its revision 2025-03-26 only: an array POST is
 * one flight per request, and its answers are the events of one stream, in the order in which they
 * come. */
#pragma once
#include "front/conn.h"

struct session;

/* How many requests the array has; -1 with why it is no batch that s may send. */
int batch_count(const struct session *s, struct span array, const char **why);
/* Serve an array that was POSTed to s; the connection is answered, now or by its flights. headers:
 * of the client's for the daemon (lines), or NULL. */
void batch_request(struct conn *c, struct session *s, struct span array, const char *headers);
