/* front/modern.c - the sessions that the front keeps for clients without sessions. See modern.h. */
#include "front/modern.h"

#define LOG_MODULE "front"
#include "base/caps.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/str.h"
#include "front/listen.h"
#include "front/own.h"
#include "mcp/handshake.h"
#include "mcp/modern.h"

#include <string.h>

#define NAMED(x) "io.modelcontextprotocol/" x

static bool same_text(const char *have, struct span want)
{
    return have ? want.p && span_is(want, have) : !want.p;
}

/* Of one that was taken back only the hash is known. */
static bool same_authorization(const struct session *s, struct span authorization)
{
    char hash[KNOWN_WHO_SIZE];
    if (s->modern->authorization || !s->authorization[0])
        return same_text(s->modern->authorization, authorization);
    known_hash_authorization(authorization, hash);
    return strcmp(hash, s->authorization) == 0;
}

static bool is_of(const struct session *s, const struct modern_who *who)
{
    bool has_owner = who->owner && who->owner->is_found;
    return s->daemon->project == who->daemon->project &&
           str_equal(s->daemon->server, who->daemon->server) && s->rule == who->rule &&
           s->client_kind == who->client_kind && s->pid == (has_owner ? who->owner->pid : 0) &&
           s->pid_start == (has_owner ? who->owner->start_time : 0) &&
           s->modern->is_lean_url == who->is_lean_url &&
           same_authorization(s, who->authorization) && !s->is_departed;
}

/* What is kept of a client goes into requests of our own: an object, and not without measure. */
static struct span bounded(struct span raw)
{
    return raw.n && raw.p[0] == '{' && raw.n <= CAP_EVENT ? raw : (struct span){0};
}

static struct session *make(struct front *f, const struct modern_who *who,
                            const struct rpc_peek *peek)
{
    struct session *s = session_new(f, who->daemon, who->rule, who->owner, who->client_kind);
    struct modern_client *m = xcalloc(1, sizeof *m);
    s->modern = m;
    m->is_lean_url = who->is_lean_url;
    m->authorization =
        who->authorization.p ? xstrndup(who->authorization.p, who->authorization.n) : NULL;
    s->is_lean |= who->is_lean_url;
    known_authorize(s, who->authorization);
    snprintf(s->protocol, sizeof s->protocol, "%s", MODERN_REVISION);
    s->initialize = handshake_params(bounded(rpc_member(peek->meta, NAMED("clientInfo"))));
    s->client = handshake_client_name((struct span){s->initialize, strlen(s->initialize)});
    session_keep(s);
    return s;
}

static void take_capabilities(struct session *s, struct span declared)
{
    struct span capabilities = bounded(declared);
    if (s->modern->capabilities && span_is(capabilities, s->modern->capabilities))
        return;
    known_close(s); /* what is remembered, is so for these capabilities */
    free(s->modern->capabilities);
    s->modern->capabilities = capabilities.n ? xstrndup(capabilities.p, capabilities.n) : NULL;
}

struct session *modern_session(struct front *f, const struct modern_who *who,
                               const struct rpc_peek *peek, struct err *err)
{
    bool is_discover = modern_method_of(peek->method) == MODERN_DISCOVER;
    struct session *s = NULL;
    list_each(node, after, &f->modern)
    {
        struct session *one = container_of(node, struct session, node);
        if (!is_of(one, who))
            continue;
        s = one;
        break;
    }
    bool is_new = !s;
    if (is_new && f->session_count >= CAP_SESSIONS) {
        err_set(err, ERR_TOO_BIG, 0, "there are %d sessions already", CAP_SESSIONS);
        return NULL;
    }
    if (is_new)
        s = make(f, who, peek);
    known_authorize(s, who->authorization);
    if (!s->modern->authorization && who->authorization.p)
        s->modern->authorization = xstrndup(who->authorization.p, who->authorization.n);
    if (is_new || is_discover || !s->modern->pin) {
        take_capabilities(s, rpc_member(peek->meta, NAMED("clientCapabilities")));
        s->modern->pin = ++f->pins;
    }
    return s;
}

struct project *modern_pinned(struct front *f, const struct owner *owner)
{
    struct session *found = NULL;
    list_each(node, after, &f->modern)
    {
        struct session *s = container_of(node, struct session, node);
        if (owner->is_found && s->rule == ROUTE_OWNER && s->pid == owner->pid &&
            s->pid_start == owner->start_time && s->modern->pin &&
            !daemon_is_forgotten(s->daemon) && (!found || s->modern->pin > found->modern->pin))
            found = s;
    }
    return found ? found->daemon->project : NULL;
}

void modern_close(struct session *s)
{
    if (!s->modern)
        return;
    free(s->modern->authorization);
    free(s->modern->capabilities);
    free(s->modern->row);
    free(s->modern);
}

/* --- its row --- */

#define ROW_PREFIX "modern~" /* no id that a client could name proves itself so */

const char *modern_row(struct session *s)
{
    struct modern_client *m = s->modern;
    uint8_t random[15];
    char text[32];
    if (!m->row && s->link.upstream_session) {
        digest_random(random, sizeof random);
        digest_base32(random, sizeof random, text);
        m->row = xasprintf(ROW_PREFIX "%s", text);
    }
    return m->row;
}

void modern_row_drop(struct session *s)
{
    struct err err = {0};
    if (s->modern->row && !registry_session_drop(s->front->registry, s->modern->row, &err))
        log_debug("a session's row stays", "error=%s", log_quote(err_text(&err)));
}

bool modern_is_row(const struct session_row *row)
{
    return strncmp(row->id, ROW_PREFIX, sizeof ROW_PREFIX - 1) == 0;
}

void modern_take_back(struct session *s, const struct session_row *row)
{
    s->modern = xcalloc(1, sizeof *s->modern);
    s->modern->row = xstrdup(row->id);
    s->modern->is_lean_url = row->is_lean && !s->is_lean; /* else its server says so */
}

/* A question of the daemon's: nothing was declared that it could ask for. */
static void refuse(struct session *s, const struct rpc_peek *peek)
{
    struct buf body = BUF_INIT(peek->id.n + 500);
    bool ok = rpc_text_is(peek->method, "ping")
                  ? rpc_write_empty(&body, peek->id)
                  : rpc_write_error(&body, peek->id, RPC_METHOD_NOT_FOUND,
                                    "this client declared no such capability", (struct span){0});
    if (ok)
        own_say(s, (struct span){body.data, body.len});
    buf_release(&body);
}

void modern_message(struct session *s, struct span json)
{
    struct rpc_peek peek;
    rpc_peek(json.p, json.n, &peek);
    if (peek.kind == RPC_REQUEST)
        refuse(s, &peek);
    else if (peek.kind == RPC_NOTIFICATION)
        listen_message(s, json, &peek);
}
