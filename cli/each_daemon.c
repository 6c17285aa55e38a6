/* cli/each_daemon.c - see each_daemon.h. */
#include "cli/each_daemon.h"

#include "cli/call.h"
#include "cli/offline.h"
#include "cli/output.h"
#include "cli/start_poold.h"

#include <string.h>

bool each_daemon_can_live(struct cli *cli, bool may_start, bool *is_there, struct err *err)
{
    struct err why = {0};
    json_t *health = NULL;
    *is_there = call_get(cli, "/health", &health, &why);
    json_decref(health);
    if (*is_there)
        return true;
    if (why.code != ERR_NOT_RUNNING)
        return err_set(err, why.code, 0, "%s", err_text(&why));
    if (may_start && offline_has_living(cli)) {
        *is_there = poold_start(cli, err);
        return *is_there;
    }
    json_t *nothing = json_array();
    if (!output_json(cli, nothing))
        puts(may_start ? "poold is not running, and neither is any daemon of its pool"
                       : "poold is not running");
    json_decref(nothing);
    return true;
}

static bool do_one(struct cli *cli, const struct each_daemon *what, const struct target *t,
                   const json_t *d, json_t *done, struct err *err)
{
    json_t *became = NULL;
    char *slot = target_slot(t->key, field_text(d, "server"), what->tail);
    bool ok = call_api(cli, "POST", slot, json_incref(what->body), EACH_WAIT_MS, &became, err);
    free(slot);
    if (ok && !cli->is_json && what->did)
        output_did(what->did, became);
    if (ok)
        json_array_append(done, became);
    json_decref(became);
    return ok;
}

/* What is done to a server is done to all of its instances at once. */
static bool is_done(const json_t *mine, size_t at)
{
    const char *server = field_text(json_array_get(mine, at), "server");
    for (size_t i = 0; i < at; i++) {
        const json_t *before = json_array_get(mine, i);
        if (strcmp(field_text(before, "server"), server) == 0 &&
            strcmp(field_text(before, "state"), "down") != 0)
            return true;
    }
    return false;
}

bool each_daemon_of(struct cli *cli, const struct each_daemon *what, const struct target *t,
                    json_t *done, struct err *err)
{
    json_t *mine = NULL, *d;
    size_t i;
    bool ok = target_daemons(cli, t, &mine, err);
    json_array_foreach(mine, i, d)
    {
        if (ok && strcmp(field_text(d, "state"), "down") != 0 && !is_done(mine, i))
            ok = do_one(cli, what, t, d, done, err);
    }
    json_decref(mine);
    json_decref(what->body);
    return ok;
}

bool each_daemon_do(struct cli *cli, const struct each_daemon *what, struct err *err)
{
    struct target t = {0};
    json_t *done = json_array();
    bool ok = target_of(cli, &t, err);
    if (ok)
        ok = each_daemon_of(cli, what, &t, done, err);
    else
        json_decref(what->body);
    if (ok && !output_json(cli, done) && json_array_size(done) == 0)
        printf("nothing is up for %s\n", t.root);
    json_decref(done);
    target_finish(&t);
    return ok;
}
