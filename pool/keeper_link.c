/* pool/keeper_link.c - see keeper_link.h. */
#include "pool/keeper_link.h"

#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "keeper/wire.h"
#include "platform/net.h"

#include <errno.h>
#include <ev.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_MS 5000
#define AGAIN_MS 20
#define ACK_MS 10                   /* lines are acknowledged together, or with what is sent next */
#define ACK_BYTES (WIRE_WINDOW / 4) /* but before the keeper's window is full */
#define READ_SIZE 65536

struct keeper_link {
    struct ev_loop *loop;
    struct keeper_link_listener listener;
    char *path;
    int64_t epoch, until_ms;
    int fd; /* -1: not connected */
    struct ev_io io;
    struct ev_timer connect; /* also the way to tell a failure from the loop */
    struct ev_timer ack;     /* the acknowledgement that is due */
    size_t unacked;          /* bytes of lines that it is for */
    struct inputs *inputs;
    bool is_greeted; /* inputs may go out */
    struct buf in, out;
    bool is_in_frame; /* a listener is being called: who frees it now only marks it */
    bool is_freed;
};

static void link_close(struct keeper_link *link)
{
    ev_timer_stop(link->loop, &link->connect);
    ev_timer_stop(link->loop, &link->ack);
    if (link->fd < 0)
        return;
    ev_io_stop(link->loop, &link->io);
    close(link->fd);
    link->fd = -1;
}

void keeper_link_free(struct keeper_link *link)
{
    if (!link)
        return;
    link_close(link);
    link->is_freed = true;
    if (link->is_in_frame)
        return;
    buf_release(&link->in);
    buf_release(&link->out);
    free(link->path);
    free(link);
}

static void link_end(struct keeper_link *link, bool is_superseded)
{
    link_close(link);
    link->listener.on_end(link->listener.arg, is_superseded);
}

/* --- sending --- */

static void watch(struct keeper_link *link)
{
    int events = EV_READ | (link->out.len ? EV_WRITE : 0);
    if (link->fd < 0 || (ev_is_active(&link->io) && link->io.events == events))
        return;
    ev_io_stop(link->loop, &link->io);
    ev_io_set(&link->io, link->fd, events);
    ev_io_start(link->loop, &link->io);
}

/* Errors show at the next read. */
static void flush(struct keeper_link *link)
{
    while (link->fd >= 0 && link->out.len) {
        ssize_t n = send(link->fd, link->out.data, link->out.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        buf_consume(&link->out, (size_t)n);
    }
    watch(link);
}

/* What was taken is acknowledged with the next frame that is sent. */
static void put_ack(struct keeper_link *link)
{
    if (!link->unacked)
        return;
    link->unacked = 0;
    ev_timer_stop(link->loop, &link->ack);
    if (!wire_put(&link->out, WIRE_LINE_ACK, link->inputs->heard, NULL, 0))
        buf_release(&link->out); /* as below */
}

static void put(struct keeper_link *link, enum wire_type type, struct buf *text)
{
    put_ack(link);
    if (!wire_put(&link->out, type, 0, text ? text->data : NULL, text ? text->len : 0))
        buf_release(
            &link->out); /* a keeper that takes nothing for so long: it will be found dead */
    if (text)
        buf_release(text);
    flush(link);
}

void keeper_link_stop(struct keeper_link *link, int64_t grace_ms, const char *reason)
{
    struct buf text = BUF_INIT(4096);
    if (wire_text_add_int(&text, "grace_ms", grace_ms) &&
        wire_text_add(&text, "reason", reason ? reason : ""))
        put(link, WIRE_STOP, &text);
    buf_release(&text);
}

void keeper_link_ask_usage(struct keeper_link *link)
{
    put(link, WIRE_USAGE_ASK, NULL);
}

bool keeper_link_send(struct keeper_link *link, const char *json, size_t n, struct err *err)
{
    const char *frame;
    size_t size;
    if (!inputs_add(link->inputs, json, n, &frame, &size, err))
        return false;
    if (!link->is_greeted)
        return true; /* goes out after the keeper's first word */
    put_ack(link);
    if (!buf_add(&link->out, frame, size))
        return err_set(err, ERR_DAEMON_LOST, 0, "its keeper takes nothing");
    flush(link);
    return true;
}

void keeper_link_bye(struct keeper_link *link)
{
    put(link, WIRE_BYE, NULL);
}

/* --- receiving --- */

static int64_t number(const char *value)
{
    int64_t n = 0;
    return str_to_int(value, INT64_MIN, INT64_MAX, &n) ? n : 0;
}

static void take_pair(struct keeper_status *s, const char *key, const char *value)
{
    static const char *const states[] = {"starting", "running", "stopping", "exited"};
    struct {
        const char *key;
        char **text;
    } const texts[] = {
        {"id", &s->id},         {"project", &s->project},        {"project_key", &s->project_key},
        {"server", &s->server}, {"definition", &s->definition},  {"boot_id", &s->boot_id},
        {"tail", &s->tail},     {"stop_reason", &s->stop_reason}};
    struct {
        const char *key;
        int *number;
    } const numbers[] = {{"keeper_pid", &s->keeper_pid},
                         {"pid", &s->pid},
                         {"port", &s->port},
                         {"instance", &s->instance},
                         {"exec_errno", &s->exec_errno},
                         {"exit_code", &s->exit_code},
                         {"exit_signal", &s->exit_signal}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(key, texts[i].key) == 0)
            str_replace(texts[i].text, value);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(key, numbers[i].key) == 0)
            *numbers[i].number = (int)number(value);
    if (strcmp(key, "generation") == 0)
        s->generation = number(value);
    if (strcmp(key, "started_unix_ms") == 0)
        s->started_unix_ms = number(value);
    if (strcmp(key, "start_time") == 0)
        s->start_time = strtoull(value, NULL, 10);
    if (strcmp(key, "inputs_taken") == 0)
        s->inputs_taken = strtoull(value, NULL, 10);
    if (strcmp(key, "lines_acked") == 0)
        s->lines_acked = strtoull(value, NULL, 10);
    if (strcmp(key, "transport") == 0)
        s->transport = strcmp(value, "sse") == 0     ? TRANSPORT_SSE
                       : strcmp(value, "stdio") == 0 ? TRANSPORT_STDIO
                                                     : TRANSPORT_HTTP;
    for (int i = 0; strcmp(key, "state") == 0 && i < 4; i++)
        if (strcmp(value, states[i]) == 0)
            s->state = (enum keeper_state)i;
}

/* The keeper says where it stands: what it has not got is sent again. */
static void resume_inputs(struct keeper_link *link, uint64_t taken)
{
    inputs_greet(link->inputs, taken);
    link->is_greeted = true;
    if (!link->inputs->frames.len)
        return;
    if (!buf_add(&link->out, link->inputs->frames.data, link->inputs->frames.len))
        buf_release(&link->out); /* as above */
    flush(link);
}

static void take_status(struct keeper_link *link, const char *payload, size_t n, bool is_welcome)
{
    struct keeper_status s = {.exit_code = -1};
    char **const all[] = {&s.id,         &s.project, &s.project_key, &s.server,
                          &s.definition, &s.boot_id, &s.tail};
    char *key, *value;
    const char *at = payload;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        *all[i] = xstrdup("");
    while (wire_text_next(&at, payload + n, &key, &value)) {
        take_pair(&s, key, value);
        free(key);
        free(value);
    }
    if (is_welcome && s.transport == TRANSPORT_STDIO)
        resume_inputs(link, s.inputs_taken);
    link->listener.on_status(link->listener.arg, &s);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(*all[i]);
    free(s.stop_reason);
}

static void take_usage(struct keeper_link *link, const char *payload, size_t n)
{
    struct run_usage usage = {0};
    char *key, *value;
    const char *at = payload;
    while (wire_text_next(&at, payload + n, &key, &value)) {
        if (strcmp(key, "rss_bytes") == 0)
            usage.rss_bytes = number(value);
        if (strcmp(key, "pss_bytes") == 0)
            usage.pss_bytes = number(value);
        if (strcmp(key, "cpu_ms") == 0)
            usage.cpu_ms = number(value);
        if (strcmp(key, "processes") == 0)
            usage.processes = (int)number(value);
        free(key);
        free(value);
    }
    link->listener.on_usage(link->listener.arg, &usage);
}

static void on_ack(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct keeper_link *link = timer->data;
    put_ack(link);
    flush(link);
}

/* The next frame to the keeper takes the acknowledgement along; the timer is for silence. */
static void take_line(struct keeper_link *link, const struct wire_header *header,
                      const char *payload)
{
    if (header->sequence > link->inputs->heard) {
        link->listener.on_line(link->listener.arg, payload, header->length);
        if (link->is_freed)
            return;
        link->inputs->heard = header->sequence;
    }
    link->unacked += sizeof *header + header->length;
    if (link->unacked >= ACK_BYTES) {
        put_ack(link);
        flush(link);
    } else if (!ev_is_active(&link->ack)) {
        ev_timer_set(&link->ack, ACK_MS / 1000.0, 0);
        ev_timer_start(link->loop, &link->ack);
    }
}

/* One frame; false if the link has ended or is gone. */
static bool take_frame(struct keeper_link *link, const struct wire_header *header,
                       const char *payload)
{
    link->is_in_frame = true;
    if (header->type == WIRE_WELCOME || header->type == WIRE_STATUS)
        take_status(link, payload, header->length, header->type == WIRE_WELCOME);
    else if (header->type == WIRE_USAGE)
        take_usage(link, payload, header->length);
    else if (header->type == WIRE_LINE)
        take_line(link, header, payload);
    else if (header->type == WIRE_INPUT_ACK && inputs_ack(link->inputs, header->sequence))
        link->listener.on_room(link->listener.arg);
    link->is_in_frame = false;
    if (link->is_freed) {
        keeper_link_free(link);
        return false;
    }
    if (header->type == WIRE_SUPERSEDED) {
        link_end(link, true);
        return false;
    }
    wire_drop(&link->in, header);
    return true;
}

static void on_readable(struct keeper_link *link)
{
    char *room = buf_reserve(&link->in, READ_SIZE);
    ssize_t n = room ? recv(link->fd, room, READ_SIZE, 0) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n <= 0) {
        link_end(link, false);
        return;
    }
    buf_commit(&link->in, (size_t)n);
    struct wire_header header;
    const char *payload;
    int got;
    while ((got = wire_get(&link->in, &header, &payload)) > 0)
        if (!take_frame(link, &header, payload))
            return;
    if (got < 0)
        link_end(link, false);
    else if (!link->in.len)
        buf_release(&link->in);
}

static void on_io(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop;
    struct keeper_link *link = io->data;
    if (events & EV_WRITE)
        flush(link);
    if (events & EV_READ)
        on_readable(link);
}

/* --- connecting --- */

static void on_connect(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct keeper_link *link = timer->data;
    struct err err = {0};
    if (net_connect_unix(link->path, &link->fd, &err)) {
        ev_timer_stop(link->loop, &link->connect);
        flush(link);
        return;
    }
    if (err.sys != EAGAIN || clock_ms() > link->until_ms)
        link_end(link, false);
}

struct keeper_link *keeper_link_new(struct ev_loop *loop, const char *path, int64_t epoch,
                                    struct inputs *inputs,
                                    const struct keeper_link_listener *listener)
{
    struct keeper_link *link = xcalloc(1, sizeof *link);
    link->loop = loop;
    link->listener = *listener;
    link->path = xstrdup(path);
    link->epoch = epoch;
    link->inputs = inputs;
    link->until_ms = clock_ms() + CONNECT_MS;
    link->fd = -1;
    link->in = (struct buf)BUF_INIT(CAP_KEEPER_FRAME + 65536);
    link->out = (struct buf)BUF_INIT(CAP_OUT + WIRE_WINDOW + CAP_KEEPER_FRAME);
    ev_io_init(&link->io, on_io, -1, EV_READ);
    link->io.data = link;
    ev_timer_init(&link->connect, on_connect, 0, AGAIN_MS / 1000.0);
    link->connect.data = link;
    ev_timer_init(&link->ack, on_ack, ACK_MS / 1000.0, 0);
    link->ack.data = link;
    ev_timer_start(loop, &link->connect);
    struct buf hello = BUF_INIT(256); /* first of all, whatever is asked before it is connected */
    if (wire_text_add_int(&hello, "version", WIRE_VERSION) &&
        wire_text_add_int(&hello, "epoch", epoch))
        put(link, WIRE_HELLO, &hello);
    buf_release(&hello);
    return link;
}
