/* front/trail.c - see trail.h. */
#include "front/trail.h"

#include "base/str.h"

#define ID_MAX 4096
#define RETRY_MS 1000 /* where a daemon names none, as its SDK's clients do */
#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 30000

static bool can_stand_in_header(struct span id)
{
    for (size_t i = 0; i < id.n; i++)
        if ((unsigned char)id.p[i] < ' ' || id.p[i] == 0x7f)
            return false;
    return id.n > 0 && id.n <= ID_MAX;
}

void trail_note(struct trail *t, const struct sse_event *event)
{
    if (event->id.p) {
        free(t->last_id);
        t->last_id = can_stand_in_header(event->id) ? xstrndup(event->id.p, event->id.n) : NULL;
        t->tries = 0;
    }
    if (!event->retry.n)
        return;
    int64_t ms = 0;
    for (size_t i = 0; i < event->retry.n; i++) {
        char digit = event->retry.p[i];
        if (digit < '0' || digit > '9')
            return; /* not a number: as if it were not there (WHATWG HTML 9.2.6) */
        ms = ms > RETRY_MAX_MS ? ms : ms * 10 + (digit - '0');
    }
    t->retry_ms = ms < RETRY_MIN_MS ? RETRY_MIN_MS : ms;
}

void trail_wait(struct trail *t, struct ev_loop *loop)
{
    int64_t ms = t->retry_ms ? t->retry_ms : RETRY_MS;
    for (int i = 0; i < t->tries && ms < RETRY_MAX_MS; i++)
        ms *= 2;
    t->tries++;
    ev_timer_stop(loop, &t->timer);
    ev_timer_set(&t->timer, (double)(ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS) / 1000, 0.);
    ev_timer_start(loop, &t->timer);
}

void trail_finish(struct trail *t, struct ev_loop *loop)
{
    ev_timer_stop(loop, &t->timer);
    free(t->last_id);
    t->last_id = NULL;
    t->retry_ms = 0;
    t->tries = 0;
}
