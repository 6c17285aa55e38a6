/* front/session_tidy.c - sessions whose client has gone are let go of (session.h): what they have
 * in their daemon ends, their rows stay, so that their ids are still taken back. */
#define LOG_MODULE "front"
#include "base/clock.h"
#include "base/log.h"
#include "front/asked.h"
#include "front/flight.h"
#include "front/modern.h"
#include "front/session_parts.h"
#include "platform/proc.h"

#define SILENT_MS (60 * 60 * 1000ll)     /* no sign of its client for so long */
#define LEFT_MS 20000                    /* HTTP+SSE: nobody has opened its stream anew */
#define PRUNE_MS (24 * 60 * 60 * 1000ll) /* between two looks at old rows */
#define ROW_KEPT_MS (30 * 24 * 60 * 60 * 1000ll)

void session_put_aside(struct session *s)
{
    log_info("session put aside", "project=%s server=%s client=%s pid=%ld", s->daemon->project->key,
             s->daemon->server, log_quote(s->client), (long)s->pid);
    front_session_news(s, SESSION_PUT_ASIDE);
    link_close(&s->link);
    s->pid = 0; /* nobody goes on with it but by its id */
    s->pid_start = 0;
    if (s->modern)
        modern_row_drop(s);
    else
        session_save(s);
    s->front->session_count--;
    daemon_sessions_add(s->daemon, -1);
    session_let_go(s);
}

static void tidy_one(void *arg, struct session *s)
{
    const int64_t *now_unix_ms = arg;
    if (s->is_ended || !s->is_published) { /* by the end of its stream, with somebody inside */
        session_release(s);
        return;
    }
    if (s->stream || !list_is_empty(&s->flights))
        return;
    bool is_gone = s->pid ? !proc_is_alive((struct proc_id){s->pid, s->pid_start})
                          : *now_unix_ms - s->last_use_unix_ms > SILENT_MS;
    is_gone |= s->modern && daemon_is_forgotten(s->daemon);
    if (is_gone)
        session_put_aside(s);
}

static void tidy_left(void *arg, struct session *s)
{
    bool *is_any = arg;
    if (!s->awaited_until_ms || s->is_ended)
        return;
    if (list_is_empty(&s->flights) &&
        clock_ms() >= s->awaited_until_ms - SESSION_AWAIT_MS + LEFT_MS)
        session_put_aside(s);
    else
        *is_any = true;
}

bool session_check_left(struct front *f)
{
    bool is_any = false;
    if (f->awaits)
        session_each(f, tidy_left, &is_any);
    f->awaits = is_any;
    return is_any;
}

static struct flight *first_call(struct session *s)
{
    list_each(node, after, &s->flights)
    {
        struct flight *f = container_of(node, struct flight, session_node);
        if (f->kind == FLIGHT_CALL)
            return f;
    }
    return NULL;
}

/* What a daemon of its own still works on ends with it, as it does where nobody is in between. */
static void drop_calls(struct session *s)
{
    s->holds++;
    for (struct flight *f; (f = first_call(s));) {
        f->client = &flight_client_none;
        flight_fail(f, ERR_DAEMON_LOST, "its client has gone");
    }
    s->holds--;
}

void session_departed(struct session *s)
{
    int64_t now_unix_ms = clock_unix_ms();
    s->is_departed = true;
    session_stream_close(s); /* nobody reads it any more */
    asked_refuse(s, NULL);
    if (s->has_own)
        drop_calls(s);
    tidy_one(&now_unix_ms, s);
}

static void save_one(void *arg, struct session *s)
{
    (void)arg;
    if (s->is_published && !s->is_ended)
        session_save(s);
}

void session_tidy(struct front *f)
{
    int64_t now_unix_ms = clock_unix_ms();
    session_each(f, tidy_one, &now_unix_ms);
    if (now_unix_ms - f->pruned_unix_ms < PRUNE_MS)
        return;
    f->pruned_unix_ms = now_unix_ms;
    struct err err = {0};
    bool ok = registry_begin(f->registry, &err);
    session_each(f, save_one, NULL); /* so that the rows say when these were used last */
    if (!ok || !registry_commit(f->registry, &err) ||
        !registry_sessions_prune(f->registry, now_unix_ms - ROW_KEPT_MS, &err))
        log_warn("old sessions stay in the registry", "error=%s", log_quote(err_text(&err)));
}
