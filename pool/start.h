/* pool/start.h - private to pool/: what a start of a slot uses: definition, port, environment,
 * command. */
#pragma once
#include "pool/slot.h"

struct start_spec { /* zero to start; start_spec_finish */
    struct strv argv, env;
    char *cwd;
};
void start_spec_finish(struct start_spec *spec);

/* Everything for a start of s: leases a port, prepares what the server needs (a Serena home), sets
 * d.transport, d.definition and d.port. Errors are for people: cause and remedy. */
bool start_prepare(struct slot *s, struct start_spec *out, struct err *err) MUST_CHECK;
/* The same to be shown: changes nothing. */
bool start_describe(const struct slot *s, struct start_spec *out, struct err *err) MUST_CHECK;
/* Hash of all that decides what is started for this slot now ("" when its server is gone). */
void start_definition(const struct slot *s, char out[20]);
/* The project's row with its last use; errors are logged. */
void start_save_project(struct slot *s);
/* Note that an adopted daemon has its port (after a loss of the registry). */
void start_adopt_lease(struct slot *s);
