/* platform/shell_env.c - see shell_env.h.
 *
 * Tried with bash 5.2, dash 0.5.12, zsh 5.9 and fish 3.6: PATH may be set in the login files, in
 * the interactive ones, or in both.
 *  - `bash -l -i` reads ~/.profile alone, `bash -i` ~/.bashrc alone, and Debian's ~/.bashrc does
 *    nothing unless interactive; a terminal on a desktop has both, because the session's login
 *    came before it. zsh and fish read all with -l -i; dash knows login files only.
 *  - So the login shell says what it has, then turns into an interactive one, which says it
 *    again. The last whole answer counts: where interactive files fail, hang or replace the shell
 *    (`exec fish`), the login answer stands. It costs one start more, once.
 * Values are printed by the shell's own printf between random marks, so that what profiles print
 * does no harm and no other program is needed. */
#include "platform/shell_env.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "platform/spawn.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLAIN_PATH "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
#define USUAL_PLACES "/usr/local/bin:/opt/homebrew/bin:/usr/bin:/bin"
/* Carries the second question past the first one's quoting; a profile may look at it, too. */
#define PROBE "POOLD_SHELL_PROBE"

struct shell_env {
    pid_t pid;
    int fd;
    char *shell;
    char mark[32];
    struct strv names;
    struct buf said;
    int64_t started_ms;
    bool is_answered, is_closed, is_too_much;
};

/* Shells that know -l, -i, -c, $VAR in double quotes, printf and exec. The rest (nu, tcsh, a
 * nologin) is not asked; /bin/sh then reads ~/.profile. */
static bool speaks_posix_enough(const char *shell)
{
    static const char *const names[] = {"bash", "zsh",  "fish", "dash", "sh",
                                        "ksh",  "mksh", "ash",  "yash"};
    const char *slash = strrchr(shell, '/');
    if (shell[0] != '/' || strchr(shell, '\'') || strchr(shell, '\\'))
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(slash + 1, names[i]) == 0)
            return true;
    return false;
}

static bool is_name(const char *name)
{
    if (!isalpha((unsigned char)*name) && *name != '_')
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && *name != '_')
            return false;
    return true;
}

static void keep(struct strv *env, const char *name, const char *fallback)
{
    const char *value = getenv(name);
    if (!value || !*value)
        value = fallback;
    if (value)
        strv_env_set(env, name, value);
}

/* What a login gives, and no more: what else is in our environment came from whoever started us. */
static void fill_environment(struct strv *env, const char *shell, const char *probe)
{
    static const char *const kept[] = {
        "LANG",           "LC_ALL",          "LC_CTYPE",      "TZ",
        "TMPDIR",         "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME",
        "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "ZDOTDIR"};
    const struct passwd *who = getpwuid(geteuid());
    keep(env, "HOME", who ? who->pw_dir : "/");
    keep(env, "USER", who ? who->pw_name : NULL);
    keep(env, "LOGNAME", who ? who->pw_name : NULL);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        keep(env, kept[i], NULL);
    strv_env_set(env, "SHELL", shell);
    strv_env_set(env, "TERM", "dumb");
    strv_env_set(env, "PATH", PLAIN_PATH);
    strv_env_set(env, PROBE, probe);
}

static char *choose_shell(void)
{
    const char *shell = getenv("SHELL");
    if (!shell || !*shell) {
        const struct passwd *who = getpwuid(geteuid());
        shell = who ? who->pw_shell : NULL;
    }
    return xstrdup(shell && speaks_posix_enough(shell) ? shell : "/bin/sh");
}

/* printf '<MARK NAME>%s</MARK>' "$NAME"; ... */
static char *question(const struct shell_env *s)
{
    char *text = xstrdup("");
    for (size_t i = 0; i < s->names.count; i++) {
        const char *name = s->names.items[i];
        char *more =
            xasprintf("%sprintf '<%s %s>%%s</%s>' \"$%s\"; ", text, s->mark, name, s->mark, name);
        free(text);
        text = more;
    }
    return text;
}

static bool run(struct shell_env *s, struct err *err)
{
    char *ask = question(s);
    char *probe = xasprintf("%sprintf '<%s end>'", ask, s->mark);
    char *command = xasprintf("%sexec '%s' -i -c \"$" PROBE "\"", ask, s->shell);
    char *argv[] = {s->shell, (char[]){"-l"}, (char[]){"-c"}, command, NULL};
    struct strv env = {0};
    int fds[2];
    bool ok = spawn_pipe(fds) || err_set(err, ERR_SYSTEM, errno, "unable to make a pipe");
    if (ok) {
        fill_environment(&env, s->shell, probe);
        struct spawn_spec spec = {.argv = argv,
                                  .env = env.items,
                                  .cwd = strv_env_get(&env, "HOME"),
                                  .stdio = {-1, fds[1], -1},
                                  .new_session = true,
                                  .death_signal = SIGKILL};
        ok = spawn_program(&spec, &s->pid, err);
        close(fds[1]);
        s->fd = fds[0];
        fcntl(s->fd, F_SETFL, O_NONBLOCK);
    }
    strv_finish(&env);
    free(command);
    free(probe);
    free(ask);
    return ok;
}

static void free_all(struct shell_env *s)
{
    if (s->fd >= 0)
        close(s->fd);
    strv_finish(&s->names);
    buf_release(&s->said);
    free(s->shell);
    free(s);
}

bool shell_env_start(const char *const *names, struct shell_env **out, struct err *err)
{
    static const char *const path_only[] = {"PATH", NULL};
    struct shell_env *s = xcalloc(1, sizeof *s);
    uint8_t random[10];
    s->fd = -1;
    s->said = (struct buf)BUF_INIT(SHELL_ENV_OUTPUT_MAX);
    s->shell = choose_shell();
    s->started_ms = clock_ms();
    digest_random(random, sizeof random);
    digest_base32(random, sizeof random, s->mark);
    bool ok = true;
    for (names = names ? names : path_only; ok && *names; names++) {
        ok = is_name(*names) || err_set(err, ERR_USAGE, 0, "'%s' is no variable's name", *names);
        strv_add(&s->names, *names);
    }
    if (!ok || !run(s, err)) {
        free_all(s);
        return false;
    }
    *out = s;
    return true;
}

int shell_env_fd(const struct shell_env *s)
{
    return s->fd;
}

pid_t shell_env_pid(const struct shell_env *s)
{
    return s->pid;
}

const char *shell_env_shell(const struct shell_env *s)
{
    return s->shell;
}

/* The first occurrence of text at or after *at, or NULL. */
static const char *find(const struct buf *b, const char *at, const char *text)
{
    return memmem(at, b->len - (size_t)(at - b->data), text, strlen(text));
}

/* False when nothing more will come, or is wanted. */
static bool take_what_is_there(struct shell_env *s)
{
    char block[8192];
    for (;;) {
        ssize_t n = read(s->fd, block, sizeof block);
        if (n > 0) {
            s->is_too_much = !buf_add(&s->said, block, (size_t)n);
            if (s->is_too_much) /* what came before it must do */
                return false;
        } else if (n == 0 || errno != EINTR) {
            return n < 0 && errno == EAGAIN;
        }
    }
}

enum shell_env_state shell_env_feed(struct shell_env *s)
{
    char end[48];
    s->is_closed = s->is_closed || !take_what_is_there(s);
    /* Not the end of file alone: an agent that a profile started may hold the pipe for ever. */
    snprintf(end, sizeof end, "<%s end>", s->mark);
    s->is_answered = s->said.len && find(&s->said, s->said.data, end);
    return s->is_answered || s->is_closed ? SHELL_ENV_DONE : SHELL_ENV_MORE;
}

/* The last whole answer for a name as a new string, or NULL. */
static char *answer(const struct shell_env *s, const char *name)
{
    char *open = xasprintf("<%s %s>", s->mark, name), *close_mark = xasprintf("</%s>", s->mark);
    char *out = NULL;
    const char *at = s->said.len ? find(&s->said, s->said.data, open) : NULL;
    while (at) {
        const char *value = at + strlen(open);
        const char *end = find(&s->said, value, close_mark);
        if (!end)
            break;
        free(out);
        out = xstrndup(value, (size_t)(end - value));
        at = find(&s->said, end, open);
    }
    free(open);
    free(close_mark);
    return out;
}

/* An own child that still runs is killed with its group; what a profile left behind on purpose
 * after an answer stays. */
static void end_shell(const struct shell_env *s)
{
    siginfo_t info;
    /* Somebody else may have waited for it: then the number is no longer ours. */
    if (waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0)
        return;
    if (!s->is_answered)
        kill(-s->pid, SIGKILL);
    kill(s->pid, SIGKILL);
    while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

static bool explain(const struct shell_env *s, struct err *err)
{
    if (s->is_too_much)
        return err_set(err, ERR_TOO_BIG, 0,
                       "unable to ask %s for PATH: its profile prints too much", s->shell);
    if (!s->is_closed)
        return err_set(err, ERR_START_TIMEOUT, 0,
                       "unable to ask %s for PATH: no answer after %lld ms", s->shell,
                       (long long)(clock_ms() - s->started_ms));
    return err_set(err, ERR_START_FAILED, 0,
                   "unable to ask %s for PATH: it ended without an answer", s->shell);
}

bool shell_env_finish(struct shell_env *s, struct strv *out, struct err *err)
{
    bool any = false;
    end_shell(s);
    for (size_t i = 0; out && i < s->names.count; i++) {
        char *value = answer(s, s->names.items[i]);
        if (value && *value) {
            strv_env_set(out, s->names.items[i], value);
            any = true;
        }
        free(value);
    }
    if (!any && out)
        explain(s, err);
    free_all(s);
    return any;
}

/* --- paths --- */

static bool has_entry(const char *path, const char *entry, size_t n)
{
    for (const char *at = path; *at; at += at[0] == ':') {
        size_t len = strcspn(at, ":");
        if (len == n && memcmp(at, entry, n) == 0)
            return true;
        at += len;
    }
    return false;
}

static char *add_entries(char *path, const char *more)
{
    for (const char *at = more ? more : ""; *at; at += at[0] == ':') {
        size_t n = strcspn(at, ":");
        if (at[0] == '/' && !has_entry(path, at, n)) {
            char *longer = xasprintf("%s%s%.*s", path, *path ? ":" : "", (int)n, at);
            free(path);
            path = longer;
        }
        at += n;
    }
    return path;
}

char *shell_env_join_paths(const char *first, const char *second)
{
    return add_entries(add_entries(xstrdup(""), first), second);
}

char *shell_env_fallback_path(const char *own)
{
    const char *home = getenv("HOME");
    char *usual = home && home[0] == '/' ? xasprintf("%s/.local/bin:" USUAL_PLACES, home)
                                         : xstrdup(USUAL_PLACES);
    char *out = shell_env_join_paths(own, usual);
    free(usual);
    return out;
}
