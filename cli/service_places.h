/* cli/service_places.h - the places that a service is installed for: those of this poolctl. */
#pragma once
#include "cli/cmd.h"
#include "cli/service.h"

struct service_places_kept {
    struct service_places places; /* what it points to is here, or in cli */
    const struct dirs *dirs;      /* cli's */
    char *poold, *listen;
    struct strv environment;
};

/* Places and listen address by flags, variables and defaults; the environment that a service should
 * have of the present one. Err USAGE for port 0. */
bool service_places_find(struct cli *cli, struct service_places_kept *out,
                         struct err *err) MUST_CHECK;
void service_places_finish(struct service_places_kept *kept);
