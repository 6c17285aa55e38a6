/* cli/offline.h - what can be told while poold is down: from the registry (read-only) and the log
 * files, in the shapes of the API. */
#pragma once
#include "cli/cmd.h"

/* Is this the error of a poold that is not there? Forgets it then, and says so on stderr. */
bool offline_take_over(struct err *err);
/* [DAEMON] as last written; one whose keeper is gone is down. No registry: an empty array. */
bool offline_daemons(struct cli *cli, json_t **out, struct err *err) MUST_CHECK;
/* The history rows, newest first; key NULL: all. */
bool offline_history(struct cli *cli, const char *key, int64_t limit, json_t **out,
                     struct err *err) MUST_CHECK;
/* Key of the known project that arg (a path in it, or the key itself) names. New string. */
bool offline_key(struct cli *cli, const char *arg, char **key, struct err *err) MUST_CHECK;
/* Does the registry know of a keeper or daemon that still lives? */
bool offline_has_living(struct cli *cli);
/* The newest remembered result of this kind (registry/registry.h) of a project's server, whatever
 * client it was said to: new reference, NULL if nothing is remembered. Works while poold runs. */
bool offline_known(struct cli *cli, const char *key, const char *server, const char *kind,
                   json_t **out, struct err *err) MUST_CHECK;
