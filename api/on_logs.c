/* api/on_logs.c - a daemon's output: its last lines, and with follow what comes. */
#include "api/handlers.h"
#include "api/log_tail.h"
#include "api/places.h"
#include "api/request.h"
#include "base/str.h"

/* How often a followed file is looked at. A timer and not inotify: it is the same on every system
 * and file system, sees rotations by the same look, and costs two system calls, five times a
 * second, only while somebody follows. */
#define LOOK_MS 200
#define LINES_DEFAULT 100

static void tail_free(void *state)
{
    log_tail_close(state);
}

static ssize_t pull_once(struct request *r, char *to, size_t room)
{
    size_t n = log_tail_read(r->state, to, room);
    return n ? (ssize_t)n : -1;
}

static ssize_t pull_following(struct request *r, char *to, size_t room)
{
    return (ssize_t)log_tail_read(r->state, to, room);
}

static void look(struct request *r, bool is_late)
{
    (void)is_late;
    request_wake(r); /* MHD asks pull_following; with nothing new it is suspended again */
}

void on_logs(struct request *r)
{
    struct err err = {0};
    bool does_follow = request_bool(r, "follow", false);
    struct project *project = place_project(r, false);
    if (!project)
        return;
    const struct config_server *server =
        config_find(pool_config(r->api->pool), request_text(r, "server"), NULL);
    /* A server that the configuration has no more may still have a log. */
    const char *name = server ? server->name : request_text(r, "server");
    struct daemon *d = name ? place_daemon_find(r->api->pool, project->key, name) : NULL;
    if (!d) {
        if (server || !name)
            err_set(&err, ERR_NOT_FOUND, 0,
                    "the server \"%.100s\" has never been started for %.200s", name ? name : "",
                    project->root);
        else if (!config_find(pool_config(r->api->pool), name, &err) && !err.code)
            err_set(&err, ERR_NO_SERVER, 0, "no server \"%.100s\" is configured", name);
        request_refuse(r, &err, NULL);
        return;
    }
    request_keep(r, log_tail_open(daemon_log_path(d), request_int(r, "lines", LINES_DEFAULT)),
                 tail_free);
    request_stream(r, "text/plain; charset=utf-8", does_follow ? pull_following : pull_once);
    if (does_follow)
        request_tick(r, LOOK_MS, look);
}
