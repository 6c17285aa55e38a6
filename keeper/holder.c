/* keeper/holder.c - see holder.h. */
#include "keeper/holder.h"

#include "base/clock.h"
#include "base/str.h"
#include "keeper/lock_file.h"
#include "keeper/signals.h"
#include "platform/spawn.h"

#define LOG_MODULE "holder"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_FD 3
#define MOST_FDS 16
#define QUICK_MS 5000     /* who dies sooner after its start gets a pause before the next one */
#define FIRST_PAUSE_MS 50 /* after the first, which has none */
#define MOST_PAUSE_MS 2000

struct holder {
    const char *run_dir, *names;
    char **argv; /* poold's */
    int fds[MOST_FDS];
    size_t fd_count;
    int lock_fd, signal_fd;
    pid_t pid; /* 0: not running */
    int64_t started_ms, pause_ms;
    bool is_ending; /* TERM or INT has come: whatever poold's end, it is the end */
};

static int refuse(const char *why)
{
    fprintf(stderr,
            "poold-keeper: hold: %s\n"
            "usage: poold-keeper hold --run-dir DIR --fd-names NAME[:NAME...]\n"
            "                         [--log-format logfmt|json] -- POOLD [ARG...]\n",
            why);
    return err_row(ERR_USAGE)->exit;
}

/* NULL if the command line is understood, else what is wrong with it. */
static const char *parse(struct holder *holder, int argc, char **argv)
{
    enum log_format format;
    int i = 0;
    for (; i < argc && strcmp(argv[i], "--") != 0; i += 2) {
        if (i + 1 >= argc)
            return "a value is missing";
        if (strcmp(argv[i], "--run-dir") == 0)
            holder->run_dir = argv[i + 1];
        else if (strcmp(argv[i], "--fd-names") == 0)
            holder->names = argv[i + 1];
        else if (strcmp(argv[i], "--log-format") == 0 && log_format_from(argv[i + 1], &format))
            log_set_format(format);
        else
            return "unknown option";
    }
    if (!holder->run_dir || !holder->names || i + 1 >= argc)
        return "--run-dir, --fd-names and -- POOLD are needed";
    holder->argv = argv + i + 1;
    for (const char *at = holder->names; *at; at += *at == ':') {
        at += strcspn(at, ":");
        if (holder->fd_count == MOST_FDS)
            return "too many sockets";
        int fd = FIRST_FD + (int)holder->fd_count;
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
            return "fewer descriptors are open than --fd-names says";
        holder->fds[holder->fd_count++] = fd;
    }
    return NULL;
}

static bool start(struct holder *holder, struct err *err)
{
    struct spawn_spec spawn = {
        .argv = holder->argv,
        .stdio = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO},
        .pass = holder->fds,
        .pass_count = holder->fd_count,
        .listen_names = holder->names,
        /* Out of the terminal's group, or a Ctrl-C would reach poold twice: by the terminal and
         * by us. */
        .new_group = true,
    };
    holder->started_ms = clock_ms();
    return spawn_program(&spawn, &holder->pid, err);
}

/* Is this end meant? Its code is ours, then. */
static bool is_final(int status, int *code)
{
    static const enum err_code meant[] = {ERR_OK,     ERR_USAGE,    ERR_ALREADY_RUNNING,
                                          ERR_CONFIG, ERR_REGISTRY, ERR_ADDRESS};
    if (!WIFEXITED(status))
        return false;
    *code = WEXITSTATUS(status);
    for (size_t i = 0; i < sizeof meant / sizeof *meant; i++)
        if (*code == err_row(meant[i])->exit)
            return true;
    return false;
}

static void pass_signals(struct holder *holder)
{
    static const int passed[] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++) {
        if (!signals_take(passed[i]))
            continue;
        if (passed[i] != SIGHUP)
            holder->is_ending = true;
        if (holder->pid > 0)
            kill(holder->pid, passed[i]);
    }
}

/* Wait for signals, at most ms (-1: for ever). */
static void wait_for_signals(struct holder *holder, int64_t ms)
{
    struct pollfd wake = {.fd = holder->signal_fd, .events = POLLIN};
    poll(&wake, 1, (int)ms);
    signals_drain();
    pass_signals(holder);
}

/* Run poold once; its wait status. */
static int run_once(struct holder *holder)
{
    int status;
    pid_t ended;
    while ((ended = waitpid(holder->pid, &status, WNOHANG)) == 0)
        wait_for_signals(holder, -1);
    holder->pid = 0;
    return ended < 0 ? 0 : status;
}

/* After an unexpected end: how long to wait. */
static void set_pause(struct holder *holder, bool *is_repeated)
{
    bool was_quick = clock_ms() - holder->started_ms < QUICK_MS;
    if (!was_quick || !*is_repeated)
        holder->pause_ms = 0;
    else if (!holder->pause_ms)
        holder->pause_ms = FIRST_PAUSE_MS;
    else if (holder->pause_ms < MOST_PAUSE_MS)
        holder->pause_ms = holder->pause_ms * 2 < MOST_PAUSE_MS ? holder->pause_ms * 2
                                                                : MOST_PAUSE_MS;
    *is_repeated = was_quick;
}

static void tell_restart(const struct holder *holder, pid_t pid, int status)
{
    bool by_signal = WIFSIGNALED(status);
    log_warn("poold ended unexpectedly and is started again",
             "pid=%d %s=%d pause_ms=%lld", (int)pid, by_signal ? "signal" : "code",
             by_signal ? WTERMSIG(status) : WEXITSTATUS(status), (long long)holder->pause_ms);
}

static int end_code(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Keep poold running until it ends for good. */
static int hold(struct holder *holder)
{
    struct err err = {0};
    bool is_repeated = false;
    int code;
    if (!start(holder, &err)) {
        log_error("poold cannot be run", "error=%s", log_quote(err_text(&err)));
        return 1;
    }
    for (;;) {
        pid_t pid = holder->pid;
        int status = run_once(holder);
        if (is_final(status, &code))
            return code;
        if (holder->is_ending)
            return end_code(status);
        set_pause(holder, &is_repeated);
        tell_restart(holder, pid, status);
        do {
            for (int64_t until = clock_ms() + holder->pause_ms, left;
                 !holder->is_ending && (left = until - clock_ms()) > 0;)
                wait_for_signals(holder, left);
            if (holder->is_ending)
                return 0;
            err_clear(&err);
            if (start(holder, &err)) /* its file may be missing for a moment: an upgrade */
                break;
            log_error("poold cannot be run", "error=%s", log_quote(err_text(&err)));
            set_pause(holder, &is_repeated);
        } while (true);
    }
}

int holder_main(int argc, char **argv)
{
    static const int caught[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, 0}, ignored[] = {SIGPIPE, 0};
    struct holder holder = {0};
    struct err err = {0};
    log_find_journal();
    const char *wrong = parse(&holder, argc, argv);
    if (wrong)
        return refuse(wrong);
    char *lock = str_path(holder.run_dir, "holder.lock");
    bool ok = lock_file_take(lock, &holder.lock_fd, &err) && lock_file_sign(holder.lock_fd, &err) &&
              signals_catch(caught, &holder.signal_fd, &err);
    free(lock);
    if (!ok) {
        fprintf(stderr, "poold-keeper: %s\n", err_text(&err));
        return err.code == ERR_ALREADY_RUNNING ? err_row(err.code)->exit : 1;
    }
    signals_ignore(ignored);
    return hold(&holder);
}
