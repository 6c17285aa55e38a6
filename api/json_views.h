/* api/json_views.h - the JSON of daemons, projects, sessions and problems: the one place where
 * their members are written. The same members are in the table of api/shapes.c; a test compares.
 * All results are new. */
#pragma once
#include "api/api.h"

#include <jansson.h>

/* Health of a daemon. */
json_t *view_health(const struct daemon *d);
/* What is odd in a configuration: texts. */
json_t *view_warnings(const struct config *c);
/* DAEMON. */
json_t *view_daemon(const struct api *api, const struct daemon *d);
/* DAEMON with "clients" (its sessions) and "lastExits". */
json_t *view_daemon_full(const struct api *api, const struct daemon *d);
/* PROJECT with its daemons. */
json_t *view_project(const struct api *api, const struct project *project);
/* problem+json; takes more (members to add, or NULL). */
json_t *view_problem(int status, const struct err *err, json_t *more);
/* A row of the history; root NULL when the project is not known any more. */
json_t *view_history(const struct history_row *row, const char *root);
/* RFC 3339 text, or null for 0. */
json_t *view_time(int64_t unix_ms);
/* A number, or null when negative. */
json_t *view_number(int64_t value);
/* A text, or null when NULL or "". Bytes that are not UTF-8 become '?'. */
json_t *view_text(const char *text);
/* The path under the daemon's port where MCP answers. */
const char *view_transport(enum transport t);
