/* api/events.h - what happens, as events: a bounded ring of the last ones, and the readers of
 * GET /events (server-sent events). A reader has a position in the ring and nothing else, so that a
 * slow one costs nothing; one that falls out of the ring is told to list again (`reset`).
 *
 * Ids are EPOCH-NUMBER: EPOCH is poold's start, so that they grow over restarts and another life's
 * are told apart. Owned by: struct api. Threads: loop only. */
#pragma once
#include "api/api.h"

#include <jansson.h>

struct events;

/* New. */
struct events *events_new(struct api *api);
void events_free(struct events *e); /* NULL is fine; its readers are gone */
/* The pool's news. */
void events_state(struct events *e, const struct daemon *d, enum daemon_state was, int64_t was_ms);
/* Steps and health are compared with what was told last. */
void events_change(struct events *e, const struct daemon *d);
/* The others' news. */
void events_pin(struct events *e, const struct daemon *d);
void events_session(struct events *e, const struct api_session *s, const char *change);
void events_trust(struct events *e, const struct project *project);
void events_forget(struct events *e, const char *root, const char *key);
void events_config(struct events *e, const struct config *config);

/* --- for tests --- */
#define EVENTS_MAX 1000
#define EVENTS_BYTES (256 * 1024)
/* Where a reader with this Last-Event-ID (NULL: none) begins; false: events were missed. */
bool events_position(const struct events *e, const char *last_id, int64_t *next);
int64_t events_count(const struct events *e);
size_t events_bytes(const struct events *e);
