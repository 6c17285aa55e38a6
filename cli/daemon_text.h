/* cli/daemon_text.h - a DAEMON of the API (api/wire.h) in words for people. Strings are new. */
#pragma once
#include "cli/field.h"
#include "cli/say.h"

bool daemon_row_is_up(const json_t *d); /* ready or busy */
/* Up, but a layer of its health has failed. */
bool daemon_is_degraded(const json_t *d);
bool daemon_is_bad(const json_t *d); /* failed or degraded */
/* "starting 1.2 s of ~3.4 s", "busy: 2 calls", "failed: next try in 5 s", "down (known)". */
char *daemon_state_text(const json_t *d, int64_t now_unix_ms);
enum colour daemon_colour(const json_t *d);
/* "ok", "useful failed", "-". */
char *daemon_health_text(const json_t *d);
/* "everything#2 (spare)": the server, and which of its daemons, if there are several. */
char *daemon_server_text(const json_t *d);
/* "in 4:10", "pinned", "busy", ... */
char *daemon_goes_text(const json_t *d);
/* Why it is bad, or NULL. */
char *daemon_cause(const json_t *d);
/* The command to copy for a bad one, or NULL. */
char *daemon_remedy(const json_t *d);
/* "port-open" -> "port open". */
char *daemon_step_text(const char *step);
