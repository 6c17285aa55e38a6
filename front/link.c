/* front/link.c - see link.h. */
#include "front/link.h"

#define LOG_MODULE "front"
#include "base/caps.h"
#include "base/log.h"
#include "base/str.h"
#include "front/link_stdio.h"
#include "front/asked.h"
#include "front/restore.h"
#include "front/roots.h"
#include "mcp/handshake.h"
#include "mcp/rewrite.h"

#include <stdio.h>
#include <string.h>

void link_init(struct link *l, struct session *s)
{
    *l = (struct link){.session = s, .held = BUF_INIT(CAP_MESSAGE)};
    list_init(&l->member_node);
    list_init(&l->turn_node);
    ev_init(&l->trail.timer, link_push_again);
    l->trail.timer.data = l;
    ev_init(&l->linger, link_http_lingered);
    l->linger.data = l;
}

void link_reset(struct link *l)
{
    upstream_close(l->opening);
    upstream_close(l->push);
    l->opening = l->push = NULL;
    list_remove(&l->member_node);
    list_remove(&l->turn_node);
    trail_finish(&l->trail, l->session->front->loop);
    ev_timer_stop(l->session->front->loop, &l->linger);
    l->has_pushed = false;
    l->state = LINK_NONE;
    l->serial++;
    l->restoring = 0;
    l->is_resumed = false;
    l->daemon_id[0] = '\0';
    free(l->upstream_session);
    free(l->post_path);
    free(l->call_head);
    free(l->answer_head);
    l->upstream_session = l->post_path = l->call_head = l->answer_head = NULL;
    l->split = (struct sse_splitter){0};
    buf_release(&l->held);
}

void link_finish(struct link *l)
{
    link_reset(l);
    free(l->result);
    l->result = NULL;
}

const char *link_path(const struct link *l)
{
    return l->transport == &link_sse ? "/sse" : "/mcp";
}

static const struct link_transport *transport_of(const struct session *s)
{
    const struct daemon *d = s->daemon;
    bool is_stateless = s->modern && (d->eras & ERA_MODERN);
    return is_stateless                      ? &link_modern
           : d->eras == ERA_MODERN           ? &link_upgraded
           : d->transport == TRANSPORT_STDIO ? &link_stdio
           : d->transport == TRANSPORT_SSE   ? &link_sse
                                             : &link_http;
}

static void bind_to_life(struct link *l)
{
    const struct daemon *d = l->session->daemon;
    snprintf(l->daemon_id, sizeof l->daemon_id, "%s", d->id);
    l->transport = transport_of(l->session);
}

void link_open(struct link *l)
{
    struct daemon *d = l->session->daemon;
    if (l->state == LINK_OPENING || !daemon_is_up(d) || (l->session->modern && !d->eras))
        return;
    if (l->session->needs_own && !l->session->has_own)
        return; /* this one may be for somebody else */
    if (l->state == LINK_OPEN && !link_is_open(l))
        link_reset(l);
    bind_to_life(l);
    snprintf(l->who, sizeof l->who, "%s", l->session->authorization);
    l->state = LINK_OPENING;
    l->session->front->metrics.links_opened++;
    l->transport->open(l);
}

void link_resume(struct link *l, const char *daemon_id, const char *upstream_session,
                 const char *protocol)
{
    link_reset(l);
    if (transport_of(l->session) == &link_sse)
        return; /* its stream ended with the poold that had opened it */
    snprintf(l->daemon_id, sizeof l->daemon_id, "%s", daemon_id);
    snprintf(l->protocol, sizeof l->protocol, "%s", protocol[0] ? protocol : l->session->protocol);
    l->transport = transport_of(l->session);
    l->upstream_session = upstream_session[0] ? xstrdup(upstream_session) : NULL;
    l->state = LINK_OPEN;
    if (l->transport == &link_stdio)
        link_stdio_resume(l);
    l->has_pushed = true; /* it may have */
    l->is_resumed = true;
    l->session->front->metrics.links_resumed++;
}

bool link_is_open(const struct link *l)
{
    const struct daemon *d = l->session->daemon;
    return l->state == LINK_OPEN && daemon_is_up(d) && strcmp(l->daemon_id, d->id) == 0 &&
           l->transport == transport_of(l->session);
}

bool link_is_known_upstream(const struct link *l)
{
    bool is_taken = l->state == LINK_OPEN || (l->state == LINK_OPENING && l->is_initialized_sent);
    return is_taken && l->transport != &link_upgraded;
}

void link_close(struct link *l)
{
    bool is_opening = l->state == LINK_OPENING && l->transport == &link_http;
    if (is_opening || link_is_open(l))
        l->transport->close(l);
    link_reset(l);
}

void link_suspect(struct link *l)
{
    daemon_suspect(l->session->daemon);
    front_look_soon(l->session->front);
}

void link_send(struct link *l, struct flight *f)
{
    l->transport->send(l, f);
}

void link_push_changed(struct link *l)
{
    if (!link_is_open(l))
        return;
    l->is_resumed = false;
    l->transport->push(l, session_wants_push(l->session));
}

void link_drained(struct link *l)
{
    if (l->push)
        upstream_resume(l->push);
}

const char *link_credential(const struct link *l)
{
    static char line[CAP_HEAD + 32];
    const char *value = l->session->credential;
    snprintf(line, sizeof line, "%s%s%s", value ? "Authorization: " : "", value ? value : "",
             value ? "\r\n" : "");
    return line;
}

bool link_initialize_body(struct link *l, struct buf *out)
{
    const struct session *s = l->session;
    struct span params = {s->initialize, s->initialize ? strlen(s->initialize) : 0};
    return handshake_request(out, params, s->protocol, "\"poold-initialize\"");
}

bool link_take_result(struct link *l, struct span message)
{
    char protocol[sizeof l->session->protocol];
    struct err err = {0};
    if (!handshake_check(message, protocol, sizeof protocol, &err)) {
        link_failed(l, false, err_text(&err));
        return false;
    }
    free(l->result);
    l->result = xstrndup(message.p, message.n);
    snprintf(l->protocol, sizeof l->protocol, "%s", protocol);
    if (!link_is_shared(l) &&
        strcmp(l->who, l->session->authorization) ==
            0) /* of a shared one the handshake is remembered as it is for all */
        known_take_handshake(l->session, message);
    if (!l->session->protocol[0]) /* else its client was told one already */
        memcpy(l->session->protocol, l->protocol, sizeof l->protocol);
    return true;
}

char *link_note(const struct session *s)
{
    const struct project *project = s->daemon->project;
    if (!session_has_project(s))
        return xstrdup(
            "poold keeps a server for each project. It asks this client for its roots to "
            "know which one it works in; the server's tools appear then.");
    return xasprintf(
        "This server works on the project %s (project key %s, kept warm by poold)%s.%s",
        project->root, project->key,
        roots_are_open(s) ? ", unless this client's roots name another" : "",
        s->is_lean ? " Its tools are found with search_tools, explained by describe_tool "
                     "and called through call_tool."
                   : "");
}

void link_answer_initialize(struct session *s, struct flight *f, struct span message)
{
    char *note = link_note(s);
    struct buf answer = BUF_INIT(2 * CAP_HANDSHAKE);
    if (!s->is_published)
        session_publish(s);
    if (handshake_answer(&answer, message, f->id, note))
        flight_answer(f, (struct span){answer.data, answer.len});
    else
        flight_fail(f, ERR_INTERNAL, "the answer to initialize could not be made");
    buf_release(&answer);
    free(note);
}

void link_greet(struct link *l)
{
    struct session *s = l->session;
    s->holds++;
    bool is_new = !s->is_published;
    list_each(node, after, &s->flights)
    {
        struct flight *f = container_of(node, struct flight, session_node);
        if (f->kind == FLIGHT_INITIALIZE && f->phase == FLIGHT_QUEUED &&
            f->client != &flight_client_none)
            link_answer_initialize(s, f, (struct span){l->result, strlen(l->result)});
    }
    if (!is_new)
        session_save(s);
    free(l->result);
    l->result = NULL;
    s->holds--;
    session_release(s);
}

void link_opened(struct link *l)
{
    struct session *s = l->session;
    l->state = LINK_OPEN;
    s->holds++;
    /* Before any call: what the daemon sends unasked while it works on one must find the stream. It
     * takes the connection of the handshake, so it is read before what comes on a new one. */
    if (session_wants_push(s))
        l->transport->push(l, true);
    restore_begin(s);
    list_each(node, after, &s->flights) flight_go(container_of(node, struct flight, session_node));
    if (link_is_open(l))
        known_link_opened(s);
    s->holds--;
    session_release(s);
}

void link_failed(struct link *l, bool may_retry, const char *why)
{
    struct session *s = l->session;
    char *text = xstrdup(why);
    link_close(l); /* what the daemon may have made of it ends */
    log_debug("link failed", "project=%s why=%s", s->daemon->project->key, log_quote(text));
    link_suspect(&s->link);
    s->holds++;
    list_each(node, after, &s->flights)
    {
        struct flight *f = container_of(node, struct flight, session_node);
        if (f->phase != FLIGHT_QUEUED || f->kind == FLIGHT_LISTEN)
            continue;
        if (!may_retry || ++f->tries > 8)
            flight_fail(f, ERR_DAEMON_LOST, "The %s daemon of %s did not accept the session: %s",
                        s->daemon->server, s->daemon->project->root, text);
        /* else it waits: the pool was told to look, and wakes us when the daemon is up again */
    }
    s->holds--;
    session_release(s);
    free(text);
}

/* A call under way of a client without a long stream: its answer's stream reaches it as well. */
static struct flight *open_call(struct session *s)
{
    list_each(node, after, &s->flights)
    {
        struct flight *f = container_of(node, struct flight, session_node);
        if (f->kind == FLIGHT_CALL && f->phase != FLIGHT_QUEUED && f->conn && !f->has_answer)
            return f;
    }
    return NULL;
}

void link_message(struct link *l, struct span json)
{
    struct session *s = l->session;
    struct rpc_peek peek;
    rpc_peek(json.p, json.n, &peek);
    if (peek.kind == RPC_INVALID)
        return;
    list_each(node, after, &s->flights)
    {
        struct flight *f = container_of(node, struct flight, session_node);
        bool is_its = peek.kind == RPC_RESPONSE ? f->id.n && rpc_same_value(f->id, peek.id)
                                                : peek.kind == RPC_NOTIFICATION && f->token.n &&
                                                      rpc_same_value(f->token, peek.progress_of);
        if (!is_its || f->phase == FLIGHT_QUEUED)
            continue;
        if (peek.kind == RPC_RESPONSE)
            flight_answer(f, json);
        else
            flight_message(f, json, false);
        return;
    }
    if (peek.kind == RPC_RESPONSE)
        return;
    struct flight *open = s->stream ? NULL : open_call(s);
    if (peek.kind == RPC_REQUEST)
        asked_note(s, open, peek.id);
    if (open)
        flight_message(open, json, false);
    else
        session_stream_message(s, json);
}
