/* pool/private.c - private daemons ("share": "session"): one per client session. */
#include "pool/slot.h"

#include <string.h>

struct daemon *pool_slot_private(struct pool *p, struct project *project, const char *server,
                                 struct err *err)
{
    const struct config_server *entry = pool_server(p, project, server, err);
    if (!entry)
        return NULL;
    err_set(err, ERR_METHOD, 0, "private daemons (\"share\": \"session\") are not served yet");
    return NULL;
}

struct daemon *pool_slot_private_of(struct pool *p, struct project *project, const char *server,
                                    const char *id)
{
    struct daemon *d = pool_daemon_by_id(p, id);
    bool is_its = d && d->is_private && d->project == project && strcmp(d->server, server) == 0;
    return is_its ? d : NULL;
}

void daemon_release(struct daemon *d)
{
    daemon_stop(d, REASON_ASKED, true);
}
