/* platform/proc.h - processes as facts: identity, trees, memory, what they listen on. */
#pragma once
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A pid together with what makes it this process and no other. */
struct proc_id {
    pid_t pid;
    uint64_t start_time; /* 0: not known */
};

/* Boot id of this system (36 characters on Linux); "" if unknown. Borrowed for ever. */
const char *proc_boot_id(void);
/* Start time of a pid (field 22 of /proc/PID/stat, parsed behind the last ')'); 0 if it is gone.
 * A zombie counts as gone. */
uint64_t proc_start_time(pid_t pid);
/* Is this very process still there (and no zombie)? */
bool proc_is_alive(struct proc_id id);

/* A growing list of processes. Zero to start, free(items). */
struct proc_list {
    struct proc_id *items;
    size_t count, room;
};
/* root and all its descendants, breadth first (children files, else ppid scan). */
void proc_tree(pid_t root, struct proc_list *out);
/* All processes of our uid whose initial environment has NAME=VALUE. Slow (reads every
 * environ): for boot and for a lost keeper only. */
void proc_with_env(const char *name, const char *value, struct proc_list *out);
/* Value of NAME in the initial environment of pid into out; false if absent or unreadable. */
bool proc_env_get(pid_t pid, const char *name, char *out, size_t room) MUST_CHECK;
/* Kill the given trees for good: STOP all, look again until the set no longer grows, KILL all.
 * Only members that still are who they were. */
void proc_kill_all(struct proc_list *trees);

/* Resident bytes and (if pss is not NULL) proportional bytes of a whole tree; processes that went
 * meanwhile count 0. pss costs a page-table walk each: only from a keeper. */
void proc_tree_memory(pid_t root, int64_t *rss_bytes, int64_t *pss_bytes);
/* CPU time in ms used by the tree's living processes. */
int64_t proc_tree_cpu_ms(pid_t root);

/* Is the TCP port (127.0.0.1, ::1 or any address) listened on, and by a process of the tree?
 * FREE nobody listens; OURS a process of the tree does; STRANGER somebody else (pid in *who if it
 * can be told, else 0). */
enum proc_port { PROC_PORT_FREE, PROC_PORT_OURS, PROC_PORT_STRANGER };
enum proc_port proc_port_owner(int port, pid_t tree_root, pid_t *who);
