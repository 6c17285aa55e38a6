/* front/roots.c - see roots.h. */
#include "front/roots.h"

#define LOG_MODULE "front"
#include "base/caps.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "mcp/handshake.h"
#include "mcp/roots.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define WAIT_MS 1000
#define ID_PREFIX "\"poold-roots-"

void roots_begin(struct session *s)
{
    struct span params = {s->initialize, strlen(s->initialize)};
    if ((s->rule == ROUTE_OWNER || !session_has_project(s)) && roots_declared(params))
        s->roots.state = ROOTS_WANTED;
}

/* --- asking --- */

static void ask(struct session *s, struct flight *over)
{
    static unsigned number;
    struct buf message = BUF_INIT(CAP_HEAD);
    bool can = s->stream || (over && over->client != &flight_client_none);
    if (!can ||
        !buf_printf(&message,
                    "{\"jsonrpc\":\"2.0\",\"id\":" ID_PREFIX "%u\",\"method\":\"roots/list\"}",
                    s->roots.number = ++number)) {
        buf_release(&message);
        return;
    }
    s->roots.state = ROOTS_ASKED;
    s->roots.deadline_ms = clock_ms() + WAIT_MS;
    front_time_moment(s->front);
    struct span json = {message.data, message.len};
    if (s->stream) {
        session_stream_message(s, json);
    } else {
        over->client->message(over, json, false);
        over->client->flush(over);
    }
    buf_release(&message);
}

void roots_ask(struct session *s)
{
    if (s->roots.state == ROOTS_WANTED && s->stream)
        ask(s, NULL);
}

void roots_changed(struct session *s)
{
    if (s->roots.state == ROOTS_NONE || s->roots.has_called)
        return;
    s->roots.state = ROOTS_WANTED;
    roots_ask(s);
}

/* --- waiting --- */

static void answer_neutral(struct flight *f)
{
    struct session *s = f->session;
    struct buf message = BUF_INIT(CAP_HEAD);
    struct span params = {s->initialize, s->initialize ? strlen(s->initialize) : 0};
    s->roots.is_neutral = true;
    if (handshake_neutral(&message, params, s->protocol, sizeof s->protocol))
        link_answer_initialize(s, f, (struct span){message.data, message.len});
    else
        flight_fail(f, ERR_INTERNAL, "the answer to initialize could not be made");
    buf_release(&message);
}

static void fail_without_project(struct flight *f)
{
    struct session *s = f->session;
    s->roots.has_failed = true;
    flight_fail(f, ERR_NO_PROJECT, "%s%s",
                s->roots.why ? s->roots.why : "poold cannot tell which project this client is in.",
                s->roots.said[0] ? s->roots.said : "");
}

bool roots_hold(struct flight *f)
{
    struct session *s = f->session;
    bool is_placed = session_has_project(s);
    if (f->kind == FLIGHT_OWN || f->kind == FLIGHT_ONEWAY)
        return false;
    if (f->kind == FLIGHT_INITIALIZE) {
        if (!is_placed && s->roots.state != ROOTS_NONE)
            answer_neutral(f);
        else if (!is_placed)
            fail_without_project(f);
        return !is_placed;
    }
    if (s->roots.state == ROOTS_WANTED)
        ask(s, f);
    if (s->roots.state == ROOTS_ASKED)
        return true;
    if (!is_placed)
        fail_without_project(f);
    return !is_placed;
}

static void wake(struct session *s)
{
    s->holds++;
    list_each(node, after, &s->flights) flight_go(container_of(node, struct flight, session_node));
    s->holds--;
}

/* --- the answer --- */

/* The client's roots lead to project, or say nothing (NULL, with why in said). */
static void decide(struct session *s, struct project *project)
{
    struct err err = {0};
    bool is_placed = session_has_project(s);
    s->roots.state = ROOTS_SAID;
    if (!project || project == s->daemon->project)
        return;
    if (is_placed && (s->roots.has_called || !flight_may_move(s))) {
        log_info("roots of another project come too late", "project=%s roots=%s",
                 s->daemon->project->key, project->key);
        return;
    }
    const char *server = is_placed ? s->daemon->server : s->server;
    struct daemon *d = pool_slot(s->front->pool, project, server[0] ? server : NULL, &err);
    if (d)
        session_move(s, d, ROUTE_ROOTS);
    else
        snprintf(s->roots.said, sizeof s->roots.said, " Its root is in %.200s, but: %.200s",
                 project->root, err_text(&err));
}

bool roots_take(struct session *s, const struct rpc_peek *peek, struct span message)
{
    char id[40], path[PATH_MAX], how[64];
    struct err err = {0};
    struct project *project = NULL;
    size_t prefix = sizeof ID_PREFIX - 1;
    if (peek->kind != RPC_RESPONSE || peek->id.n <= prefix ||
        memcmp(peek->id.p, ID_PREFIX, prefix) != 0)
        return false;
    snprintf(id, sizeof id, ID_PREFIX "%u\"", s->roots.number);
    if (!span_is(peek->id, id) || s->roots.state == ROOTS_NONE)
        return true; /* of an earlier life of ours */
    if (!roots_first_path(rpc_member(message, "result"), path, sizeof path))
        snprintf(s->roots.said, sizeof s->roots.said, " It named no root either.");
    else if (!(project = pool_project_at(s->front->pool, path, how, &err)))
        snprintf(s->roots.said, sizeof s->roots.said, " Its root: %.300s.", err_text(&err));
    s->holds++;
    decide(s, project);
    wake(s);
    s->holds--;
    session_release(s);
    return true;
}

struct walk {
    int64_t now_ms;
    bool is_any;
};

static void check(void *arg, struct session *s)
{
    struct walk *walk = arg;
    if (s->roots.state != ROOTS_ASKED)
        return;
    if (walk->now_ms < s->roots.deadline_ms) {
        walk->is_any = true;
        return;
    }
    s->roots.state = ROOTS_SAID;
    snprintf(s->roots.said, sizeof s->roots.said,
             " It was asked for its roots and did not answer within %d ms.", WAIT_MS);
    s->holds++;
    wake(s);
    if (!session_has_project(s))
        s->roots.state = ROOTS_WANTED; /* the next call asks again */
    s->holds--;
    session_release(s);
}

bool roots_check_time(struct front *f, int64_t now_ms)
{
    struct walk walk = {.now_ms = now_ms};
    session_each(f, check, &walk);
    return walk.is_any;
}
