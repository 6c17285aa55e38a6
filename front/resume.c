/* front/resume.c - see resume.h. */
#include "front/resume.h"

#include "base/caps.h"
#include "front/flight.h"
#include "front/http_answer.h"
#include "front/late.h"
#include "front/replay.h"

#include <string.h>

static void begin(struct conn *c, const char *headers)
{
    /* Framed by the end of the connection: a killed poold then looks like a clean end to clients.
     */
    c->will_close = true;
    conn_begin_events(c, headers, false);
    conn_add(c, HTTP_RETRY, sizeof HTTP_RETRY - 1);
}

static void add(void *arg, const char *bytes, size_t n)
{
    conn_add(arg, bytes, n);
}

/* The stream's last event is an error in the place of its answer. */
static void end_with_error(struct conn *c, const struct event_id *id, const char *text)
{
    struct buf body = BUF_INIT(CAP_OUT + id->request.n), event = BUF_INIT(CAP_OUT * 2);
    if (rpc_write_error(&body, id->request, err_row(ERR_DAEMON_LOST)->rpc, text,
                        (struct span){0}) &&
        sse_event_write(&event, "message", NULL, (struct span){body.data, body.len}))
        conn_add(c, event.data, event.len);
    buf_release(&body);
    buf_release(&event);
    conn_finish(c);
}

/* The call is under way: this connection takes the place of the one that was lost. */
static void go_on(struct conn *c, struct flight *f, const struct event_id *id)
{
    struct conn *old = f->conn;
    f->conn = c;
    f->is_framed_by_end = true;
    f->away_ms = 0;
    if (old) /* its end has not been noticed yet */
        conn_close(old);
    conn_take(c, &http_flight_user, f);
    begin(c, flight_headers(f->session, false));
    replay_after(f->replay, id->event, add, c);
    conn_flush(c);
    if (f->up)
        upstream_resume(f->up);
}

void resume_stream(struct conn *c, const struct event_id *id)
{
    struct replay *r = replay_find(c->front, id);
    if (r && r->flight && !(r->is_open && r->is_skipped)) {
        go_on(c, r->flight, id);
        return;
    }
    begin(c, "");
    if (!r && late_resume(c, id))
        return;
    if (!r) {
        end_with_error(c, id,
                       "what became of this call is not known here any more: poold was ended while "
                       "it was under way, or it is too long ago. The call may have run: check "
                       "whether it did before repeating it.");
        return;
    }
    replay_after(r, id->event, add, c);
    if (r->is_taken_back) {
        end_with_error(c, id,
                       "the response to this call was closed, which takes the call back. It may "
                       "have run: check whether it did before repeating it.");
        return;
    }
    /* The answer is the last event of a stream. */
    if (r->last_kept + 1 < r->next_event && id->event + 1 < r->next_event)
        end_with_error(c, id,
                       "the connection was lost while the answer to this call was sent, and the "
                       "answer is too large to be kept. The call has run.");
    else
        conn_finish(c);
}
