/* pool/records.h - private to pool/: what the registry did not take is written again.
 *
 * The pool goes on without its registry: memory and the keepers know what runs. When a write fails,
 * a timer heals the registry (a full disk has room again; a damaged or removed file is begun anew)
 * and writes projects, daemons and leases as they are then. History rows that were lost stay so. */
#pragma once
#include "pool/slot.h"

/* Read projects and daemons from the registry; one that is absent is read when it comes. False if
 * it is there and cannot be read. */
bool records_load(struct pool *p, struct err *err) MUST_CHECK;
/* The row of a project, borrowed from it. */
struct project_row records_project(const struct project *project);
void records_init(struct pool *p);
void records_end(struct pool *p);
/* A write failed: what is the name of its subject, for the log. */
void records_lost(struct pool *p, const char *what, const struct err *err);
/* The time to look whether a problem came up elsewhere (the front's sessions). */
void records_check(struct pool *p);
/* By sync or by the registry's late rows: what is expected to live and was not found is gone. */
void records_settle(struct pool *p);
