/* poold.c - the manager's composition root: reads where things are, takes the listening sockets,
 * builds registry, pool, front and api in this order, runs the loop, and takes them down in
 * reverse.
 *
 * Somebody else always holds the listening sockets: a service manager that hands them over, or a
 * keeper of our own. Started by hand without sockets, poold opens them and becomes that keeper
 * (`poold-keeper hold`), which starts poold again with the sockets as LISTEN_FDS. */
#define LOG_MODULE "poold"
#include "api/server.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "config/config.h"
#include "config/options.h"
#include "front/front.h"
#include "platform/activate.h"
#include "platform/dirs.h"
#include "platform/peer.h"
#include "platform/places.h"
#include "platform/proc.h"
#include "platform/self.h"
#include "platform/spawn.h"
#include "pool/log_limit.h"
#include "pool/pool.h"
#include "pool/serena.h"
#include "registry/registry.h"

#include <errno.h>
#include <ev.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_LISTEN "127.0.0.1:7337"

struct poold {
    struct dirs dirs;
    const char *log_format; /* of the command line, or NULL */
    char *log_file;         /* where poolctl lets us write */
    char *keeper_program;
    struct places places;

    struct ev_loop *loop;
    struct config *config;
    struct registry *registry;
    struct pool *pool;
    struct log_limit *log_limit;
    struct front *front;
    struct api *api;
    struct pool_places pool_places;
    struct front_places front_places;
    ev_signal on_term, on_int, on_hup;
    ev_timer watchdog;
    int64_t started_unix_ms;
    bool is_ending;
};

/* The format for the holder's own few lines: a configuration with a mistake is told of by the poold
 * that it starts. */
static char *log_format_of(const struct poold *p)
{
    struct err ignored = {0};
    struct config *config =
        p->log_format ? NULL : config_load(p->dirs.config_file, serena_builtin_json(), &ignored);
    char *format = xstrdup(p->log_format ? p->log_format
                           : config      ? config->settings.log_format
                                         : "logfmt");
    config_free(config);
    return format;
}

/* --- what the api asks of us --- */

struct session_walk {
    void (*each)(void *arg, const struct api_session *s);
    void *arg;
};

static struct api_session session_of(const struct front_session *s)
{
    return (struct api_session){
        .project_key = s->project_key,
        .server = s->server,
        .client = s->client,
        .transport = s->transport,
        .pid = s->pid,
        .cwd = s->cwd,
        .program = s->program,
        .route = s->route,
        .in_flight = s->in_flight,
        .oldest_call_ms = s->oldest_call_ms,
        .last_use_unix_ms = s->last_use_unix_ms,
        .has_stream = s->has_stream,
    };
}

static void pass_session(void *arg, const struct front_session *s)
{
    const struct session_walk *walk = arg;
    struct api_session out = session_of(s);
    walk->each(walk->arg, &out);
}

static void on_session(void *arg, const struct front_session *s, enum session_change what)
{
    struct poold *p = arg;
    struct api_session out = session_of(s);
    api_session_changed(p->api, &out, session_change_word(what));
}

static bool front_metrics(void *arg, struct buf *out)
{
    struct poold *p = arg;
    return front_metrics_print(p->front, out);
}

static void own_usage(void *arg, int64_t *rss_bytes, int64_t *cpu_ms)
{
    (void)arg;
    proc_memory(getpid(), rss_bytes, NULL);
    *cpu_ms = proc_cpu_ms(getpid());
}

static void sessions_each(void *arg, void (*each)(void *each_arg, const struct api_session *s),
                          void *each_arg)
{
    struct poold *p = arg;
    struct session_walk walk = {each, each_arg};
    front_sessions_each(p->front, pass_session, &walk);
}

static char *url_of(void *arg, const struct project *project, const char *server)
{
    struct poold *p = arg;
    return front_url(p->front, project, server);
}

static void apply_log_settings(const struct poold *p, const struct config *config)
{
    enum log_level level;
    enum log_format format;
    if (log_level_from(config->settings.log_level, &level))
        log_set_level(level);
    if (log_format_from(p->log_format ? p->log_format : config->settings.log_format, &format))
        log_set_format(format);
    log_bound(p->log_file, config->settings.log_max_mib * 1024 * 1024);
}

static bool reload(void *arg, struct err *err)
{
    struct poold *p = arg;
    struct config *fresh = config_load(p->dirs.config_file, serena_builtin_json(), err);
    if (!fresh)
        return false;
    struct config *old = p->config;
    p->config = fresh;
    pool_reconfigure(p->pool, fresh);
    apply_log_settings(p, fresh);
    config_free(old);
    log_info("configuration read again", "file=%s", log_quote(p->dirs.config_file));
    api_config_changed(p->api);
    return true;
}

static void end_loop(void *arg)
{
    struct poold *p = arg;
    ev_break(p->loop, EVBREAK_ALL);
}

static void end(struct poold *p, const char *why, bool keep_daemons)
{
    if (p->is_ending)
        return;
    p->is_ending = true;
    log_info("poold ends", "why=%s daemons=%s", log_quote(why), keep_daemons ? "kept" : "stopped");
    activate_notify("STOPPING=1");
    if (keep_daemons)
        end_loop(p);
    else
        pool_stop_all(p->pool, REASON_SHUTDOWN, end_loop, p);
}

static void on_shutdown(void *arg, bool keep_daemons)
{
    end(arg, "asked by the API", keep_daemons);
}

static bool cwd_of(void *arg, int pid, char **cwd, char **why)
{
    (void)arg;
    static struct peer_process process; /* large; one thread */
    if (peer_of_pid(pid, &process) == PEER_FOUND) {
        *cwd = xstrdup(process.cwd);
        return true;
    }
    *why = xstrdup(process.why);
    return false;
}

static bool peer_of(void *arg, int fd, int *pid, unsigned *uid)
{
    (void)arg;
    pid_t peer_pid;
    uid_t peer_uid;
    if (!peer_of_unix(fd, &peer_pid, &peer_uid))
        return false;
    *pid = (int)peer_pid;
    *uid = (unsigned)peer_uid;
    return true;
}

/* --- signals --- */

static void on_end_signal(struct ev_loop *loop, ev_signal *w, int events)
{
    (void)loop;
    (void)events;
    end(w->data, w->signum == SIGTERM ? "SIGTERM" : "SIGINT", true);
}

static void on_reload_signal(struct ev_loop *loop, ev_signal *w, int events)
{
    (void)loop;
    (void)events;
    struct err err = {0};
    if (!reload(w->data, &err))
        log_error("configuration not changed", "error=%s", log_quote(err_text(&err)));
}

static void watch_signal(struct poold *p, ev_signal *w,
                         void (*fn)(struct ev_loop *, ev_signal *, int), int number)
{
    ev_signal_init(w, fn, number);
    w->data = p;
    ev_signal_start(p->loop, w);
}

/* --- the service manager's watchdog --- */

static void on_watchdog(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop;
    (void)w;
    (void)events;
    activate_notify("WATCHDOG=1");
}

/* Twice within the time after which it takes a loop that stands still for dead. */
static void feed_watchdog(struct poold *p)
{
    double every = (double)activate_watchdog_ms() / 2000.0;
    if (every <= 0)
        return;
    ev_timer_init(&p->watchdog, on_watchdog, 0, every);
    ev_timer_start(p->loop, &p->watchdog);
}

/* --- building and running --- */

static bool open_registry(struct poold *p, struct err *err)
{
    char *path = str_path(p->dirs.state_dir, "registry.db"), *damaged = NULL;
    bool ok = registry_open_anyhow(path, &p->registry, &damaged, err);
    if (damaged)
        log_error("the registry was damaged; it is put aside and rebuilt from the living keepers",
                  "kept=%s", log_quote(damaged));
    free(damaged);
    free(path);
    return ok;
}

static bool build(struct poold *p, struct err *err)
{
    p->config = config_load(p->dirs.config_file, serena_builtin_json(), err);
    if (!p->config)
        return false;
    apply_log_settings(p, p->config);
    for (size_t i = 0; i < p->config->warnings.count; i++)
        log_warn("configuration", "note=%s", log_quote(p->config->warnings.items[i]));
    if (!open_registry(p, err))
        return false;
    p->pool_places = (struct pool_places){p->dirs.state_dir, p->dirs.run_dir, p->dirs.data_dir,
                                          p->keeper_program};
    /* The epoch grows with every start, also when the registry is lost: it is the time. */
    p->pool =
        pool_create(p->loop, &p->pool_places, p->config, p->registry, p->started_unix_ms, err);
    if (!p->pool)
        return false;
    p->log_limit = log_limit_create(p->loop, p->pool);
    p->front_places = (struct front_places){p->dirs.state_dir, p->places.api_socket};
    p->front = front_create(p->loop, p->places.sockets.front, p->places.sockets.mcp, p->pool,
                            p->registry, &p->front_places, err);
    if (!p->front)
        return false;
    struct api_host host = {
        .arg = p,
        .sessions_each = sessions_each,
        .front_url = url_of,
        .reload = reload,
        .shutdown = on_shutdown,
        .peer_of = peer_of,
        .cwd_of = cwd_of,
        .usage = own_usage,
        .metrics = front_metrics,
        .config_file = p->dirs.config_file,
        .state_dir = p->dirs.state_dir,
        .run_dir = p->dirs.run_dir,
        .listen = p->places.address,
        .started_unix_ms = p->started_unix_ms,
    };
    p->api = api_create(p->loop, p->places.sockets.api, p->pool, p->registry, &host, err);
    front_listen(p->front, &(struct front_listener){.arg = p, .on_session = on_session});
    return p->api != NULL;
}

static bool serve(struct poold *p, struct err *err)
{
    p->started_unix_ms = clock_unix_ms();
    p->loop = ev_default_loop(EVFLAG_AUTO);
    if (!p->loop)
        return err_set(err, ERR_SYSTEM, errno, "unable to make an event loop");
    spawn_raise_descriptors();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of the write, not our end */
    bool ok = places_serve(&p->places, err) && build(p, err);
    if (ok) {
        watch_signal(p, &p->on_term, on_end_signal, SIGTERM);
        watch_signal(p, &p->on_int, on_end_signal, SIGINT);
        watch_signal(p, &p->on_hup, on_reload_signal, SIGHUP);
        activate_notify("READY=1");
        feed_watchdog(p);
        log_info("poold serves", "version=" POOLD_VERSION " pid=%ld listen=%s state=%s run=%s",
                 (long)getpid(), p->places.address, log_quote(p->dirs.state_dir),
                 log_quote(p->dirs.run_dir));
        ev_run(p->loop, 0);
    }
    front_destroy(p->front);
    api_destroy(p->api);
    if (p->pool)
        pool_destroy(p->pool);
    log_limit_destroy(p->log_limit);
    registry_close(p->registry);
    config_free(p->config);
    places_leave(&p->places);
    return ok;
}

static bool check_config(const struct poold *p, struct err *err)
{
    struct config *config = config_load(p->dirs.config_file, serena_builtin_json(), err);
    if (!config)
        return false;
    for (size_t i = 0; i < config->warnings.count; i++)
        printf("%s\n", config->warnings.items[i]);
    printf("%s: %s\n", config->file, config->file_exists ? "no mistake" : "not there: defaults");
    config_free(config);
    return true;
}

struct options {
    const char *of[OPTION_COUNT]; /* "" if given without a value, NULL if not given */
};

/* False: the process ends with *status. */
static bool read_options(int argc, char **argv, struct options *out, int *status)
{
    struct option table[OPTION_COUNT + 1] = {0};
    enum log_format format;
    for (int i = 0; i < OPTION_COUNT; i++)
        table[i] = (struct option){.name = option_row((enum poold_option)i)->name,
                                   .has_arg = option_row((enum poold_option)i)->value != NULL,
                                   .val = 256 + i};
    *status = err_row(ERR_USAGE)->exit;
    for (int c; (c = getopt_long(argc, argv, "hV", table, NULL)) != -1;) {
        int which = c == 'h' ? OPTION_HELP : c == 'V' ? OPTION_VERSION : c - 256;
        if (which < 0)
            return false; /* getopt has said it */
        out->of[which] = optarg ? optarg : "";
    }
    if (out->of[OPTION_HELP] || out->of[OPTION_VERSION]) {
        if (out->of[OPTION_HELP])
            options_print_usage(stdout);
        else
            printf("poold " POOLD_VERSION "\n");
        *status = 0;
        return false;
    }
    if (out->of[OPTION_LOG_FORMAT] && !log_format_from(out->of[OPTION_LOG_FORMAT], &format)) {
        fprintf(stderr, "poold: --log-format: expected logfmt or json, found \"%s\"\n",
                out->of[OPTION_LOG_FORMAT]);
        return false;
    }
    if (optind < argc) {
        fprintf(stderr, "poold: unexpected argument \"%s\"; see poold --help\n", argv[optind]);
        return false;
    }
    *status = 0;
    return true;
}

static bool find_places(struct poold *p, const struct options *options, struct err *err)
{
    const char *from_env = getenv("POOLD_LISTEN");
    const char *listen = options->of[OPTION_LISTEN] ? options->of[OPTION_LISTEN]
                         : from_env && from_env[0]  ? from_env
                                                    : DEFAULT_LISTEN;
    if (!dirs_find(options->of[OPTION_CONFIG], options->of[OPTION_STATE_DIR],
                   options->of[OPTION_RUN_DIR], &p->dirs, err))
        return false;
    p->log_format = options->of[OPTION_LOG_FORMAT];
    p->log_file = str_path(p->dirs.state_dir, "logs/poold.log");
    places_init(&p->places, p->dirs.run_dir, listen);
    p->keeper_program = self_sibling("poold-keeper");
    if (!p->keeper_program || access(p->keeper_program, X_OK)) {
        free(p->keeper_program);
        p->keeper_program = xstrdup(POOLD_LIBEXEC "/poold-keeper");
    }
    return true;
}

static bool run(struct poold *p, const struct options *options, char **argv, struct err *err)
{
    if (!find_places(p, options, err))
        return false;
    if (options->of[OPTION_CHECK_CONFIG])
        return check_config(p, err);
    char *logs = str_path(p->dirs.state_dir, "logs"),
         *keepers = str_path(p->dirs.run_dir, "keepers");
    bool ok = dirs_make(p->dirs.state_dir, true, err) && dirs_make(p->dirs.run_dir, true, err) &&
              dirs_make(logs, true, err) && dirs_make(keepers, true, err);
    free(logs);
    free(keepers);
    if (!ok)
        return false;
    int handed = activate_take(&p->places.sockets, err);
    if (handed < 0)
        return false;
    if (handed)
        return serve(p, err);
    char *log_format = log_format_of(p);
    ok = places_hold(&p->places, p->keeper_program, log_format, argv, err);
    free(log_format);
    return ok;
}

int main(int argc, char **argv)
{
    struct poold p = {0};
    struct options options = {0};
    struct err err = {0};
    int status;
    log_find_journal();
    if (!read_options(argc, argv, &options, &status))
        return status;
    if (!run(&p, &options, argv, &err)) {
        fprintf(stderr, "poold: %s\n", err_text(&err));
        status = err_row(err.code)->exit;
    }
    dirs_finish(&p.dirs);
    places_finish(&p.places);
    free(p.log_file);
    free(p.keeper_program);
    return status;
}
