/* api/on_daemons.c - daemons: list, one, pin. */
#include "api/events.h"
#include "api/handlers.h"
#include "api/json_views.h"
#include "api/places.h"
#include "api/request.h"

struct list_walk {
    const struct api *api;
    json_t *into;
};

static void add(void *arg, struct daemon *d)
{
    struct list_walk *walk = arg;
    json_array_append_new(walk->into, view_daemon(walk->api, d));
}

void on_daemons(struct request *r)
{
    json_t *list = json_array();
    pool_daemons_each(r->api->pool, add, &(struct list_walk){r->api, list});
    request_answer(r, 200, list);
}

void on_daemon(struct request *r)
{
    const struct daemon *d = place_daemon_in_path(r, false);
    if (d)
        request_answer(r, 200, view_daemon_full(r->api, d));
}

struct pin_walk {
    const struct api *api;
    bool is_pinned;
    struct err err;
};

static void pin_each(void *arg, struct daemon *d)
{
    struct pin_walk *walk = arg;
    bool was_pinned = d->is_pinned;
    if (daemon_pin(d, walk->is_pinned, &walk->err) && d->is_pinned != was_pinned)
        events_pin(walk->api->events, d);
}

void on_daemon_pin(struct request *r)
{
    struct daemon *d = place_daemon_in_path(r, false);
    struct pin_walk walk = {r->api, request_bool(r, "pinned", true), {0}};
    if (!d)
        return;
    place_instances_each(d, pin_each, &walk);
    if (walk.err.code)
        request_refuse(r, &walk.err, NULL);
    else
        request_answer(r, 200, view_daemon(r->api, d));
}
