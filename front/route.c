/* front/route.c - see route.h. */
#include "front/route.h"

#include "base/str.h"

#include <string.h>

static const char ways[] =
    "name the project in the URL (/p/KEY/mcp; `poolctl ensure DIR` prints it), "
    "in an X-Poold-Project header (path or key), as ?project=PATH, or over mcp.sock in the first "
    "line: {\"poold\":{\"project\":PATH}}";

static const char *const rule_words[] = {"none", "path",    "header", "query",
                                         "line", "session", "cwd",    "roots"};

const char *route_word(enum route_rule rule)
{
    return rule_words[rule];
}

enum route_rule route_rule_from(const char *word)
{
    for (size_t i = 0; i < sizeof rule_words / sizeof *rule_words; i++)
        if (strcmp(rule_words[i], word) == 0)
            return (enum route_rule)i;
    return ROUTE_SESSION;
}

/* "/NAME/VALUE" at the front of path: takes both off and sets value. */
static void take_pair(struct span *path, const char *name, struct span *value)
{
    size_t n = strlen(name);
    if (path->n < n || memcmp(path->p, name, n) != 0)
        return;
    const char *start = path->p + n;
    const char *slash = memchr(start, '/', path->n - n);
    if (!slash || slash == start)
        return;
    *value = (struct span){start, (size_t)(slash - start)};
    path->n -= (size_t)(slash - path->p);
    path->p = slash;
}

struct route_url route_parse(struct span path)
{
    struct route_url url = {.endpoint = ENDPOINT_API};
    struct span rest = path;
    take_pair(&rest, "/p/", &url.key); /* both prefixes are optional, in this order */
    take_pair(&rest, "/s/", &url.server);
    if (rest.n > 5 && memcmp(rest.p, "/lean/", 6) == 0) {
        url.is_lean = true;
        rest.p += 5;
        rest.n -= 5;
    }
    if (rest.n > 4 && rest.p[rest.n - 1] == '/')
        rest.n--;
    if (span_is(rest, "/mcp"))
        url.endpoint = ENDPOINT_MCP;
    else if (span_is(rest, "/sse"))
        url.endpoint = ENDPOINT_SSE;
    else if (span_is(rest, "/messages"))
        url.endpoint = ENDPOINT_MESSAGES;
    return url;
}

struct owner *owner_new(const struct peer_process *process, bool is_found)
{
    struct owner *o = xcalloc(1, sizeof *o);
    o->is_found = is_found;
    o->is_fresh = true;
    o->pid = process->pid;
    o->start_time = process->start_time;
    o->program = xstrdup(process->name);
    o->cwd = xstrdup(process->cwd);
    o->why = xstrdup(process->why);
    return o;
}

void owner_free(struct owner *o)
{
    if (!o)
        return;
    free(o->program);
    free(o->cwd);
    free(o->why);
    free(o);
}

/* A header or query value: an absolute path, or a project key. */
static struct project *by_name(struct front *f, const char *name, struct err *err)
{
    if (name[0] == '/') {
        char how[64];
        return pool_project_at(f->pool, name, how, err);
    }
    struct project *project = pool_project_by_key(f->pool, name);
    if (!project)
        err_set(err, ERR_NO_PROJECT, 0,
                "no project with the key \"%.100s\" is known here; `poolctl list` shows the keys, "
                "`poolctl ensure DIR` makes one known; or give an absolute path",
                name);
    return project;
}

bool route_by_request(struct front *f, const struct route_url *url, const struct http_head *head,
                      struct route *out, struct err *err)
{
    struct route r = {0};
    char name[4200];
    if (url->server.n && !http_decode(url->server, false, r.server, sizeof r.server))
        return err_set(err, ERR_NO_SERVER, 0, "the server's name in the URL is malformed");
    struct span header = http_header(head, "X-Poold-Project");
    if (url->key.n) {
        r.rule = ROUTE_PATH;
        if (!http_decode(url->key, false, name, sizeof name))
            return err_set(err, ERR_NO_PROJECT, 0, "the project key in the URL is malformed");
    } else if (header.n) {
        r.rule = ROUTE_HEADER;
        if (header.n >= sizeof name)
            return err_set(err, ERR_NO_PROJECT, 0, "the X-Poold-Project header is too long");
        memcpy(name, header.p, header.n);
        name[header.n] = '\0';
    } else if (head->query.n && http_query_get(head->query, "project", name, sizeof name)) {
        r.rule = ROUTE_QUERY;
    }
    if (r.rule != ROUTE_NONE && !(r.project = by_name(f, name, err)))
        return false;
    *out = r;
    return true;
}

bool route_by_name(struct front *f, const char *name, enum route_rule rule, struct route *out,
                   struct err *err)
{
    struct project *project = by_name(f, name, err);
    if (!project)
        return false;
    out->rule = rule;
    out->project = project;
    return true;
}

bool route_by_owner(struct front *f, const struct owner *owner, struct route *out, struct err *err)
{
    if (!owner->is_found)
        return err_set(err, ERR_NO_PROJECT, 0,
                       "poold cannot tell which project this client works "
                       "in: %s. To %s.",
                       owner->why, ways);
    char how[64];
    struct err inner = {0};
    struct project *project = pool_project_at(f->pool, owner->cwd, how, &inner);
    if (!project)
        return err_set(err, ERR_NO_PROJECT, 0,
                       "%s (working directory of %s, pid %ld). Run the client "
                       "inside a project, run `poolctl ensure DIR` once, or "
                       "%s.",
                       err_text(&inner), owner->program, (long)owner->pid, ways);
    out->rule = ROUTE_OWNER;
    out->project = project;
    return true;
}
