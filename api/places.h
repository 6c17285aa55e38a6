/* api/places.h - from a request's parameters (path or project key, server) to projects and slots.
 * On failure the request has been refused and the result is NULL. */
#pragma once
#include "pool/pool.h"

struct api;
struct request;

/* The project named by "project" or "path" (exactly one). does_make: a path without project above
 * it becomes one; else it only is made known if it has one. */
struct project *place_project(struct request *r, bool does_make);
/* The project of {key} in the path. */
struct project *place_project_in_path(struct request *r);
/* The slot of {key}/{server} in the path that exists already, or, with does_make, the one of a
 * configured server. */
struct daemon *place_daemon_in_path(struct request *r, bool does_make);
/* pool_trust, and tell it if it is a change. */
bool place_trust(struct api *a, struct project *project, bool is_trusted, const char *brought,
                 struct err *err) MUST_CHECK;
/* The existing slot, or NULL (nothing is refused); of several instances the first that is up, else
 * the first. */
struct daemon *place_daemon_find(struct pool *pool, const char *key, const char *server);
struct daemon *place_instance_find(struct pool *pool, const char *key, const char *server,
                                   int instance);
/* All instances of d's server for d's project, d among them. */
void place_instances_each(const struct daemon *d, daemon_fn *each, void *arg);
