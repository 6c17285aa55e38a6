/* api/on_projects.c - projects: list, trust (forget: on_stop.c). */
#include "api/handlers.h"
#include "api/json_views.h"
#include "api/places.h"
#include "api/request.h"

struct list_walk {
    const struct api *api;
    json_t *into;
};

static void add(void *arg, struct project *project)
{
    struct list_walk *walk = arg;
    json_array_append_new(walk->into, view_project(walk->api, project));
}

void on_projects(struct request *r)
{
    json_t *list = json_array();
    pool_projects_each(r->api->pool, add, &(struct list_walk){r->api, list});
    request_answer(r, 200, list);
}

void on_trust(struct request *r)
{
    struct project *project = place_project(r, true);
    struct err err = {0};
    if (!project)
        return;
    if (place_trust(r->api, project, request_bool(r, "trusted", false), request_text(r, "brought"),
                    &err))
        request_answer(r, 200, view_project(r->api, project));
    else
        request_refuse(r, &err, NULL);
}
