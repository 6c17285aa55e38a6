/* platform/peer_parts.h - the parts that peer_*.c are made of. For them only; the face of all this
 * is peer.h. */
#pragma once
#include "platform/peer.h"

#include <stddef.h>

/* Is a program of this name (comm) known to carry other programs' connections, so that its own cwd
 * says nothing? `on_stdio`: the connection came over a unix socket that a stdio client's bridge
 * (socat, nc) was started for; such a bridge works where its client does. */
bool peer_is_forwarder(const char *name, bool on_stdio);

/* Linux: who a process is (one read of /proc/PID/stat). False if it is gone or a zombie. */
struct peer_stat {
    pid_t parent;
    uint64_t start_time;
    char name[64];
};
bool peer_stat_of(pid_t pid, struct peer_stat *out) MUST_CHECK;
/* Linux: uid of a process, or (uid_t)-1. */
uid_t peer_uid_of(pid_t pid);
/* Linux: cwd of a process as a canonical path of our own mount namespace, checked by device and
 * inode. False with why in words; out is then untouched. */
bool peer_cwd_of(pid_t pid, char out[4096], char why[200]) MUST_CHECK;
