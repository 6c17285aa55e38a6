/* pool/shell_path.c - see shell_path.h. */
#include "pool/shell_path.h"

#include "base/clock.h"
#include "base/log.h"
#include "platform/dirs.h"
#include "platform/shell_env.h"
#include "pool/slot.h"

#include <string.h>

#define LOG_MODULE "pool"
#define PATH_CAP (64 * 1024)

struct shell_path { /* one question */
    struct pool *pool;
    struct shell_env *env;
    struct ev_io io;
    struct ev_timer limit;
    bool is_first; /* there is no earlier answer */
};

/* The last answer, as new string, or NULL. */
static char *kept_read(const struct pool *p)
{
    char *file = str_path(p->places.state_dir, "terminal-path"), *text = NULL;
    size_t n = 0;
    struct err err = {0};
    bool ok = dirs_read_file(file, PATH_CAP, &text, &n, &err) && n > 0;
    free(file);
    if (!ok) {
        free(text);
        return NULL;
    }
    text[strcspn(text, "\n")] = '\0';
    return text;
}

static void kept_write(const struct pool *p)
{
    char *file = str_path(p->places.state_dir, "terminal-path");
    char *text = xasprintf("%s\n", p->shell_path);
    struct err err = {0};
    if (!dirs_write_file(file, text, strlen(text), 0600, &err))
        log_warn("the terminal's PATH cannot be kept", "error=%s", log_quote(err_text(&err)));
    free(text);
    free(file);
}

static void take(struct pool *p, const char *path)
{
    if (!path || str_equal(path, p->shell_path))
        return;
    str_replace(&p->shell_path, path);
    kept_write(p);
}

static void finish(struct shell_path *q, bool wants_answer)
{
    struct pool *p = q->pool;
    struct strv answer = {0};
    struct err err = {0};
    ev_io_stop(p->loop, &q->io);
    ev_timer_stop(p->loop, &q->limit);
    if (shell_env_finish(q->env, wants_answer ? &answer : NULL, &err))
        take(p, strv_env_get(&answer, "PATH"));
    else if (wants_answer)
        log_warn("the shell did not tell its PATH; the usual places are used", "error=%s",
                 log_quote(err_text(&err)));
    strv_finish(&answer);
    free(q);
    p->shell = NULL;
    pool_wake(p, NULL);
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct shell_path *q = io->data;
    if (shell_env_feed(q->env) == SHELL_ENV_DONE)
        finish(q, true);
}

static void on_limit(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    finish(timer->data, true);
}

void shell_path_begin(struct pool *p)
{
    struct shell_env *env = NULL;
    struct err err = {0};
    if (p->shell)
        return;
    bool is_first = !p->shell_path;
    if (is_first) {
        p->shell_path = kept_read(p);
        is_first = !p->shell_path;
    }
    if (is_first)
        p->shell_path = shell_env_fallback_path(getenv("PATH"));
    if (!shell_env_start(NULL, &env, &err)) {
        log_warn("the shell cannot be asked for its PATH", "error=%s", log_quote(err_text(&err)));
        return;
    }
    struct shell_path *q = xcalloc(1, sizeof *q);
    q->pool = p;
    q->env = env;
    q->is_first = is_first;
    p->shell = q;
    ev_io_init(&q->io, on_readable, shell_env_fd(env), EV_READ);
    q->io.data = q;
    ev_io_start(p->loop, &q->io);
    ev_timer_init(&q->limit, on_limit, SHELL_ENV_LIMIT_MS / 1000.0, 0);
    q->limit.data = q;
    ev_now_update(p->loop);
    ev_timer_start(p->loop, &q->limit);
}

bool shell_path_is_awaited(const struct pool *p)
{
    return p->shell && p->shell->is_first;
}

void shell_path_end(struct pool *p)
{
    if (p->shell)
        finish(p->shell, false);
    free(p->shell_path);
    p->shell_path = NULL;
}
