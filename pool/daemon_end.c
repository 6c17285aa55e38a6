/* pool/daemon_end.c - the actions of the table in daemon_table.c that stop, and what follows when a
 * life has ended or a start has failed. */
#include "base/clock.h"
#include "base/log.h"
#include "platform/net.h"
#include "pool/daemon.h"

#include <stdio.h>
#include <string.h>

#define LOG_MODULE "pool"
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MOST_MS 60000
#define QUICK_DEATH_MS 10000 /* a life shorter than this after ready counts as a failed start */
#define QUICK_DEATHS_FORGIVEN 2
#define FAILED_GRACE_MS 3000 /* a start that failed is not asked nicely for long */
#define REFUSED_MOST_MS 10000

int64_t slot_lived_ms(const struct slot *s)
{
    return s->d.started_unix_ms ? clock_unix_ms() - s->d.started_unix_ms : -1;
}

void slot_fail(struct slot *s, enum reason reason, const char *detail)
{
    struct daemon *d = &s->d;
    d->failures++;
    int64_t wait_ms = BACKOFF_FIRST_MS;
    for (int i = 1; i < d->failures && wait_ms < BACKOFF_MOST_MS; i++)
        wait_ms *= 2;
    d->retry_at_ms = clock_ms() + (wait_ms < BACKOFF_MOST_MS ? wait_ms : BACKOFF_MOST_MS);
    d->ended_unix_ms = clock_unix_ms();
    d->pid = d->keeper_pid = 0;
    d->memory_bytes = d->cpu_ms = -1;
    d->process = LAYER_FAILED;
    slot_note(s, "fail", reason, detail, clock_ms() - s->asked_ms);
    slot_set_state(s, DAEMON_FAILED, reason, detail);
}

/* --- stop --- */

static void stop_life(struct slot *s, enum reason reason, const char *detail, int64_t grace_ms)
{
    struct runtime *r = &s->d.pool->runtime;
    s->end_reason = reason;
    str_replace(&s->end_detail, detail);
    health_end(s);
    slot_set_state(s, DAEMON_STOPPING, reason, detail);
    r->stop(r->self, s->d.id, grace_ms, reason_word(reason));
}

void slot_do_drain(struct slot *s, const struct slot_event *event)
{
    if (s->d.in_flight == 0 || slot_settings(s)->drain_s == 0) {
        slot_do_stop(s, event);
        return;
    }
    s->draining = s->d.in_flight;
    s->end_reason = event->reason;
    str_replace(&s->end_detail, event->detail);
    slot_set_state(s, DAEMON_DRAINING, event->reason, event->detail);
}

void slot_do_drained(struct slot *s, const struct slot_event *event)
{
    slot_do_stop_late(s, event);
}

/* The reason is the one it began to drain for. */
void slot_do_stop_late(struct slot *s, const struct slot_event *event)
{
    (void)event;
    char *detail = s->end_detail;
    s->end_detail = NULL;
    stop_life(s, s->end_reason, detail, slot_settings(s)->stop_grace_s * 1000);
    free(detail);
}

void slot_do_stop(struct slot *s, const struct slot_event *event)
{
    struct daemon *d = &s->d;
    d->is_wanted = s->is_forced = false;
    if (!s->is_alive) { /* it waits in the queue */
        list_remove(&s->in_queue);
        slot_set_state(s, DAEMON_DOWN, event->reason, event->detail);
        return;
    }
    stop_life(s, event->reason, event->detail, slot_settings(s)->stop_grace_s * 1000);
}

void slot_do_want_later(struct slot *s, const struct slot_event *event)
{
    if (s->d.pool->is_stopping_all || slot_is_leaving(s))
        return;
    s->d.is_wanted = true;
    s->is_forced = s->is_forced || event->force;
    s->start_reason = event->reason;
}

void slot_do_unwant(struct slot *s, const struct slot_event *event)
{
    (void)event;
    s->d.is_wanted = s->is_forced = false;
}

void slot_do_overdue(struct slot *s, const struct slot_event *event)
{
    (void)event;
    struct runtime *r = &s->d.pool->runtime;
    log_warn("a daemon does not end", "project=%s daemon=%s pid=%d", s->d.project->key, s->d.id,
             s->d.pid);
    r->stop(r->self, s->d.id, 0, reason_word(s->end_reason));
    slot_deadline(s, 30000);
}

/* --- failure --- */

/* The life goes on, but its start has failed: end it, then remember. */
static void fail_life(struct slot *s, enum reason reason, const char *detail)
{
    s->is_failing = true;
    s->d.is_wanted = s->is_forced = false;
    stop_life(s, reason, detail, FAILED_GRACE_MS);
}

static void fail_refused(struct slot *s)
{
    const char *said = s->last_seen ? s->last_seen : "";
    char *detail =
        s->d.transport == TRANSPORT_STDIO
            ? xasprintf("it refuses the MCP handshake (%s); its output is in %s", said, s->log_path)
            : xasprintf("port %d is open, but what answers there refuses the MCP handshake "
                        "(%s): is \"type\" right? Its output is in %s",
                        s->d.port, said, s->log_path);
    fail_life(s, REASON_HANDSHAKE_FAILED, detail);
    free(detail);
}

void slot_do_timed_out(struct slot *s, const struct slot_event *event)
{
    (void)event;
    struct daemon *d = &s->d;
    struct runtime *r = &d->pool->runtime;
    long long after_s = (long long)slot_settings(s)->start_timeout_s;
    char *detail;
    if (s->refused_since_ms) {
        fail_refused(s);
        return;
    }
    if (d->transport == TRANSPORT_STDIO && d->pid && !r->is_stopped(r->self, d->id))
        detail = xasprintf("the process runs, but the MCP handshake was not answered within %lld "
                           "s; its output is in %s; a slow server needs a larger "
                           "startTimeoutSeconds, one that speaks over HTTP a \"type\"",
                           after_s, s->log_path);
    else if (d->transport != TRANSPORT_STDIO &&
             (d->step_ms[STEP_PORT_OPEN] >= 0 || d->accepts == LAYER_OK))
        detail = xasprintf("port %d is open, but the MCP handshake was not answered within %lld s "
                           "(last seen: %s); its output is in %s",
                           d->port, after_s, s->last_seen ? s->last_seen : "nothing", s->log_path);
    else if (d->pid && r->is_stopped(r->self, d->id))
        detail = xasprintf("the process (pid %d) was stopped by a signal while it started", d->pid);
    else if (d->pid)
        detail =
            xasprintf("the process runs, but nothing listened on port %d within %lld s: does "
                      "its command use ${POOLD_PORT}? Its output is in %s; a slow server needs "
                      "a larger startTimeoutSeconds",
                      d->port, after_s, s->log_path);
    else
        detail = xasprintf("its process did not come up within %lld s", after_s);
    fail_life(s, REASON_START_TIMEOUT, detail);
    free(detail);
}

void slot_do_refused(struct slot *s, const struct slot_event *event)
{
    str_replace(&s->last_seen, event->detail);
    if (!s->refused_since_ms)
        s->refused_since_ms = clock_ms();
    if (s->d.transport != TRANSPORT_STDIO && clock_ms() - s->refused_since_ms < REFUSED_MOST_MS)
        return; /* over stdio it is asked once only */
    fail_refused(s);
}

/* A stranger has its port: end it, and once try another one. */
void slot_do_move_port(struct slot *s, const struct slot_event *event)
{
    (void)event;
    char *detail = xasprintf("port %d is used by another program", s->d.port);
    s->is_port_taken = true;
    fail_life(s, REASON_PORT_TAKEN, detail);
    free(detail);
}

static void describe_end(const struct run_event *run, char *text, size_t room)
{
    if (run->exit_signal > 0)
        snprintf(text, room, "signal %d (%s)", run->exit_signal, strsignal(run->exit_signal));
    else
        snprintf(text, room, "exit status %d", run->exit_code);
}

/* The life is over; take its last lines along. */
static void life_over(struct slot *s, const struct run_event *run)
{
    s->is_alive = false;
    s->draining = 0;
    health_end(s);
    s->d.process = LAYER_UNKNOWN;
    s->d.ended_unix_ms = clock_unix_ms();
    if (run->tail && run->tail[0])
        str_replace(&s->d.tail, run->tail);
}

/* Start again on another port, once. False: that was tried already. */
static bool retry_port(struct slot *s)
{
    if (s->is_second_port)
        return false;
    log_info("port is taken, another one is tried", "project=%s port=%d", s->d.project->key,
             s->d.port);
    slot_note(s, "fail", REASON_PORT_TAKEN, "another port is tried", slot_lived_ms(s));
    s->is_second_port = true;
    s->avoid_port = s->d.port;
    slot_enqueue(s, s->start_reason);
    return true;
}

/* The last line of what was said, as new string; "" if nothing was. */
static char *last_line(const char *text)
{
    size_t n = text ? strlen(text) : 0, from;
    while (n && strchr("\r\n ", text[n - 1]))
        n--;
    for (from = n; from && text[from - 1] != '\n'; from--)
        continue;
    return xstrndup(n ? text + from : "", n - from);
}

void slot_do_failed(struct slot *s, const struct slot_event *event)
{
    struct daemon *d = &s->d;
    const struct run_event *run = event->run;
    char end[80];
    life_over(s, run);
    if (s->is_adopted && d->in_flight == 0 && run->reason) {
        slot_note(s, "end", reason_from(run->reason), "", slot_lived_ms(s));
        slot_set_state(s, DAEMON_DOWN, reason_from(run->reason), NULL);
        return;
    }
    if (run->exec_errno) {
        char *said = last_line(run->tail); /* the keeper's: which program, and what is wrong */
        char *detail = xasprintf("the command could not be run: %s (`poolctl why %s` shows it with "
                                 "its PATH)",
                                 *said ? said : strerror(run->exec_errno), d->project->root);
        free(said);
        slot_fail(s, REASON_EXEC_FAILED, detail);
        free(detail);
        return;
    }
    if (run->reason && reason_from(run->reason) == REASON_KEEPER_LOST) {
        slot_fail(s, REASON_KEEPER_LOST, "its keeper vanished while it started");
        return;
    }
    if (run->exit_code < 0 && run->exit_signal == 0) {
        char *detail = xasprintf("its keeper could not be started: %s", run->tail);
        slot_fail(s, REASON_EXEC_FAILED, detail);
        free(detail);
        return;
    }
    if (d->port && !net_port_is_free_to_all(d->port) && retry_port(s))
        return;
    describe_end(run, end, sizeof end);
    /* A server that puts itself into the background looks just like this. */
    const char *hint = run->exit_code == 0 ? " (it must stay in the foreground)" : "";
    char *detail =
        xasprintf("it ended with %s after %.1f s, before it was ready%s; its output is in %s", end,
                  (double)slot_lived_ms(s) / 1000.0, hint, s->log_path);
    bool is_port = d->port && !net_port_is_free(d->port);
    slot_fail(s, is_port ? REASON_PORT_TAKEN : REASON_START_EXITED, detail);
    free(detail);
}

void slot_do_crashed(struct slot *s, const struct slot_event *event)
{
    struct daemon *d = &s->d;
    const struct run_event *run = event->run;
    char end[80];
    int64_t up_ms = s->is_adopted ? slot_lived_ms(s) : clock_ms() - s->up_ms;
    bool is_quick = up_ms < QUICK_DEATH_MS;
    life_over(s, run);
    d->pid = d->keeper_pid = 0;
    d->memory_bytes = d->cpu_ms = -1;
    if (run->reason && reason_from(run->reason) != REASON_NONE) { /* its keeper's own decision */
        slot_note(s, "end", reason_from(run->reason), "", slot_lived_ms(s));
        slot_set_state(s, DAEMON_DOWN, reason_from(run->reason), NULL);
        return;
    }
    describe_end(run, end, sizeof end);
    enum reason reason =
        run->exit_signal > 0 || run->exit_code != 0 ? REASON_CRASHED : REASON_EXITED;
    char *detail = xasprintf("it ended unasked with %s after %.1f s; its output is in %s", end,
                             (double)slot_lived_ms(s) / 1000.0, s->log_path);
    s->quick_deaths = is_quick ? s->quick_deaths + 1 : 0;
    slot_note(s, "end", reason, detail, slot_lived_ms(s));
    if (s->quick_deaths > QUICK_DEATHS_FORGIVEN) {
        d->failures = s->failures_before > s->quick_deaths - QUICK_DEATHS_FORGIVEN - 1
                          ? s->failures_before
                          : s->quick_deaths - QUICK_DEATHS_FORGIVEN - 1;
        slot_fail(s, reason, detail);
    } else {
        slot_set_state(s, DAEMON_DOWN, reason, detail);
    }
    free(detail);
}

/* Nothing answers any more, though a part of its tree may take its time to go: calls wait for that
 * and the next life. */
void slot_do_ending(struct slot *s, const struct slot_event *event)
{
    (void)event;
    s->is_crashing = true;
    health_end(s);
    slot_set_state(s, DAEMON_STOPPING, REASON_CRASHED,
                   "its main process has ended; what it left is being ended");
}

void slot_do_gone(struct slot *s, const struct slot_event *event)
{
    struct daemon *d = &s->d;
    bool is_wanted = d->is_wanted, is_forced = s->is_forced;
    enum reason why = s->start_reason;
    if (s->is_crashing) {
        s->is_crashing = d->is_wanted = false;
        slot_do_crashed(s, event);
        if (is_wanted)
            daemon_want(d, why, is_forced);
        return;
    }
    life_over(s, event->run);
    d->pid = d->keeper_pid = 0;
    d->memory_bytes = d->cpu_ms = -1;
    if (s->is_failing && s->is_port_taken && retry_port(s))
        return;
    if (s->is_failing) {
        slot_fail(s, s->end_reason, s->end_detail);
        if (is_wanted && is_forced)
            daemon_want(d, why, true);
        return;
    }
    if (s->end_reason != REASON_KEEPER_LOST && s->end_reason != REASON_UNRESPONSIVE)
        str_replace(&d->tail, NULL); /* last lines are for those that died of themselves */
    slot_note(s, "end", s->end_reason, s->end_detail, slot_lived_ms(s));
    slot_set_state(s, DAEMON_DOWN, s->end_reason, s->end_detail);
    if (is_wanted)
        daemon_want(d, why, is_forced);
}

void slot_do_lost(struct slot *s, const struct slot_event *event)
{
    (void)event;
    static const char detail[] = "its keeper vanished; what it left is being ended";
    if (s->d.state == DAEMON_STOPPING) {
        slot_deadline(s, 60000);
        return;
    }
    bool was_up = s->d.state == DAEMON_READY || s->d.state == DAEMON_BUSY;
    s->is_failing = s->d.state == DAEMON_STARTING;
    s->end_reason = REASON_KEEPER_LOST;
    str_replace(&s->end_detail, detail);
    health_end(s);
    slot_set_state(s, DAEMON_STOPPING, REASON_KEEPER_LOST, detail);
    if (was_up)
        slot_do_want_later(s, &(struct slot_event){.kind = SLOT_WANT, .reason = REASON_REVIVED});
}

/* It answers nothing any more: end it and start it anew. */
void slot_do_revive(struct slot *s, const struct slot_event *event)
{
    stop_life(s, REASON_UNRESPONSIVE, event->detail, slot_settings(s)->stop_grace_s * 1000);
    slot_do_want_later(s, &(struct slot_event){.kind = SLOT_WANT, .reason = REASON_REVIVED});
}

void slot_do_retry(struct slot *s, const struct slot_event *event)
{
    if (event->force || clock_ms() >= s->d.retry_at_ms)
        slot_do_start(s, event);
}

void slot_do_forgive(struct slot *s, const struct slot_event *event)
{
    s->d.failures = s->quick_deaths = 0;
    s->d.retry_at_ms = 0;
    slot_set_state(s, DAEMON_DOWN, event->reason, event->detail);
}
