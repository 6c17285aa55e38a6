/* api/routes.h - the one table of routes: method, path, handler, parameters, summary. It decides
 * 404 and 405, checks every parameter's name and type, and prints docs/api.md and openapi.json. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

struct request;

enum route_flag {
    ROUTE_SYNC = 1,   /* waits (bounded) until poold has found what ran before it */
    ROUTE_STARTS = 2, /* would start daemons: refused once poold is ending */
    ROUTE_LINES = 4,  /* lines of progress with `Accept: application/x-ndjson` */
};

enum param_place { IN_PATH, IN_QUERY, IN_BODY };
enum param_type { PARAM_TEXT, PARAM_BOOL, PARAM_INT };

struct param {
    const char *name; /* NULL ends a list */
    enum param_place place;
    enum param_type type;
    bool is_required;
    int64_t min, max; /* INT: the value; TEXT: bytes (max 0: 4096) */
    const char *help;
};

struct route {
    const char *method, *path; /* path with {name} for one segment */
    void (*handle)(struct request *r);
    const char *name;    /* unique word, the operation's id: "daemonStop" */
    int status;          /* of success */
    const char *answer;  /* what comes back, in words or a named shape */
    const char *summary; /* one sentence */
    const char
        *errors; /* names of ERR_LIST it may answer with beyond bad-request, with blanks between */
    const struct param *params; /* ends with a NULL name */
    const char *shape;          /* type of the answer (api/shapes.h), or a media type */
    unsigned flags;             /* ROUTE_... */
};

/* All routes in the order of the manual. Borrowed, static. */
const struct route *route_rows(size_t *count);

/* The route for method and path (HEAD is served as GET). Variables of the path are put into vars (a
 * JSON object) as texts. NULL: err is NOT_FOUND, or METHOD and *allow names the methods there are
 * (static). */
const struct route *route_find(const char *method, const char *path, json_t *vars,
                               const char **allow, struct err *err);
/* Check and merge the query (object of texts) and the body (object or NULL) into into, by the
 * route's parameters: names, types, ranges, required ones. Err BAD_REQUEST names the member and
 * what was expected. */
bool route_params(const struct route *route, const json_t *query, const json_t *body, json_t *into,
                  struct err *err) MUST_CHECK;
/* docs/api.md. */
bool routes_print(struct buf *out) MUST_CHECK;
/* The OpenAPI 3.1 document; url: of the server it is for ("http://127.0.0.1:7337"). New. */
json_t *routes_openapi(const char *url);
