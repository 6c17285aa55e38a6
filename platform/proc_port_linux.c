/* platform/proc_port_linux.c - proc_port_owner of proc.h: the listening sockets of a port from the
 * kernel (sock_diag, else /proc/net/tcp*), then whose descriptors they are. */
#include "base/str.h"
#include "platform/proc.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <inttypes.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_LISTEN 10 /* TCP_LISTEN of the kernel, 0A in /proc/net/tcp */

/* How directly a listener is reached by a connection to 127.0.0.1; the best ones decide. */
enum rank { RANK_NONE, RANK_LOOPBACK6, RANK_ANY6, RANK_ANY4, RANK_EXACT };

/* Listeners of the best rank (more than one by SO_REUSEPORT). */
struct listeners {
    enum rank rank;
    size_t count;
    uint64_t inodes[32];
};

static void listeners_add(struct listeners *all, enum rank rank, uint64_t inode)
{
    if (rank == RANK_NONE || rank < all->rank)
        return;
    if (rank > all->rank)
        all->count = 0;
    all->rank = rank;
    if (all->count < sizeof all->inodes / sizeof *all->inodes)
        all->inodes[all->count++] = inode;
}

/* address: 1 or 4 words in network order. */
static enum rank rank_of(int family, const uint32_t *address)
{
    if (family == AF_INET)
        return address[0] == htonl(INADDR_LOOPBACK) ? RANK_EXACT
               : address[0] == htonl(INADDR_ANY)    ? RANK_ANY4
                                                    : RANK_NONE;
    if (address[0] || address[1])
        return RANK_NONE;
    if (address[2] == htonl(0xffff))
        return rank_of(AF_INET, &address[3]);
    if (address[2])
        return RANK_NONE;
    return address[3] == 0 ? RANK_ANY6 : address[3] == htonl(1) ? RANK_LOOPBACK6 : RANK_NONE;
}

/* One answer packet of the dump; false at its end or on an error. */
static bool take_packet(const char *packet, size_t length, struct listeners *out, bool *failed)
{
    const struct nlmsghdr *head = (const void *)packet;
    for (; NLMSG_OK(head, length); head = NLMSG_NEXT(head, length)) {
        if (head->nlmsg_type == NLMSG_DONE)
            return false;
        if (head->nlmsg_type == NLMSG_ERROR) {
            *failed = true;
            return false;
        }
        const struct inet_diag_msg *m = NLMSG_DATA(head);
        listeners_add(out, rank_of(m->idiag_family, m->id.idiag_src), m->idiag_inode);
    }
    return true;
}

/* Ask for the listening sockets of one family on the port. */
static bool dump_family(int fd, int family, int port, struct listeners *out)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 ask;
    } request = {
        .head = {.nlmsg_len = sizeof request,
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .ask = {.sdiag_family = (uint8_t)family,
                .sdiag_protocol = IPPROTO_TCP,
                .idiag_states = 1U << STATE_LISTEN,
                .id = {.idiag_sport = htons((uint16_t)port)}},
    };
    if (send(fd, &request, sizeof request, 0) != (ssize_t)sizeof request)
        return false;
    bool failed = false, more = true;
    while (more) {
        _Alignas(struct nlmsghdr) char packet[8192];
        ssize_t n = recv(fd, packet, sizeof packet, 0);
        if (n <= 0)
            return false;
        more = take_packet(packet, (size_t)n, out, &failed);
    }
    return !failed;
}

static bool listeners_from_kernel(int port, struct listeners *out)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return false;
    bool ok = dump_family(fd, AF_INET, port, out) && dump_family(fd, AF_INET6, port, out);
    close(fd);
    return ok;
}

/* The same from /proc/net/tcp or tcp6, for kernels without the tcp_diag module. */
static void listeners_from_table(const char *path, int family, int port, struct listeners *out)
{
    FILE *table = fopen(path, "re");
    if (!table)
        return;
    char line[512];
    while (fgets(line, sizeof line, table)) {
        char text[33] = "", local[41];
        unsigned local_port, state;
        uint64_t inode;
        if (sscanf(line, " %*d: %40[0-9A-F]:%x %*[0-9A-F]:%*x %x %*x:%*x %*x:%*x %*x "
                         "%*u %*d %" SCNu64,
                   local, &local_port, &state, &inode) != 4 ||
            state != STATE_LISTEN || local_port != (unsigned)port)
            continue;
        uint32_t words[4] = {0}; /* printed as words in the machine's own order */
        for (size_t i = 0; i < 4 && strlen(local) >= (i + 1) * 8; i++) {
            memcpy(text, local + i * 8, 8);
            words[i] = (uint32_t)strtoul(text, NULL, 16);
        }
        listeners_add(out, rank_of(family, words), inode);
    }
    fclose(table);
}

/* Mark which of the listeners are among the descriptors of pid; true if any is. */
static bool mark_held(pid_t pid, const struct listeners *all, bool *held)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    if (!dir)
        return false;
    bool any = false;
    struct dirent *entry;
    while ((entry = readdir(dir))) {
        struct stat st;
        if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &st, 0) ||
            !S_ISSOCK(st.st_mode))
            continue;
        for (size_t i = 0; i < all->count; i++)
            if (st.st_ino == all->inodes[i])
                any = held[i] = true;
    }
    closedir(dir);
    return any;
}

/* Some process that holds one of the sockets, or 0: a look at everybody we may look at. */
static pid_t find_holder(const struct listeners *all, const bool *known)
{
    struct listeners strangers = {0};
    for (size_t i = 0; i < all->count; i++)
        if (!known[i])
            listeners_add(&strangers, all->rank, all->inodes[i]);
    DIR *dir = opendir("/proc");
    if (!dir)
        return 0;
    pid_t found = 0;
    struct dirent *entry;
    while (!found && (entry = readdir(dir))) {
        int64_t pid;
        bool held[sizeof all->inodes / sizeof *all->inodes];
        if (str_to_int(entry->d_name, 1, INT32_MAX, &pid) &&
            mark_held((pid_t)pid, &strangers, held))
            found = (pid_t)pid;
    }
    closedir(dir);
    return found;
}

enum proc_port proc_port_owner(int port, pid_t tree_root, pid_t *who)
{
    struct listeners all = {0};
    if (who)
        *who = 0;
    if (proc_uses_fallbacks() || !listeners_from_kernel(port, &all)) {
        all = (struct listeners){0};
        listeners_from_table("/proc/net/tcp", AF_INET, port, &all);
        listeners_from_table("/proc/net/tcp6", AF_INET6, port, &all);
    }
    if (!all.count)
        return PROC_PORT_FREE;
    bool held[sizeof all.inodes / sizeof *all.inodes] = {false};
    struct proc_list tree = {0};
    if (tree_root > 0)
        proc_tree(tree_root, &tree);
    for (size_t i = 0; i < tree.count; i++)
        mark_held(tree.items[i].pid, &all, held);
    free(tree.items);
    for (size_t i = 0; i < all.count; i++)
        if (!held[i]) {
            if (who)
                *who = find_holder(&all, held);
            return PROC_PORT_STRANGER;
        }
    return PROC_PORT_OURS;
}
