/* platform/spawn.c - see spawn.h. */
#include "platform/spawn.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define STANDARD_PATH "/usr/local/bin:/usr/bin:/bin"
#define MOST_DESCRIPTORS 32 /* stdio and passed ones */
#define DESCRIPTORS 16384   /* enough for every client and daemon that the caps allow */

enum step { STEP_PREPARE, STEP_DIRECTORY, STEP_EXEC };

struct failure { /* what the child writes into the report pipe when it cannot become the program */
    enum step step;
    int sys;
};

static struct rlimit inherited; /* of descriptors, before it was raised; 0: it was not */

void spawn_raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS)
        return;
    struct rlimit more = limit;
    more.rlim_cur = more.rlim_max < DESCRIPTORS ? more.rlim_max : DESCRIPTORS;
    if (setrlimit(RLIMIT_NOFILE, &more) == 0)
        inherited = limit;
}

static const char *env_find(char *const *env, const char *name)
{
    size_t n = strlen(name);
    for (; *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return *env + n + 1;
    return NULL;
}

/* A script without "#!" is run by the shell, as execvp does. */
static void exec_by_shell(const char *path, char *const *argv, char *const *env)
{
    size_t count = 0;
    while (argv[count])
        count++;
    char **with_shell = xcalloc(count + 2, sizeof *with_shell);
    with_shell[0] = (char *)"/bin/sh";
    with_shell[1] = (char *)path;
    memcpy(with_shell + 2, argv + 1, (count - 1) * sizeof *argv);
    execve(with_shell[0], with_shell, env);
}

static void exec_path(const char *path, char *const *argv, char *const *env)
{
    execve(path, argv, env);
    if (errno == ENOEXEC)
        exec_by_shell(path, argv, env);
}

/* execvpe with env's own PATH: the environment of the program decides, not ours. Returns errno. */
static int exec_search(char *const *argv, char *const *env)
{
    if (strchr(argv[0], '/')) {
        exec_path(argv[0], argv, env);
        return errno;
    }
    const char *path = env_find(env, "PATH");
    int best = ENOENT;
    for (const char *at = path && *path ? path : STANDARD_PATH; at; at = strchr(at, ':')) {
        at += *at == ':';
        int n = (int)strcspn(at, ":");
        char full[4096];
        if ((size_t)snprintf(full, sizeof full, "%.*s%s%s", n, at, n ? "/" : "", argv[0]) >=
            sizeof full)
            continue;
        exec_path(full, argv, env);
        if (errno == EACCES)
            best = EACCES; /* told only if no later folder has it */
        else if (errno != ENOENT && errno != ENOTDIR)
            return errno;
    }
    return best;
}

/* Put the given descriptors to 0, 1, 2, 3, ... and *report out of the way; all others close at
 * the exec. First everything goes up, so that no target is a source still needed. */
static bool place_descriptors(const struct spawn_spec *spec, int *report)
{
    int high[MOST_DESCRIPTORS], count = 3 + (int)spec->pass_count;
    for (int i = 0; i < count; i++) {
        int from = i < 3 ? spec->stdio[i] : spec->pass[i - 3];
        if (from < 0)
            from = open("/dev/null", O_RDWR | O_CLOEXEC);
        high[i] = fcntl(from, F_DUPFD_CLOEXEC, 2 * MOST_DESCRIPTORS);
        if (high[i] < 0)
            return false;
    }
    int moved = fcntl(*report, F_DUPFD_CLOEXEC, 2 * MOST_DESCRIPTORS);
    if (moved < 0)
        return false;
    *report = moved;
    for (int i = 0; i < count; i++)
        if (dup2(high[i], i) < 0) /* the copy is not close-on-exec */
            return false;
    spawn_cloexec_from(count);
    return true;
}

/* Programs that use select(2) rely on the limit that they usually get. */
static void reset_descriptors(void)
{
    if (inherited.rlim_max)
        setrlimit(RLIMIT_NOFILE, &inherited);
}

static void reset_signals(void)
{
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL); /* those that cannot be changed refuse, which is fine */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child: become the program, or say into the report pipe why not. */
static void become(const struct spawn_spec *spec, char *const *env, pid_t parent, int report)
{
    struct failure failure = {.step = STEP_PREPARE};
    if (spec->new_session)
        setsid();
    else if (spec->new_group)
        setpgid(0, 0);
    if (!place_descriptors(spec, &report)) {
        failure.sys = errno;
    } else if (spec->cwd && chdir(spec->cwd)) {
        failure = (struct failure){STEP_DIRECTORY, errno};
    } else {
        reset_signals();
        reset_descriptors();
        if (spec->death_signal && !spawn_follow_parent(parent, spec->death_signal))
            raise(spec->death_signal);
        failure = (struct failure){STEP_EXEC, exec_search(spec->argv, env)};
    }
    ssize_t written = write(report, &failure, sizeof failure);
    (void)written; /* nobody is left to be told */
    _exit(127);
}

/* The environment with the three variables of socket activation; pid_entry is filled by the child.
 * The caller frees the array and *fds and *names. */
static char **listen_env(const struct spawn_spec *spec, char *const *env, char *pid_entry,
                         char **fds, char **names)
{
    size_t count = 0;
    char **out;
    for (char *const *at = env; *at; at++)
        count++;
    out = xcalloc(count + 4, sizeof *out);
    *fds = xasprintf("LISTEN_FDS=%zu", spec->pass_count);
    *names = xasprintf("LISTEN_FDNAMES=%s", spec->listen_names);
    count = 0;
    for (char *const *at = env; *at; at++)
        if (!str_starts(*at, "LISTEN_FDS=") && !str_starts(*at, "LISTEN_PID=") &&
            !str_starts(*at, "LISTEN_FDNAMES="))
            out[count++] = *at;
    out[count++] = *fds;
    out[count++] = *names;
    out[count] = pid_entry;
    return out;
}

/* Fork with all signals held back, so that none of our handlers ever runs in the child. */
static pid_t fork_quietly(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, before);
    pid_t pid = fork();
    int sys = errno;
    if (pid != 0)
        sigprocmask(SIG_SETMASK, before, NULL);
    errno = sys;
    return pid;
}

static bool explain(const struct spawn_spec *spec, const struct failure *failure, struct err *err)
{
    switch (failure->step) {
    case STEP_DIRECTORY:
        return err_set(err, ERR_START_FAILED, failure->sys, "unable to enter %s", spec->cwd);
    case STEP_EXEC:
        return err_set(err, ERR_START_FAILED, failure->sys, "unable to run %s", spec->argv[0]);
    case STEP_PREPARE:
        break;
    }
    return err_set(err, ERR_START_FAILED, failure->sys, "unable to prepare %s", spec->argv[0]);
}

bool spawn_pipe(int fds[2])
{
    if (pipe(fds))
        return false;
    for (int i = 0; i < 2; i++)
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
    return true;
}

bool spawn_program(const struct spawn_spec *spec, pid_t *pid, struct err *err)
{
    char pid_entry[32], *fds = NULL, *names = NULL, **with_listen = NULL;
    char *const *env = spec->env ? spec->env : environ;
    int report[2];
    if (spec->pass_count > MOST_DESCRIPTORS - 3)
        return err_set(err, ERR_INTERNAL, 0, "too many descriptors for %s", spec->argv[0]);
    if (!spawn_pipe(report))
        return err_set(err, ERR_SYSTEM, errno, "unable to start %s", spec->argv[0]);
    if (spec->listen_names)
        env = with_listen = listen_env(spec, env, pid_entry, &fds, &names);
    pid_t parent = getpid();
    sigset_t before;
    pid_t child = fork_quietly(&before);
    int sys = errno;
    if (child == 0) {
        snprintf(pid_entry, sizeof pid_entry, "LISTEN_PID=%d", (int)getpid());
        become(spec, env, parent, report[1]);
    }
    free(with_listen);
    free(fds);
    free(names);
    close(report[1]);
    struct failure failure = {STEP_PREPARE, sys};
    ssize_t n = 0;
    if (child > 0)
        do /* the pipe ends without a word when the exec has worked */
            n = read(report[0], &failure, sizeof failure);
        while (n < 0 && errno == EINTR);
    close(report[0]);
    if (child > 0 && n != (ssize_t)sizeof failure) {
        *pid = child;
        return true;
    }
    if (child > 0)
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            continue;
    return explain(spec, &failure, err);
}
