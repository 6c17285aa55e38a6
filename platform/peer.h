/* platform/peer.h - who is at the other end of a loopback TCP connection: uid, process, cwd.
 *
 * Linux: sock_diag for uid and inode (one exact query, some us), then /proc for the process that
 * holds the socket. The scan over /proc can take long on a busy machine, so it is sliced: the
 * caller steps it between other work. Threads: one. */
#pragma once
#include "base/err.h"

#include <netinet/in.h>
#include <stdint.h>
#include <sys/types.h>

struct peer_id {       /* what the connection itself tells */
    bool is_known;     /* false: the kernel says inode 0 (already closed), or cannot be asked */
    uid_t uid;         /* of the client's socket; 0 is root only if is_known */
    uint64_t inode;    /* Linux: the client socket's inode; else 0 */
    uint16_t client_port, server_port;
};

/* Ask for the socket at the client's end of the accepted connection fd (AF_INET, AF_INET6 or
 * mapped). True also when unknown (see is_known). */
bool peer_identify(int fd, struct peer_id *out, struct err *err) MUST_CHECK;

enum peer_state { PEER_MORE, PEER_FOUND, PEER_UNKNOWN };

struct peer_process {
    pid_t pid;
    uint64_t start_time;  /* ticks since boot (Linux) or us (macOS): a recycled pid differs */
    char name[64];        /* comm */
    char cwd[4096];       /* a path valid in *our* mount namespace, canonical */
    char why[200];        /* PEER_UNKNOWN: the reason in words for the user */
};

struct peer_search; /* one search under way */

/* Start looking for the process that owns the socket; same uid only. New; peer_search_free. */
struct peer_search *peer_search_new(const struct peer_id *id);
/* Work for at most about slice_us microseconds. Order: pids that owned a client connection
 * before, then newest pids first. Several owners must agree on the cwd (parent and children of the
 * first hit are looked at), a known forwarder (socat, ssh, docker-proxy, pasta, slirp4netns,
 * rootlessport, nginx, haproxy, ...) or a cwd that cannot be mapped into our mount namespace
 * (dev:ino compared; bind mounts mapped back by mountinfo) is PEER_UNKNOWN with why. */
enum peer_state peer_search_step(struct peer_search *s, int64_t slice_us, struct peer_process *out);
void peer_search_free(struct peer_search *s);

/* cwd of a process of ours by the same rules; why is filled on failure. Never PEER_MORE. A bridge
 * between stdio and a unix socket (socat, nc) is no forwarder here: its client started it. */
enum peer_state peer_of_pid(pid_t pid, struct peer_process *out);
/* pid and uid of the peer of a connected unix socket. */
bool peer_of_unix(int fd, pid_t *pid, uid_t *uid) MUST_CHECK;
