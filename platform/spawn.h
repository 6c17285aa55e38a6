/* platform/spawn.h - start a program: everything that a child must not inherit is set by name.
 *
 * The child gets exactly the descriptors, environment and directory that are given, every signal
 * at its default and none blocked. The call returns once the program runs (or could not): failures
 * of the child's side come back as this function's error. Parents are small, so plain fork. */
#pragma once
#include "base/err.h"

#include <stddef.h>
#include <sys/types.h>

struct spawn_spec {        /* all borrowed for the call */
    char *const *argv;     /* NULL-terminated; argv[0] without a slash is searched in env's PATH */
    char *const *env;      /* NULL-terminated; NULL: our own */
    const char *cwd;       /* NULL: ours */
    int stdio[3];          /* what becomes 0, 1 and 2; -1: /dev/null */
    const int *pass;       /* what becomes 3, 4, ... */
    size_t pass_count;
    const char *listen_names; /* if set: LISTEN_FDS = pass_count, LISTEN_PID and LISTEN_FDNAMES */
    bool new_session;         /* setsid: own session and process group, no terminal */
    bool new_group;           /* own process group only */
    int death_signal;         /* sent to the child when we die, where the system can; 0: none */
};

/* Start it: the child's pid. The caller waits for it. ERR_START_FAILED with the errno of the exec
 * in err->sys and a text that names the program (or the directory). */
bool spawn_program(const struct spawn_spec *spec, pid_t *pid, struct err *err) MUST_CHECK;

/* Let this process, but not what it starts, hold as many descriptors as it may. */
void spawn_raise_descriptors(void);

/* A pipe with both ends close-on-exec; false with errno. */
bool spawn_pipe(int fds[2]) MUST_CHECK;

/* --- the parts that differ between systems (spawn_linux.c, spawn_darwin.c) --- */

/* Mark all descriptors from first on close-on-exec. Async-signal-safe. */
void spawn_cloexec_from(int first);
/* Ask for a signal when the parent dies. False if it is already another than `parent`.
 * True and without effect where the system cannot do it. */
bool spawn_follow_parent(pid_t parent, int signal_number);
/* Become the parent of all orphaned descendants. False where the system cannot do it. */
bool spawn_adopt_orphans(void);
/* Show title in process lists in place of the command line (cut to the room there is). Ends the
 * use of argv and of the environment that the process was started with. */
void spawn_set_title(int argc, char **argv, const char *title);
