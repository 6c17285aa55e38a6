/* keeper/server.c - see server.h. */
#include "keeper/server.h"

#include "base/caps.h"
#include "base/clock.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE (16 * 1024)

void server_init(struct server *server, int listen_fd, uint64_t epoch)
{
    *server = (struct server){
        .listen_fd = listen_fd, .epoch = epoch, .owner_gone_ms = clock_ms()};
    for (int i = 0; i < SERVER_CONNECTIONS; i++)
        server->peers[i].fd = -1;
}

void server_finish(struct server *server)
{
    for (int i = 0; i < SERVER_CONNECTIONS; i++)
        if (server->peers[i].fd >= 0)
            server_drop(server, &server->peers[i]);
    if (server->listen_fd >= 0)
        close(server->listen_fd);
    server->listen_fd = -1;
}

static void disown(struct server *server, struct peer *peer)
{
    if (server->owner != peer)
        return;
    server->owner = NULL;
    server->owner_gone_ms = clock_ms();
}

void server_drop(struct server *server, struct peer *peer)
{
    if (peer->fd < 0)
        return;
    disown(server, peer);
    close(peer->fd);
    buf_release(&peer->in);
    buf_release(&peer->out);
    *peer = (struct peer){.fd = -1};
}

/* SIGPIPE is ignored in a keeper: a peer that is gone is an error like any other. */
static void flush(struct server *server, struct peer *peer)
{
    while (peer->fd >= 0 && peer->out.len) {
        ssize_t n = send(peer->fd, peer->out.data, peer->out.len, 0);
        if (n > 0) {
            buf_consume(&peer->out, (size_t)n);
        } else if (errno == EAGAIN || errno == EINTR) {
            return;
        } else {
            server_drop(server, peer);
            return;
        }
    }
    if (peer->fd < 0)
        return;
    buf_release(&peer->out);
    if (peer->is_closing)
        server_drop(server, peer);
}

void server_send_frame(struct server *server, struct peer *to, const char *frame, size_t n)
{
    if (to->fd < 0 || to->is_closing)
        return;
    if (buf_add(&to->out, frame, n))
        flush(server, to);
    else
        server_drop(server, to);
}

void server_send(struct server *server, struct peer *to, enum wire_type type, uint64_t sequence,
                 const void *payload, size_t n)
{
    if (to->fd < 0 || to->is_closing)
        return;
    if (wire_put(&to->out, type, sequence, payload, n))
        flush(server, to);
    else
        server_drop(server, to);
}

void server_close_later(struct server *server, struct peer *peer)
{
    disown(server, peer);
    peer->is_closing = true;
    flush(server, peer);
}

static void supersede(struct server *server, struct peer *peer)
{
    struct buf text = BUF_INIT(128);
    if (wire_text_add_int(&text, "epoch", (int64_t)server->epoch))
        server_send(server, peer, WIRE_SUPERSEDED, 0, text.data, text.len);
    buf_release(&text);
    if (peer->fd >= 0)
        server_close_later(server, peer);
}

static bool read_hello(const char *payload, size_t n, int64_t *version, int64_t *epoch)
{
    const char *at = payload;
    char *key, *value;
    *version = *epoch = -1;
    while (wire_text_next(&at, payload + n, &key, &value)) {
        bool is_version = strcmp(key, "version") == 0, is_epoch = strcmp(key, "epoch") == 0;
        bool ok = (!is_version && !is_epoch) ||
                  str_to_int(value, is_version, INT64_MAX, is_version ? version : epoch);
        free(key);
        free(value);
        if (!ok)
            return false;
    }
    return *version > 0 && *epoch >= 0;
}

/* The newest poold takes over from those before it. */
static void crown(struct server *server, struct peer *peer)
{
    server->epoch = peer->epoch;
    server->owner = peer;
    for (int i = 0; i < SERVER_CONNECTIONS; i++) {
        struct peer *other = &server->peers[i];
        if (other->fd >= 0 && other->has_greeted && other->epoch && other->epoch < server->epoch &&
            !other->is_closing)
            supersede(server, other);
    }
}

static void greet(struct server *server, struct peer *peer, const char *payload, size_t n)
{
    int64_t version, epoch;
    if (!read_hello(payload, n, &version, &epoch)) {
        server_drop(server, peer);
        return;
    }
    peer->has_greeted = true;
    peer->epoch = (uint64_t)epoch;
    if (peer->epoch && peer->epoch < server->epoch) {
        supersede(server, peer);
        return;
    }
    if (peer->epoch)
        crown(server, peer);
    struct buf text = BUF_INIT(CAP_OUT);
    server->fill_welcome(server->arg, &text, version < WIRE_VERSION ? version : WIRE_VERSION);
    server_send(server, peer, WIRE_WELCOME, 0, text.data, text.len);
    buf_release(&text);
    if (server->owner == peer)
        server->on_owner(server->arg);
}

static void take_frames(struct server *server, struct peer *peer)
{
    struct wire_header header;
    const char *payload;
    int got = 0;
    while (peer->fd >= 0 && !peer->is_closing &&
           (got = wire_get(&peer->in, &header, &payload)) > 0) {
        if (header.type == WIRE_HELLO && !peer->has_greeted)
            greet(server, peer, payload, header.length);
        else if (peer->has_greeted)
            server->on_frame(server->arg, peer, &header, payload);
        else
            server_drop(server, peer); /* whoever does not say HELLO is none of ours */
        if (peer->fd >= 0)
            wire_drop(&peer->in, &header);
    }
    if (got < 0)
        server_drop(server, peer);
    else if (peer->fd >= 0 && !peer->in.len)
        buf_release(&peer->in);
}

static void receive(struct server *server, struct peer *peer)
{
    static char bytes[READ_SIZE];
    ssize_t n = recv(peer->fd, bytes, sizeof bytes, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || !buf_add(&peer->in, bytes, (size_t)n))
        server_drop(server, peer);
    else
        take_frames(server, peer);
}

/* The place for a new connection. When all are taken, one that is not the owner's goes. */
static struct peer *place_for_peer(struct server *server)
{
    for (int i = 0; i < SERVER_CONNECTIONS; i++)
        if (server->peers[i].fd < 0)
            return &server->peers[i];
    static int turn;
    do
        turn = (turn + 1) % SERVER_CONNECTIONS;
    while (&server->peers[turn] == server->owner);
    server_drop(server, &server->peers[turn]);
    return &server->peers[turn];
}

static void admit(struct server *server)
{
    int fd = accept(server->listen_fd, NULL, NULL);
    if (fd < 0)
        return;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    *place_for_peer(server) = (struct peer){
        .fd = fd,
        .in = BUF_INIT(CAP_KEEPER_FRAME + sizeof(struct wire_header) + READ_SIZE),
        .out = BUF_INIT(CAP_KEEPER_FRAME + CAP_OUT),
    };
}

void server_polls(const struct server *server, struct pollfd *polls)
{
    polls[0] = (struct pollfd){.fd = server->listen_fd, .events = POLLIN};
    for (int i = 0; i < SERVER_CONNECTIONS; i++) {
        const struct peer *peer = &server->peers[i];
        /* Who does not take its answers is not listened to either. */
        bool listens = !peer->is_closing && peer->out.len < CAP_OUT;
        polls[i + 1] = (struct pollfd){
            .fd = peer->fd,
            .events = (short)((listens ? POLLIN : 0) | (peer->out.len ? POLLOUT : 0)),
        };
    }
}

void server_handle(struct server *server, const struct pollfd *polls)
{
    for (int i = 0; i < SERVER_CONNECTIONS; i++) {
        struct peer *peer = &server->peers[i];
        short events = polls[i + 1].revents;
        if (polls[i + 1].fd < 0 || peer->fd != polls[i + 1].fd || !events)
            continue;
        if (events & POLLOUT)
            flush(server, peer);
        if (peer->fd >= 0 && (events & POLLIN))
            receive(server, peer);
        else if (peer->fd >= 0 && (events & (POLLHUP | POLLERR)))
            server_drop(server, peer);
    }
    if (polls[0].revents & POLLIN)
        admit(server);
}
