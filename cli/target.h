/* cli/target.h - what DIR on the command line means: a directory, or the key of a known project. */
#pragma once
#include "cli/cmd.h"

struct target {                /* zero; target_finish */
    char *path;                /* absolute, as the user sees it; NULL when named by key */
    char *name;                /* the key as typed; NULL when named by directory */
    char *key, *root, *server; /* by target_resolve */
};

/* A directory that exists is one; else a word without slash is a key. A path that is not there
 * can still name a known project by its root. Err NO_PROJECT. */
bool target_from(const char *arg, struct target *out, struct err *err) MUST_CHECK;
/* Ask poold which project that is and which server is meant (NULL: the default one). */
bool target_resolve(struct cli *cli, struct target *t, const char *server,
                    struct err *err) MUST_CHECK;
/* Both, for a command's n-th argument (else ".") and its --server. */
bool target_of(struct cli *cli, struct target *out, struct err *err) MUST_CHECK;
/* "path=..." or "project=...", escaped. New string. */
char *target_query(const struct target *t);
/* Set "path" or "project" in a request body. */
void target_to_body(const struct target *t, json_t *body);
void target_finish(struct target *t);

/* All DAEMONs of the project (only of --server if that is given): new array. */
bool target_daemons(struct cli *cli, const struct target *t, json_t **out,
                    struct err *err) MUST_CHECK;
/* "/daemons/KEY/SERVER" + tail. New string. */
char *target_slot(const char *key, const char *server, const char *tail);
