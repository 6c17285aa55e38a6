/* front/metrics.c - see metrics.h. */
#include "front/metrics.h"

#include "base/clock.h"
#include "base/str.h"
#include "front/flight.h"

#include <stdio.h>

static const int64_t call_bounds_us[] = {500,     1000,     2500,     5000,     10000,     25000,
                                         50000,   100000,   250000,   500000,   1000000,   2500000,
                                         5000000, 10000000, 30000000, 60000000, 300000000, 0};

void front_metrics_init(struct front_metrics *m)
{
    m->handover.bounds_us = m->call.bounds_us = call_bounds_us;
}

void front_count_handover(const struct flight *f)
{
    if (f->kind == FLIGHT_CALL && f->tries == 1)
        histogram_add(&f->session->front->metrics.handover, clock_us() - f->born_us);
}

void front_count_end(const struct flight *f)
{
    struct front_metrics *m = &f->session->front->metrics;
    if (f->kind != FLIGHT_CALL)
        return;
    histogram_add(&m->call, clock_us() - f->born_us);
    if (f->is_failed)
        m->failed++;
    else if (f->has_answer)
        m->answered++;
    else
        m->abandoned++;
}

const char *session_change_word(enum session_change c)
{
    static const char *const words[] = {"opened", "taken-back", "put-aside", "closed"};
    return words[c];
}

void front_session_news(const struct session *s, enum session_change what)
{
    if (!session_has_project(s)) /* it is news once it is of some project */
        return;
    struct front *f = s->front;
    f->metrics.sessions[what]++;
    if (!f->listener.on_session)
        return;
    const struct front_session view = session_view(s);
    f->listener.on_session(f->listener.arg, &view, what);
}

struct census {
    int64_t http, sse, streams;
};

static void count_session(void *arg, const struct front_session *s)
{
    struct census *c = arg;
    if (str_equal(s->transport, "sse"))
        c->sse++;
    else
        c->http++;
    c->streams += s->has_stream;
}

static int64_t flights_of(const struct front *f)
{
    int64_t n = 0;
    list_each(node, after, &f->flights) n +=
        container_of(node, const struct flight, node)->kind != FLIGHT_ONEWAY;
    return n;
}

static bool print_sessions(struct front *f, struct buf *out)
{
    struct census c = {0};
    front_sessions_each(f, count_session, &c);
    if (!metrics_family(out, "poold_sessions", "gauge", "Client sessions held, by transport.") ||
        !metrics_value(out, "poold_sessions", "transport=\"http\"", c.http) ||
        !metrics_value(out, "poold_sessions", "transport=\"sse\"", c.sse) ||
        !metrics_family(out, "poold_session_streams", "gauge",
                        "Long streams that clients hold open.") ||
        !metrics_value(out, "poold_session_streams", "", c.streams) ||
        !metrics_family(out, "poold_session_changes_total", "counter",
                        "Sessions opened, taken back after a restart, put aside, closed."))
        return false;
    for (int i = 0; i < SESSION_CHANGE_COUNT; i++) {
        char label[64];
        snprintf(label, sizeof label, "change=\"%s\"", session_change_word((enum session_change)i));
        if (!metrics_value(out, "poold_session_changes_total", label, f->metrics.sessions[i]))
            return false;
    }
    return true;
}

static bool print_calls(const struct front *f, struct buf *out)
{
    static const char calls[] = "poold_calls_total", links[] = "poold_handshakes_total";
    const struct front_metrics *m = &f->metrics;
    return metrics_family(out, "poold_flights", "gauge", "Requests of clients under way.") &&
           metrics_value(out, "poold_flights", "", flights_of(f)) &&
           metrics_family(out, calls, "counter",
                          "Requests that are over: answered by the daemon, failed (answered by "
                          "poold with an error), or abandoned by the client before.") &&
           metrics_value(out, calls, "outcome=\"answered\"", m->answered) &&
           metrics_value(out, calls, "outcome=\"failed\"", m->failed) &&
           metrics_value(out, calls, "outcome=\"abandoned\"", m->abandoned) &&
           metrics_histogram(out, "poold_call_handover_seconds",
                             "From a whole request to its hand-over to the daemon: what the front "
                             "adds, with the wait for a start.",
                             &m->handover) &&
           metrics_histogram(out, "poold_call_duration_seconds",
                             "From a whole request to the end of its answer.", &m->call) &&
           metrics_family(out, links, "counter",
                          "Links of sessions to daemons: by a new handshake, or by reuse of the "
                          "handshake before poold's restart.") &&
           metrics_value(out, links, "how=\"new\"", m->links_opened) &&
           metrics_value(out, links, "how=\"reused\"", m->links_resumed);
}

bool front_metrics_print(struct front *f, struct buf *out)
{
    return print_sessions(f, out) && print_calls(f, out) &&
           metrics_family(out, "poold_answers_from_memory_total", "counter",
                          "Handshakes and lists that were answered without the daemon.") &&
           metrics_value(out, "poold_answers_from_memory_total", "", f->metrics.from_memory) &&
           metrics_family(out, "poold_connections", "gauge", "Connections of clients.") &&
           metrics_value(out, "poold_connections", "", f->conn_count);
}
