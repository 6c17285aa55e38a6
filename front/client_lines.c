/* front/client_lines.c - see client_lines.h. */
#include "front/client_lines.h"

#include "base/caps.h"
#include "base/str.h"
#include "front/batch.h"
#include "front/client_stream.h"
#include "front/late.h"
#include "front/lines_session.h"
#include "front/modern_lines.h"
#include "mcp/lean.h"
#include "mcp/lines.h"
#include "mcp/repeat.h"
#include "mcp/roots.h"
#include "mcp/sse.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CALLS_MAX 256 /* under way at once of one client; then it is not read on */

/* --- writing --- */

void lines_write(struct conn *c, struct span json)
{
    /* Line ends between the tokens of a daemon's JSON are blanks; within strings there are none. */
    for (const char *at = json.p, *end = json.p + json.n; at < end && !c->is_doomed;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        conn_add(c, at, (size_t)((stop ? stop : end) - at));
        if (stop)
            conn_add(c, " ", 1);
        at = stop ? stop + 1 : end;
    }
    conn_add(c, "\n", 1);
}

void lines_write_events(struct conn *c, const char *bytes, size_t n)
{
    struct sse_splitter split = {0};
    for (size_t at = 0, len; at < n && (len = sse_first(&split, bytes + at, n - at)) > 0;
         at += len) {
        struct buf data = BUF_INIT(CAP_MESSAGE);
        if (sse_event_data(bytes + at, len, &data) && data.len)
            lines_write(c, (struct span){data.data, data.len});
        buf_release(&data);
    }
}

void lines_write_error(struct conn *c, struct span id, int code, const char *text)
{
    struct buf body = BUF_INIT(CAP_OUT + id.n);
    if (rpc_write_error(&body, id, code, text, (struct span){0}))
        lines_write(c, (struct span){body.data, body.len});
    buf_release(&body);
    conn_flush(c);
}

static void write_error(struct lines *l, struct span id, enum err_code code, const char *text)
{
    lines_write_error(l->conn, id, err_row(code)->rpc, text);
}

static void answer_ping(struct lines *l, struct span id)
{
    struct buf body = BUF_INIT(CAP_HEAD + id.n);
    if (rpc_write_empty(&body, id))
        lines_write(l->conn, (struct span){body.data, body.len});
    buf_release(&body);
    conn_flush(l->conn);
}

/* --- requests of the stateless revision --- */

static bool is_modern(const struct rpc_peek *peek)
{
    return peek->is_modern || rpc_text_is(peek->method, "server/discover");
}

/* The process is looked at when it begins, and once more with each server/discover. */
static struct lines_who who_of(struct lines *l, const struct rpc_peek *peek)
{
    static struct peer_process process; /* large; one thread */
    if (!l->owner || rpc_text_is(peek->method, "server/discover")) {
        owner_free(l->owner);
        bool is_found = peer_of_pid(l->pid, &process) == PEER_FOUND;
        l->owner = owner_new(&process, is_found);
    }
    return (struct lines_who){&l->hello, l->has_hello ? lines_session(l) : NULL, l->owner};
}

static void on_modern(struct lines *l, struct span line, const struct rpc_peek *peek)
{
    struct lines_who who = who_of(l, peek);
    l->has_modern = true;
    modern_lines_request(l->conn, &who, line, peek);
}

/* --- control messages --- */

static void welcome(struct lines *l, const struct session *s, const struct err *err)
{
    struct buf text = BUF_INIT(CAP_HEAD);
    struct lines_welcome w = {0};
    if (s)
        w = (struct lines_welcome){.session = s->id, .is_initialized = s->initialize != NULL};
    if (s && session_has_project(s)) {
        w.project = s->daemon->project->root;
        w.project_key = s->daemon->project->key;
        w.server = s->daemon->server;
    }
    bool ok = s ? lines_welcome_write(&text, &w) : lines_refusal_write(&text, err);
    if (ok)
        lines_write(l->conn, (struct span){text.data, text.len});
    buf_release(&text);
    conn_flush(l->conn);
}

static void on_hello(struct lines *l, struct span line)
{
    struct err err = {0};
    struct session *s = NULL;
    if (!l->has_begun && lines_hello_read(line, &l->hello, &err)) {
        l->has_hello = true;
        s = lines_open_session(l, true, &err);
    } else if (l->has_begun) {
        err_set(&err, ERR_BAD_REQUEST, 0, "the session is named by the first line only");
    }
    welcome(l, s, &err);
}

/* In a lean session a call stands for another one. */
static bool is_safe(struct session *s, struct span request, const struct rpc_peek *peek)
{
    struct span tools = known_list(s, KNOWN_TOOLS), name;
    enum lean_tool tool = s->is_lean && peek->tool.p ? lean_tool_of(peek->tool) : LEAN_NONE;
    if (tool != LEAN_CALL)
        return tool != LEAN_NONE || repeat_is_safe(peek, tools);
    struct buf body = BUF_INIT(CAP_BODY);
    struct rpc_peek meant;
    struct err err = {0};
    bool ok = lean_unwrap(&body, request, peek, &name, &err);
    if (ok) {
        rpc_peek(body.data, body.len, &meant);
        ok = repeat_is_safe(&meant, tools);
    }
    buf_release(&body);
    return ok;
}

static bool is_under_way(const struct session *s, struct span id)
{
    list_each(node, after, &s->flights)
    {
        const struct flight *f = container_of(node, struct flight, session_node);
        if ((f->kind == FLIGHT_CALL || f->kind == FLIGHT_INITIALIZE) && !f->has_answer &&
            f->id.n == id.n && memcmp(f->id.p, id.p, id.n) == 0)
            return true;
    }
    return false;
}

/* Its answer never came: poold was gone, or the connection. */
static void on_again(struct lines *l, struct span again)
{
    struct session *s = lines_session(l);
    struct rpc_peek peek = {.kind = RPC_INVALID, .id = again};
    struct err err = {0};
    if (again.p[0] == '{')
        rpc_peek(again.p, again.n, &peek);
    if (peek.kind == RPC_REQUEST && is_modern(&peek)) { /* its session is another one */
        struct lines_who who = who_of(l, &peek);
        s = modern_lines_session(l->conn->front, &who, &peek, &err);
        if (!s || is_safe(s, again, &peek)) /* else what is wrong is said there */
            on_modern(l, again, &peek);
        else
            write_error(l, peek.id, ERR_DAEMON_LOST, flight_lost_text);
        return;
    }
    if (!s || !peek.id.n || is_under_way(s, peek.id) || late_give(s, peek.id))
        return;
    if (peek.kind == RPC_REQUEST && is_safe(s, again, &peek))
        client_stream_message(s, again, &peek, NULL);
    else if (!late_wait(s, again, &peek))
        write_error(l, peek.id, ERR_DAEMON_LOST, flight_lost_text);
}

/* --- messages --- */

static void on_batch(struct lines *l, struct session *s, struct span array)
{
    const char *why = NULL, *at = array.p, *stop = array.p + array.n;
    if (batch_count(s, array, &why) < 0) {
        write_error(l, (struct span){0}, ERR_BAD_REQUEST, why);
        return;
    }
    for (struct span element; l->conn->user && rpc_batch_next(&at, stop, &element);) {
        struct rpc_peek peek;
        rpc_peek(element.p, element.n, &peek);
        client_stream_message(s, element, &peek, NULL);
    }
}

static void on_message(struct lines *l, struct span line)
{
    struct rpc_peek peek;
    struct err err = {0};
    rpc_peek(line.p, line.n, &peek);
    if (peek.kind == RPC_INVALID) {
        write_error(l, (struct span){0}, ERR_PARSE, "the line is not a JSON-RPC message");
        return;
    }
    if (is_modern(&peek)) {
        if (peek.kind == RPC_REQUEST)
            on_modern(l, line, &peek);
        return;
    }
    bool is_cancelled = rpc_text_is(peek.method, "notifications/cancelled");
    if (is_cancelled && modern_lines_cancel(l->conn, rpc_member(peek.params, "requestId")))
        return;
    struct session *s = lines_session(l);
    if (!s && rpc_text_is(peek.method, "ping") && peek.kind == RPC_REQUEST) {
        answer_ping(l, peek.id);
        return;
    }
    if (!s && peek.kind != RPC_REQUEST)
        return;
    if (!s)
        s = lines_open_session(l, roots_declared(peek.params), &err);
    if (!s)
        write_error(l, peek.id, err.code, err_text(&err));
    else if (peek.kind == RPC_BATCH)
        on_batch(l, s, line);
    else
        client_stream_message(s, line, &peek, NULL);
}

static void on_line(struct lines *l, struct span line)
{
    while (line.n && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == ' '))
        line.n--;
    if (!line.n)
        return;
    if (!lines_is_control(line)) {
        on_message(l, line);
    } else {
        struct span again = lines_again(line);
        if (again.n)
            on_again(l, again);
        else
            on_hello(l, line);
    }
    l->has_begun = true;
}

/* --- reading --- */

static bool is_busy(const struct lines *l)
{
    const struct session *s = l->conn->user ? l->conn->user_self : NULL;
    return conn_is_full(l->conn) || (s && s->calls >= CALLS_MAX) ||
           (l->has_modern && modern_lines_calls(l->conn) >= CALLS_MAX);
}

static size_t take(struct conn *c, const char *bytes, size_t n)
{
    struct lines *l = c->reader_self;
    if (is_busy(l)) {
        conn_pause(c);
        return 0;
    }
    const char *stop = memchr(bytes + l->scanned, '\n', n - l->scanned);
    size_t len = stop ? (size_t)(stop - bytes) : n;
    if (!stop && !c->has_ended && !l->is_skipping && len <= CAP_BODY) {
        l->scanned = n;
        return 0;
    }
    l->scanned = 0;
    if (l->is_skipping || len > CAP_BODY) {
        if (!l->is_skipping)
            write_error(l, (struct span){0}, ERR_TOO_BIG, "the line is longer than 4 MiB");
        l->is_skipping = !stop;
    } else {
        on_line(l, (struct span){bytes, len});
    }
    return stop ? len + 1 : len;
}

static void on_room(struct conn *c)
{
    struct lines *l = c->reader_self;
    if (l->has_modern)
        modern_lines_resume(c);
    if ((c->is_paused || c->has_ended) && !ev_is_active(&l->turn)) {
        ev_timer_set(&l->turn, 0, 0);
        ev_timer_start(c->front->loop, &l->turn);
    }
}

/* The client sends no more and has had all its answers. */
static void leave(struct conn *c)
{
    struct session *s = c->user ? c->user_self : NULL;
    c->will_close = true;
    if (!s) {
        conn_finish(c);
        return;
    }
    session_stream_close(s);
    if (s->ends_with_stream)
        session_end(s);
    session_release(s);
}

static void on_turn(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop;
    (void)events;
    struct lines *l = container_of(w, struct lines, turn);
    struct conn *c = l->conn;
    if (c->is_doomed || c->state != CONN_READING)
        return;
    if (c->is_paused || c->in.len)
        conn_resume(c);
    struct session *s = c->user ? c->user_self : NULL;
    if (!c->is_doomed && c->has_ended && !c->is_paused && (!s || !s->calls) &&
        !(l->has_modern && modern_lines_calls(c)))
        leave(c);
}

static void on_close(struct conn *c)
{
    const struct lines *l = c->reader_self;
    if (l->has_modern)
        modern_lines_gone(c);
}

static void free_lines(struct conn *c)
{
    struct lines *l = c->reader_self;
    owner_free(l->owner);
    ev_timer_stop(c->front->loop, &l->turn);
    lines_hello_finish(&l->hello);
    free(l);
}

static const struct conn_reader lines_reader = {take, on_room, on_room, on_close, free_lines};

void client_lines_accept(struct front *f, int fd)
{
    pid_t pid;
    uid_t uid;
    if (!peer_of_unix(fd, &pid, &uid) || uid != f->uid) { /* the file's mode keeps others out */
        close(fd);
        return;
    }
    struct lines *l = xcalloc(1, sizeof *l);
    l->pid = pid;
    l->conn = conn_create_with(f, fd, &lines_reader, l);
    ev_timer_init(&l->turn, on_turn, 0, 0);
}
