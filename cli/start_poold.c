/* cli/start_poold.c - see start_poold.h. */
#include "cli/start_poold.h"

#include "api/wire.h"
#include "base/clock.h"
#include "cli/call.h"
#include "platform/self.h"
#include "platform/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_WAIT_MS 30000
#define SAID_CAP 65536

struct starting {
    struct cli *cli;
    const struct dirs *dirs;
    char *log_path;
    int lock_fd; /* of run_dir/start.lock; -1: another poolctl has it */
    bool was_started;
    pid_t child;   /* 0: none, or ended */
    off_t said_at; /* size of the log before the child could write */
};

/* Does poold answer? Any answer counts; a slow one is waited for. Fails where asking again or
 * starting another would not help. */
static bool look(struct cli *cli, bool *is_there, struct err *err)
{
    struct client c;
    char *path = NULL;
    if (!call_socket(cli, &path, err))
        return false;
    struct client_request request = {.socket_path = path,
                                     .method = "GET",
                                     .target = API_PREFIX "/health",
                                     .wait_ms = CALL_WAIT_MS};
    struct err why = {0};
    int64_t began_ms = clock_ms();
    *is_there = client_open(&request, &c, &why);
    free(path);
    if (*is_there)
        client_close(&c);
    bool hangs = clock_ms() - began_ms >= CALL_WAIT_MS;
    return *is_there || (why.code == ERR_NOT_RUNNING && !hangs) ||
           err_set(err, why.code, 0, "%s", err_text(&why));
}

/* The poold that belongs to this poolctl. New string; a bare name is searched in PATH. */
static char *find_program(void)
{
    char *program = self_sibling("poold");
    if (program && access(program, X_OK) == 0)
        return program;
    free(program);
    return xstrdup("poold");
}

static void add_place(struct strv *argv, const char *flag, const char *value)
{
    strv_add(argv, flag);
    strv_add(argv, value);
}

/* Places as absolute paths: poold runs in another directory. */
static void make_argv(const struct starting *s, struct strv *argv)
{
    const char *env = getenv("POOLD_CONFIG"), *listen = cli_text(s->cli, "listen");
    strv_add_take(argv, find_program());
    if (cli_has(s->cli, "config") || (env && *env))
        add_place(argv, "--config", s->dirs->config_file);
    add_place(argv, "--state-dir", s->dirs->state_dir);
    add_place(argv, "--run-dir", s->dirs->run_dir);
    if (listen)
        add_place(argv, "--listen", listen);
}

static bool spawn_poold(struct starting *s, struct err *err)
{
    int log = open(s->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0)
        return err_set(err, ERR_SYSTEM, errno, "unable to open %s", s->log_path);
    s->said_at = lseek(log, 0, SEEK_END);
    struct strv argv = {0};
    make_argv(s, &argv);
    struct spawn_spec spec = {
        .argv = argv.items, .cwd = "/", .stdio = {-1, log, log}, .new_session = true};
    struct err why = {0};
    bool ok = spawn_program(&spec, &s->child, &why);
    if (!ok && why.sys == ENOENT)
        err_set(err, ERR_START_FAILED, 0,
                "unable to start poold: it is neither beside poolctl nor in PATH");
    else if (!ok)
        err_set(err, why.code, 0, "%s", err_text(&why));
    strv_finish(&argv);
    close(log);
    return ok;
}

/* The last line that is not empty, of what was written to the log since the start. New string. */
static char *last_line(const struct starting *s)
{
    int fd = open(s->log_path, O_RDONLY | O_CLOEXEC);
    char *said = xcalloc(1, SAID_CAP + 1);
    if (fd >= 0) {
        off_t end = lseek(fd, 0, SEEK_END), from = s->said_at;
        if (end - from > SAID_CAP)
            from = end - SAID_CAP;
        ssize_t got = pread(fd, said, SAID_CAP, from);
        said[got > 0 ? got : 0] = '\0';
        close(fd);
    }
    size_t n = strlen(said);
    while (n && strchr("\r\n \t", said[n - 1]))
        said[--n] = '\0';
    char *newline = strrchr(said, '\n');
    char *line = xstrdup(newline ? newline + 1 : said);
    free(said);
    return line;
}

static enum err_code code_of_exit(int status)
{
    for (int i = 1; i < ERR_COUNT; i++)
        if (err_row((enum err_code)i)->exit == status)
            return (enum err_code)i;
    return ERR_INTERNAL;
}

/* Has our poold ended for good? One that found another at work, or that went on in the background,
 * leaves us waiting for that one. */
static bool has_failed(struct starting *s, struct err *err)
{
    int status;
    if (!s->child || waitpid(s->child, &status, WNOHANG) != s->child)
        return false;
    s->child = 0;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (code == 0 || code == err_row(ERR_ALREADY_RUNNING)->exit)
        return false;
    char *line = last_line(s);
    const char *said = str_starts(line, "poold: ") ? line + strlen("poold: ") : line;
    if (code > 0)
        err_set(err, code_of_exit(code), 0, "unable to start poold: %s",
                *said ? said : err_row(code_of_exit(code))->meaning);
    else
        err_set(err, ERR_INTERNAL, 0, "poold was ended by signal %d%s%s", WTERMSIG(status),
                *said ? "; it said last: " : "", said);
    free(line);
    return true;
}

/* One poolctl starts poold; the lock goes with the process, so that a killed one holds up nobody.
 */
static void try_lock(struct starting *s)
{
    char *path = str_path(s->dirs->run_dir, "start.lock");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    free(path);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        fd = -1;
    }
    s->lock_fd = fd;
}

/* One more step of starting: the lock, or the start. *go_on: look again at once. */
static bool take_step(struct starting *s, bool *go_on, struct err *err)
{
    *go_on = false;
    if (s->lock_fd < 0) {
        try_lock(s);
        *go_on = s->lock_fd >= 0; /* it may have come up before we had the lock */
        return true;
    }
    if (s->was_started)
        return true;
    s->was_started = true;
    return spawn_poold(s, err);
}

static bool wait_until_served(struct starting *s, struct err *err)
{
    int64_t deadline = clock_ms() + START_WAIT_MS;
    long pause_ms = 2;
    for (;;) {
        bool is_there, go_on;
        if (!look(s->cli, &is_there, err) || is_there)
            return is_there;
        if (has_failed(s, err) || !take_step(s, &go_on, err))
            return false;
        if (go_on)
            continue;
        if (clock_ms() > deadline)
            return err_set(err, ERR_NOT_RUNNING, 0,
                           "poold was started but did not answer within %d s; it logs to %s",
                           START_WAIT_MS / 1000, s->log_path);
        nanosleep(&(struct timespec){.tv_nsec = pause_ms * 1000 * 1000}, NULL);
        if (pause_ms < 32)
            pause_ms *= 2;
    }
}

bool poold_start(struct cli *cli, struct err *err)
{
    struct starting s = {.cli = cli, .lock_fd = -1};
    bool is_there;
    if (!look(cli, &is_there, err) || is_there)
        return is_there;
    if (!cli_dirs(cli, &s.dirs, err) || !dirs_make(s.dirs->run_dir, true, err) ||
        !dirs_make(s.dirs->state_dir, true, err))
        return false;
    char *logs = str_path(s.dirs->state_dir, "logs");
    s.log_path = str_path(logs, "poold.log");
    bool ok = dirs_make(logs, true, err) && wait_until_served(&s, err);
    if (s.lock_fd >= 0)
        close(s.lock_fd);
    free(logs);
    free(s.log_path);
    return ok;
}
