/* tests/unit/fake_runtime.h - a runtime without processes for test_pool.c: starts and stops are
 * noted, the test says what happens next, and dial gives one end of a socket pair whose other end
 * answers MCP as the test wants. Include after cmocka.h. */
#pragma once
#include "base/str.h"
#include "pool/slot.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FAKE_LINES 64

enum fake_mcp { MCP_ANSWERS, MCP_REFUSES, MCP_IS_SILENT, MCP_TOOL_FAILS, MCP_UNREACHABLE };

struct fake_life {
    char id[32], server[64], project[256], last_arg[64];
    int64_t generation;
    int port;
    bool is_running; /* started and not yet exited */
    int stops;
    char stop_reason[64];
};

static struct fake {
    struct pool *pool;
    struct fake_life lives[64];
    int count;         /* starts so far */
    bool is_automatic; /* a start comes up, a stop ends, by themselves */
    enum fake_mcp mcp;
    int calls;       /* tools/call seen */
    int shakes;      /* initialize seen */
    bool is_stopped; /* by a signal */
    bool refuses_start;
    int64_t memory_bytes;
    const char *found_id; /* sync reports this one */
    char found_project[256], found_key[128], found_server[64], found_definition[24];
    int found_port;
    bool was_row_there; /* at the last start: the registry had the row already */
    bool is_destroyed;
    /* stdio daemons */
    char lines[FAKE_LINES][2000];
    int line_count; /* given so far */
    bool is_full;
    bool is_quiet; /* initialize and ping are not answered by themselves */
    enum transport found_transport;
    int64_t found_given, found_taken;
    int found_instance;
} fake;

static void fake_say(struct fake_life *life, enum run_event_kind kind)
{
    pool_on_run_event(fake.pool, &(struct run_event){.kind = kind,
                                                     .daemon_id = life->id,
                                                     .generation = life->generation,
                                                     .port = life->port,
                                                     .pid = 4711,
                                                     .keeper_pid = 4710,
                                                     .exit_code = -1});
}

static void fake_exit(struct fake_life *life, int code, int signal_number, const char *tail)
{
    life->is_running = false;
    pool_on_run_event(fake.pool,
                      &(struct run_event){.kind = RUN_EXITED,
                                          .daemon_id = life->id,
                                          .generation = life->generation,
                                          .exit_code = code,
                                          .exit_signal = signal_number,
                                          .reason = life->stops ? life->stop_reason : NULL,
                                          .tail = tail});
}

struct fake_later { /* something that a real runtime says from the loop */
    struct ev_timer timer;
    struct fake_life *life;
    bool is_exit;
};

static void fake_on_later(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct fake_later *later = timer->data;
    struct fake_life *life = later->life;
    bool is_exit = later->is_exit;
    free(later);
    if (is_exit && life->is_running) {
        fake_exit(life, -1, 15, "");
    } else if (!is_exit && life->is_running) {
        fake_say(life, RUN_STARTED);
        if (life->port)
            fake_say(life, RUN_TRY_NOW);
    }
}

static void fake_later(struct fake_life *life, bool is_exit)
{
    struct fake_later *later = xcalloc(1, sizeof *later);
    later->life = life;
    later->is_exit = is_exit;
    ev_timer_init(&later->timer, fake_on_later, 0, 0);
    later->timer.data = later;
    ev_timer_start(fake.pool->loop, &later->timer);
}

static void fake_see_row(void *arg, const struct daemon_row *row)
{
    if (strcmp(row->id, arg) == 0 && strcmp(row->state, "starting") == 0)
        fake.was_row_there = true;
}

static bool fake_start(void *self, const struct run_spec *spec, struct err *err)
{
    (void)self;
    if (fake.refuses_start)
        return err_set(err, ERR_SYSTEM, 0, "no more processes");
    struct fake_life *life = &fake.lives[fake.count++];
    *life =
        (struct fake_life){.generation = spec->generation, .port = spec->port, .is_running = true};
    snprintf(life->id, sizeof life->id, "%s", spec->daemon_id);
    snprintf(life->server, sizeof life->server, "%s", spec->server);
    snprintf(life->project, sizeof life->project, "%s", spec->project);
    snprintf(life->last_arg, sizeof life->last_arg, "%s", spec->argv->items[spec->argv->count - 1]);
    fake.was_row_there = false;
    struct err ignored = {0};
    registry_daemons(fake.pool->registry, fake_see_row, life->id, &ignored);
    if (fake.is_automatic)
        fake_later(life, false);
    return true;
}

static struct fake_life *fake_life_of(const char *id)
{
    for (int i = 0; i < fake.count; i++)
        if (strcmp(fake.lives[i].id, id) == 0)
            return &fake.lives[i];
    return NULL;
}

static void fake_stop(void *self, const char *daemon_id, int64_t grace_ms, const char *reason)
{
    (void)self;
    (void)grace_ms;
    struct fake_life *life = fake_life_of(daemon_id);
    if (!life)
        return;
    life->stops++;
    snprintf(life->stop_reason, sizeof life->stop_reason, "%s", reason);
    if (fake.is_automatic)
        fake_later(life, true);
}

static void fake_on_synced(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    free(timer);
    if (fake.found_id) {
        struct fake_life *life = &fake.lives[fake.count++];
        *life = (struct fake_life){.generation = 7, .port = fake.found_port, .is_running = true};
        snprintf(life->id, sizeof life->id, "%s", fake.found_id);
        pool_on_run_event(fake.pool, &(struct run_event){.kind = RUN_FOUND,
                                                         .daemon_id = life->id,
                                                         .generation = 7,
                                                         .project = fake.found_project,
                                                         .project_key = fake.found_key,
                                                         .server = fake.found_server,
                                                         .definition = fake.found_definition,
                                                         .port = fake.found_port,
                                                         .transport = fake.found_transport,
                                                         .instance = fake.found_instance,
                                                         .lines_given = fake.found_given,
                                                         .lines_taken = fake.found_taken,
                                                         .pid = 4711,
                                                         .keeper_pid = 4710,
                                                         .started_unix_ms = 1000});
    }
    pool_on_run_event(fake.pool, &(struct run_event){.kind = RUN_SYNCED});
}

static void fake_sync(void *self)
{
    (void)self;
    struct ev_timer *timer = xcalloc(1, sizeof *timer);
    ev_timer_init(timer, fake_on_synced, 0, 0);
    ev_timer_start(fake.pool->loop, timer);
}

/* --- the MCP server at the other end --- */

struct fake_peer {
    struct ev_io io;
    char in[8192];
    size_t n;
};

static void fake_answer(int fd, const char *body)
{
    const char *end = strstr(body, "\"id\":");
    int id = end ? atoi(end + 5) : 0;
    char json[600], out[1000];
    bool is_call = strstr(body, "tools/call") != NULL;
    fake.calls += is_call;
    fake.shakes += strstr(body, "\"initialize\"") != NULL;
    if (!id) {
        snprintf(out, sizeof out, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
    } else {
        if (fake.mcp == MCP_REFUSES)
            snprintf(json, sizeof json,
                     "{\"jsonrpc\":\"2.0\",\"id\":%d,\"error\":{\"code\":-32603,"
                     "\"message\":\"not today\"}}",
                     id);
        else
            snprintf(json, sizeof json,
                     "{\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":{\"content\":[{\"type\":\"text\","
                     "\"text\":\"%s\"}]}}",
                     id,
                     is_call && fake.mcp == MCP_TOOL_FAILS
                         ? "Error executing tool find: no language server\\nmore"
                         : "fine");
        snprintf(out, sizeof out,
                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                 "Mcp-Session-Id: s1\r\nContent-Length: %zu\r\n\r\n%s",
                 strlen(json), json);
    }
    ssize_t n = send(fd, out, strlen(out), MSG_NOSIGNAL);
    (void)n; /* the asker may be gone */
}

static void fake_on_peer(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)events;
    struct fake_peer *peer = io->data;
    ssize_t n = read(io->fd, peer->in + peer->n, sizeof peer->in - 1 - peer->n);
    if (n > 0) {
        peer->n += (size_t)n;
        peer->in[peer->n] = '\0';
        char *length = strstr(peer->in, "Content-Length: "), *end = strstr(peer->in, "\r\n\r\n");
        if (!length || !end || strlen(end + 4) < (size_t)atoi(length + 16))
            return;
        if (fake.mcp != MCP_IS_SILENT) {
            fake_answer(io->fd, end + 4);
            n = 0;
        }
    }
    if (n == 0) {
        ev_io_stop(loop, io);
        close(io->fd);
        free(peer);
    }
}

static bool fake_dial(void *self, const char *daemon_id, int *fd, struct err *err)
{
    (void)self;
    int pair[2];
    struct fake_life *life = fake_life_of(daemon_id);
    if (!life || !life->is_running || fake.mcp == MCP_UNREACHABLE)
        return err_set(err, ERR_DAEMON_LOST, 0, "nothing listens");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
        return err_set(err, ERR_SYSTEM, 0, "no socket pair");
    struct fake_peer *peer = xcalloc(1, sizeof *peer);
    ev_io_init(&peer->io, fake_on_peer, pair[1], EV_READ);
    peer->io.data = peer;
    ev_io_start(fake.pool->loop, &peer->io);
    *fd = pair[0];
    return true;
}

static void fake_usage(void *self, const char *daemon_id, run_usage_fn *done, void *arg)
{
    (void)self;
    done(arg, daemon_id, &(struct run_usage){.rss_bytes = fake.memory_bytes, .processes = 1});
}

static bool fake_is_stopped(void *self, const char *daemon_id)
{
    (void)self;
    (void)daemon_id;
    return fake.is_stopped;
}

static enum port_state fake_port(void *self, const char *daemon_id)
{
    (void)self;
    (void)daemon_id;
    return PORT_OURS;
}

static void fake_destroy(void *self)
{
    (void)self;
    fake.is_destroyed = true;
}

/* A line that a stdio daemon says. */
static inline void fake_line(struct fake_life *life, const char *json)
{
    pool_on_run_event(fake.pool, &(struct run_event){.kind = RUN_LINE,
                                                     .daemon_id = life->id,
                                                     .generation = life->generation,
                                                     .line = json,
                                                     .line_size = strlen(json)});
}

struct fake_said { /* the answer that a stdio daemon gives from the loop */
    struct ev_timer timer;
    struct fake_life *life;
    char json[400];
};

static void fake_on_said(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct fake_said *said = timer->data;
    if (said->life->is_running && !fake.is_destroyed)
        fake_line(said->life, said->json);
    free(said);
}

/* Answer initialize or ping. */
static void fake_later_line(struct fake_life *life, const char *line)
{
    struct fake_said *said = xcalloc(1, sizeof *said);
    const char *id = strstr(line, "\"id\":\"") + 6;
    snprintf(said->json, sizeof said->json, "{\"jsonrpc\":\"2.0\",\"id\":\"%.*s\",\"result\":{%s}}",
             (int)strcspn(id, "\""), id,
             strstr(line, "\"initialize\"") ? "\"protocolVersion\":\"2025-11-25\"" : "");
    said->life = life;
    ev_timer_init(&said->timer, fake_on_said, 0, 0);
    said->timer.data = said;
    ev_timer_start(fake.pool->loop, &said->timer);
}

/* What stdio daemons were given, one line each. */
static bool fake_send_line(void *self, const char *daemon_id, const char *json, size_t n,
                           struct err *err)
{
    (void)self;
    struct fake_life *life = fake_life_of(daemon_id);
    if (!life || !life->is_running)
        return err_set(err, ERR_DAEMON_LOST, 0, "the daemon is not there");
    if (fake.is_full)
        return err_set(err, ERR_CONFLICT, 0, "the daemon does not read its input");
    char *line = fake.lines[fake.line_count++ % FAKE_LINES];
    snprintf(line, sizeof *fake.lines, "%.*s", (int)n, json);
    fake.shakes += strstr(line, "\"initialize\"") != NULL;
    if (!fake.is_quiet && (strstr(line, "\"initialize\"") || strstr(line, "\"ping\"")))
        fake_later_line(life, line);
    return true;
}

static size_t fake_unread(void *self, const char *daemon_id)
{
    (void)self;
    (void)daemon_id;
    return fake.is_full ? 1000 : 0;
}

static const struct runtime fake_runtime = {
    .start = fake_start,
    .stop = fake_stop,
    .sync = fake_sync,
    .dial = fake_dial,
    .is_stopped = fake_is_stopped,
    .port = fake_port,
    .send_line = fake_send_line,
    .unread = fake_unread,
    .usage = fake_usage,
    .destroy = fake_destroy,
};
