/* cli/call.h - requests to poold's API as JSON in and JSON out.
 *
 * A refusal (problem+json) becomes an err with the problem's own code and detail, and stays in
 * cli->problem so that it can be shown whole. */
#pragma once
#include "cli/client.h"
#include "cli/cmd.h"

#define CALL_WAIT_MS 15000 /* for what poold answers at once */

/* Path of api.sock. New string. */
bool call_socket(struct cli *cli, char **path, struct err *err) MUST_CHECK;
/* Send and read the JSON answer (new reference; NULL allowed when nobody wants it). body is
 * taken over (NULL: none). wait_ms -1: for ever. */
bool call_api(struct cli *cli, const char *method, const char *target, json_t *body,
              int64_t wait_ms, json_t **out, struct err *err) MUST_CHECK;
bool call_get(struct cli *cli, const char *target, json_t **out, struct err *err) MUST_CHECK;
/* The answer of GET /health (new reference; health may be NULL), once poold has taken back what ran
 * before it: until then every daemon is down in its eyes. Waits a while at most. */
bool call_synced(struct cli *cli, json_t **health, struct err *err) MUST_CHECK;
/* Open a stream; an answer that is a refusal becomes an err. */
bool call_stream(struct cli *cli, const char *method, const char *target, const char *accept,
                 json_t *body, int64_t wait_ms, struct client *out, struct err *err) MUST_CHECK;
/* Take a problem object (new reference held in cli) as the error. Returns false. */
bool call_refused(struct cli *cli, json_t *problem, int status, struct err *err);
/* text %-encoded as a query value or path segment. New string. */
char *call_escape(const char *text);
