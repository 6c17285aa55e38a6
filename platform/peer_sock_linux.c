/* platform/peer_sock_linux.c - uid and inode of the client's socket, from the kernel. */
#include "platform/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Both ends as the client's socket names them: its own address is the source. */
struct ends {
    int family;
    uint32_t client[4], server[4]; /* network order; IPv4 in the first word */
    uint16_t client_port, server_port;
};

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static int diag_fd = -1;
/* The kernel says ENOENT for "no such socket" and for "module missing" alike; after one success it
 * can only be the former. */
static bool diag_works;

static void put_address(const union address *a, int family, uint32_t words[4], uint16_t *port)
{
    if (a->any.sa_family == AF_INET) {
        words[0] = a->v4.sin_addr.s_addr;
        *port = ntohs(a->v4.sin_port);
    } else if (family == AF_INET) { /* mapped: the IPv4 address is the last word */
        memcpy(words, &a->v6.sin6_addr.s6_addr[12], 4);
        *port = ntohs(a->v6.sin6_port);
    } else {
        memcpy(words, a->v6.sin6_addr.s6_addr, 16);
        *port = ntohs(a->v6.sin6_port);
    }
}

/* False with errno: ENOTCONN when the connection is over already. */
static bool ends_of(int fd, struct ends *out)
{
    union address client = {0}, server = {0};
    socklen_t client_len = sizeof client, server_len = sizeof server;
    if (getpeername(fd, &client.any, &client_len) != 0 ||
        getsockname(fd, &server.any, &server_len) != 0)
        return false;
    bool is_v4 = client.any.sa_family == AF_INET;
    if (!is_v4 && client.any.sa_family != AF_INET6) {
        errno = EAFNOSUPPORT;
        return false;
    }
    memset(out, 0, sizeof *out);
    out->family = is_v4 || IN6_IS_ADDR_V4MAPPED(&client.v6.sin6_addr) ? AF_INET : AF_INET6;
    put_address(&client, out->family, out->client, &out->client_port);
    put_address(&server, out->family, out->server, &out->server_port);
    return true;
}

static bool diag_open(void)
{
    if (diag_fd < 0)
        diag_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    return diag_fd >= 0;
}

static bool diag_ask(const struct ends *e, uint32_t turn)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 body;
    } ask = {.head = {.nlmsg_len = sizeof ask,
                      .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                      .nlmsg_flags = NLM_F_REQUEST,
                      .nlmsg_seq = turn},
             .body = {.sdiag_family = (uint8_t)e->family,
                      .sdiag_protocol = IPPROTO_TCP,
                      .idiag_states = ~0u,
                      .id = {.idiag_sport = htons(e->client_port),
                             .idiag_dport = htons(e->server_port),
                             .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}}};
    memcpy(ask.body.id.idiag_src, e->client, sizeof e->client);
    memcpy(ask.body.id.idiag_dst, e->server, sizeof e->server);
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    return sendto(diag_fd, &ask, sizeof ask, 0, (struct sockaddr *)&kernel, sizeof kernel) ==
           (ssize_t)sizeof ask;
}

/* Where the client's own socket is gone the kernel falls back to one that *listens* on its port,
 * which may be anybody's. */
static bool is_the_client(const struct inet_diag_msg *m, const struct ends *e)
{
    return m->idiag_state != TCP_LISTEN && ntohs(m->id.idiag_sport) == e->client_port &&
           ntohs(m->id.idiag_dport) == e->server_port;
}

enum answer { ANSWER_FOUND, ANSWER_GONE, ANSWER_NONE };

/* The kernel answers within the send, so nothing is waited for. */
static enum answer diag_answer(const struct ends *e, uint32_t turn, struct peer_id *out)
{
    union {
        struct nlmsghdr head;
        char bytes[4096];
    } in;
    for (;;) {
        ssize_t n = recv(diag_fd, &in, sizeof in, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < (ssize_t)sizeof in.head)
            return ANSWER_NONE;
        if (in.head.nlmsg_seq != turn) /* left over from a question that was given up */
            continue;
        if (in.head.nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *e_msg = NLMSG_DATA(&in.head);
            return e_msg->error == -ENOENT && diag_works ? ANSWER_GONE : ANSWER_NONE;
        }
        const struct inet_diag_msg *m = NLMSG_DATA(&in.head);
        if (in.head.nlmsg_type != SOCK_DIAG_BY_FAMILY || n < (ssize_t)NLMSG_LENGTH(sizeof *m))
            return ANSWER_NONE;
        diag_works = true;
        if (!is_the_client(m, e))
            return ANSWER_GONE;
        out->uid = m->idiag_uid;
        out->inode = m->idiag_inode;
        return ANSWER_FOUND;
    }
}

static enum answer by_diag(const struct ends *e, struct peer_id *out)
{
    static uint32_t turn;
    turn++;
    if (!diag_open())
        return ANSWER_NONE;
    enum answer a = diag_ask(e, turn) ? diag_answer(e, turn, out) : ANSWER_NONE;
    if (a == ANSWER_NONE) { /* a fresh socket the next time */
        close(diag_fd);
        diag_fd = -1;
    }
    return a;
}

/* "0100007F:1CA9" as /proc/net/tcp writes an address: words in host order, port in hex. */
static void proc_address(const uint32_t *words, int count, uint16_t port, char out[48])
{
    int n = 0;
    for (int i = 0; i < count; i++)
        n += snprintf(out + n, 48 - (size_t)n, "%08X", words[i]);
    snprintf(out + n, 48 - (size_t)n, ":%04X", port);
}

static bool find_line(const char *file, const char *client, const char *server, struct peer_id *out)
{
    char line[512], local[64], remote[64];
    unsigned uid;
    unsigned long inode;
    bool found = false;
    FILE *f = fopen(file, "re");
    while (f && !found && fgets(line, sizeof line, f))
        if (sscanf(line, " %*d: %63s %63s %*x %*s %*s %*x %u %*d %lu", local, remote, &uid,
                   &inode) == 4 &&
            strcmp(local, client) == 0 && strcmp(remote, server) == 0) {
            out->uid = uid;
            out->inode = inode;
            found = true;
        }
    if (f)
        fclose(f);
    return found;
}

/* For kernels and sandboxes without sock_diag: the same facts as text, all sockets in one file. */
static bool by_proc_net(const struct ends *e, struct peer_id *out)
{
    char client[48], server[48];
    int words = e->family == AF_INET ? 1 : 4;
    proc_address(e->client, words, e->client_port, client);
    proc_address(e->server, words, e->server_port, server);
    if (e->family == AF_INET6)
        return find_line("/proc/self/net/tcp6", client, server, out);
    if (find_line("/proc/self/net/tcp", client, server, out))
        return true;
    const uint32_t client6[] = {0, 0, htonl(0xffff), e->client[0]};
    const uint32_t server6[] = {0, 0, htonl(0xffff), e->server[0]};
    proc_address(client6, 4, e->client_port, client);
    proc_address(server6, 4, e->server_port, server);
    return find_line("/proc/self/net/tcp6", client, server, out);
}

bool peer_identify(int fd, struct peer_id *out, struct err *err)
{
    struct ends e;
    struct peer_id id = {.uid = (uid_t)-1};
    if (!ends_of(fd, &e)) {
        if (errno != ENOTCONN && errno != EINVAL)
            return err_set(err, ERR_SYSTEM, errno, "unable to tell the ends of a connection");
        *out = id; /* closed before we came to ask */
        return true;
    }
    id.client_port = e.client_port;
    id.server_port = e.server_port;
    enum answer a = by_diag(&e, &id);
    if (a == ANSWER_NONE && by_proc_net(&e, &id))
        a = ANSWER_FOUND;
    /* A socket without an inode is nobody's any more, and its uid 0 means nothing. */
    id.is_known = a == ANSWER_FOUND && id.inode != 0;
    if (!id.is_known) {
        id.uid = (uid_t)-1;
        id.inode = 0;
    }
    *out = id;
    return true;
}

bool peer_of_unix(int fd, pid_t *pid, uid_t *uid)
{
    struct ucred c;
    socklen_t len = sizeof c;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len) != 0)
        return false;
    *pid = c.pid;
    *uid = c.uid;
    return true;
}
