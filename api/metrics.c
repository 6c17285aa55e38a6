/* api/metrics.c - see metrics.h. */
#include "api/metrics.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "base/str.h"

#include <ev.h>
#include <stdio.h>

enum outcome { START_READY, START_FAILED, START_STOPPED, START_ADOPTED, OUTCOME_COUNT };
static const char *const outcome_words[] = {"ready", "failed", "stopped", "adopted"};

static const int64_t start_bounds_us[] = {100000,    250000,    500000,   1000000,  2500000,
                                          5000000,   10000000,  20000000, 30000000, 60000000,
                                          120000000, 300000000, 0};
static const int64_t turn_bounds_us[] = {50,    100,   250,   500,    1000,   2500,    5000,
                                         10000, 25000, 50000, 100000, 250000, 1000000, 0};

struct metrics {
    struct api *api;
    int64_t starts[OUTCOME_COUNT], stops[REASON_COUNT];
    struct histogram start, turn;
    ev_check woken;
    ev_prepare blocking;
    int64_t woken_us; /* 0: not measured yet */
};

/* --- counting --- */

void metrics_state(struct metrics *m, const struct daemon *d, enum daemon_state was, int64_t was_ms)
{
    bool is_adopted = d->reason == REASON_ADOPTED;
    if (daemon_is_up(d) && is_adopted) {
        m->starts[START_ADOPTED]++;
    } else if (daemon_is_up(d) && was == DAEMON_STARTING) {
        m->starts[START_READY]++;
        histogram_add(&m->start, was_ms * 1000);
    } else if ((d->state != DAEMON_DOWN && d->state != DAEMON_FAILED) || was == DAEMON_DOWN ||
               was == DAEMON_FAILED) {
        return; /* it is on its way, or a failure is forgiven */
    } else if (was == DAEMON_STARTING || !d->ready_unix_ms) {
        m->starts[d->state == DAEMON_FAILED ? START_FAILED : START_STOPPED]++;
    } else {
        m->stops[d->reason]++;
    }
}

static void on_woken(struct ev_loop *loop, ev_check *w, int events)
{
    (void)loop;
    (void)events;
    struct metrics *m = w->data;
    m->woken_us = clock_us();
}

static void on_blocking(struct ev_loop *loop, ev_prepare *w, int events)
{
    (void)loop;
    (void)events;
    struct metrics *m = w->data;
    if (m->woken_us)
        histogram_add(&m->turn, clock_us() - m->woken_us);
    m->woken_us = 0;
}

/* --- printing --- */

struct census {
    int64_t states[DAEMON_STATE_COUNT], projects;
    struct buf *out;
    bool ok;
};

static void count(void *arg, struct daemon *d)
{
    ((struct census *)arg)->states[d->state]++;
}

static void count_project(void *arg, struct project *project)
{
    (void)project;
    ((struct census *)arg)->projects++;
}

static void print_memory(void *arg, struct daemon *d)
{
    struct census *c = arg;
    struct buf labels = BUF_INIT(4096);
    char instance[16];
    if (d->memory_bytes < 0)
        return;
    snprintf(instance, sizeof instance, "%d", d->instance);
    c->ok = c->ok && metrics_label(&labels, "project", d->project->key) &&
            metrics_label(&labels, "server", d->server) &&
            metrics_label(&labels, "daemon_instance", instance) &&
            metrics_value(c->out, "poold_daemon_memory_bytes", buf_text(&labels), d->memory_bytes);
    buf_release(&labels);
}

static bool print_daemons(struct metrics *m, struct buf *out)
{
    struct census c = {.out = out};
    char label[80];
    pool_daemons_each(m->api->pool, count, &c);
    pool_projects_each(m->api->pool, count_project, &c);
    c.ok = metrics_family(out, "poold_projects", "gauge", "Known projects.") &&
           metrics_value(out, "poold_projects", "", c.projects) &&
           metrics_family(out, "poold_daemons", "gauge", "Daemons by state.");
    for (int i = 0; c.ok && i < DAEMON_STATE_COUNT; i++) {
        snprintf(label, sizeof label, "state=\"%s\"", daemon_state_word((enum daemon_state)i));
        c.ok = metrics_value(out, "poold_daemons", label, c.states[i]);
    }
    c.ok = c.ok && metrics_family(out, "poold_daemon_memory_bytes", "gauge",
                                  "Memory of a daemon's process tree at the last look.");
    pool_daemons_each(m->api->pool, print_memory, &c);
    return c.ok;
}

static bool print_lives(const struct metrics *m, struct buf *out)
{
    static const char starts[] = "poold_daemon_starts_total", stops[] = "poold_daemon_stops_total";
    char label[80];
    bool ok = metrics_family(out, starts, "counter",
                             "Starts of daemons by outcome; adopted: it ran before poold did.");
    for (int i = 0; ok && i < OUTCOME_COUNT; i++) {
        snprintf(label, sizeof label, "outcome=\"%s\"", outcome_words[i]);
        ok = metrics_value(out, starts, label, m->starts[i]);
    }
    ok = ok &&
         metrics_histogram(out, "poold_daemon_start_duration_seconds",
                           "From when a start was asked for until the daemon was ready.",
                           &m->start) &&
         metrics_family(out, stops, "counter",
                        "Ends of daemons that had been ready, by reason; idle, pool-full, memory "
                        "and evicted are evictions.");
    for (int i = REASON_IDLE; ok && i < REASON_COUNT; i++) {
        snprintf(label, sizeof label, "reason=\"%s\"", reason_word((enum reason)i));
        ok = metrics_value(out, stops, label, m->stops[i]);
    }
    return ok;
}

static bool print_process(const struct metrics *m, struct buf *out)
{
    const struct api_host *host = &m->api->host;
    int64_t rss_bytes = 0, cpu_ms = 0;
    if (host->usage)
        host->usage(host->arg, &rss_bytes, &cpu_ms);
    return metrics_histogram(out, "poold_loop_turn_seconds",
                             "How long the event loop was busy at a time: what all else waited.",
                             &m->turn) &&
           metrics_family(out, "poold_build_info", "gauge", "Which poold this is.") &&
           metrics_value(out, "poold_build_info", "version=\"" POOLD_VERSION "\"", 1) &&
           metrics_family(out, "process_resident_memory_bytes", "gauge",
                          "Memory of poold itself.") &&
           metrics_value(out, "process_resident_memory_bytes", "", rss_bytes) &&
           metrics_family(out, "process_cpu_seconds_total", "counter",
                          "CPU time of poold itself.") &&
           metrics_seconds(out, "process_cpu_seconds_total", cpu_ms * 1000) &&
           metrics_family(out, "process_start_time_seconds", "gauge", "When poold started.") &&
           metrics_seconds(out, "process_start_time_seconds", host->started_unix_ms * 1000);
}

bool metrics_print(struct metrics *m, struct buf *out)
{
    const struct api_host *host = &m->api->host;
    return print_daemons(m, out) && print_lives(m, out) &&
           (!host->metrics || host->metrics(host->arg, out)) && print_process(m, out);
}

/* --- life --- */

struct metrics *metrics_new(struct api *api)
{
    struct metrics *m = xcalloc(1, sizeof *m);
    m->api = api;
    m->start.bounds_us = start_bounds_us;
    m->turn.bounds_us = turn_bounds_us;
    ev_check_init(&m->woken, on_woken);
    ev_set_priority(&m->woken, EV_MAXPRI); /* before all that the turn is for */
    m->woken.data = m;
    ev_check_start(api->loop, &m->woken);
    ev_prepare_init(&m->blocking, on_blocking);
    ev_set_priority(&m->blocking, EV_MINPRI); /* after the others' */
    m->blocking.data = m;
    ev_prepare_start(api->loop, &m->blocking);
    return m;
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    ev_check_stop(m->api->loop, &m->woken);
    ev_prepare_stop(m->api->loop, &m->blocking);
    free(m);
}
