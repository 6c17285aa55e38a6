/* platform/proc.h - processes as facts: identity, trees, memory, what they listen on.
 *
 * Linux reads /proc, macOS asks libproc. Everything is a look at a moment: a process may be gone
 * or have children a microsecond later, so each function says what it does about that. Nothing
 * here fails with an error; what cannot be read counts as not there. Threads: one. */
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
/* Start time of a pid (Linux: field 22 of /proc/PID/stat, parsed behind the last ')'; macOS: us
 * since 1970); 0 if it is gone. A zombie counts as gone. */
uint64_t proc_start_time(pid_t pid);
/* Is this very process still there (and no zombie)? A start_time of 0 matches any. */
bool proc_is_alive(struct proc_id id);
/* Is it stopped (SIGSTOP, or held by a debugger)? False if it is gone. */
bool proc_is_stopped(struct proc_id id);
/* Send a signal to this very process; false if it is gone or may not be signalled. Where there
 * are pidfds a recycled pid can never be hit. */
bool proc_signal(struct proc_id id, int signal_number);

/* A growing list of processes. Zero to start, free(items). */
struct proc_list {
    struct proc_id *items;
    size_t count, room;
};
/* Append root (if it is alive) and all its descendants to out, breadth first, without those that
 * out holds already. From children files, else from a scan of everybody's parent. */
void proc_tree(pid_t root, struct proc_list *out);
/* For tests: use the slow ways (a scan for children, tables for ports) even where the system has
 * better ones. */
void proc_use_fallbacks(bool yes);
bool proc_uses_fallbacks(void);
/* All processes of our uid whose initial environment has NAME=VALUE (any value if NULL). Slow
 * (reads every environ): for boot and for a lost keeper only. */
void proc_with_env(const char *name, const char *value, struct proc_list *out);
/* Value of NAME in the initial environment of pid into out; false if absent, unreadable or longer
 * than room - 1. */
bool proc_env_get(pid_t pid, const char *name, char *out, size_t room) MUST_CHECK;
/* Kill the given trees for good: STOP all, look again until the set no longer grows, KILL all.
 * Only members that still are who they were. Does not wait for their end; trees then holds all
 * that were killed, so that the caller can. */
void proc_kill_all(struct proc_list *trees);

/* Add the memory of one process: resident bytes and (if pss is not NULL) proportional bytes,
 * which cost a page-table walk (27 ms for 1 GiB). */
void proc_memory(pid_t pid, int64_t *rss_bytes, int64_t *pss_bytes);
/* Resident bytes and (if pss is not NULL) proportional bytes of a whole tree; processes that went
 * meanwhile count 0. pss only from a keeper. */
void proc_tree_memory(pid_t root, int64_t *rss_bytes, int64_t *pss_bytes);
/* CPU time in ms that one process has used; 0 if it is gone. */
int64_t proc_cpu_ms(pid_t pid);
/* CPU time in ms used by the tree's living processes. */
int64_t proc_tree_cpu_ms(pid_t root);

/* Is the TCP port (127.0.0.1, ::1 or any address) listened on, and by a process of the tree?
 * FREE nobody listens; OURS a process of the tree does; STRANGER somebody else (pid in *who if it
 * can be told, else 0; telling it scans all processes, so who may be NULL). Where several listen,
 * the one that a connection to 127.0.0.1 reaches decides. For a daemon give its keeper's pid:
 * processes that forked away hang below the keeper. tree_root 0: no tree. */
enum proc_port { PROC_PORT_FREE, PROC_PORT_OURS, PROC_PORT_STRANGER };
enum proc_port proc_port_owner(int port, pid_t tree_root, pid_t *who);
