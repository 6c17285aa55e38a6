/* front/scout.c - see scout.h. */
#include "front/scout.h"

#define LOG_MODULE "front"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "front/modern.h"
#include "mcp/handshake.h"
#include "mcp/modern.h"

#include <stdio.h>
#include <string.h>

#define SETTLE_MS 2000 /* a client that starts a daemon gets to know it by itself */
#define ASK_MS 30000   /* then the server is left alone */

struct scout { /* one life of a daemon */
    struct list node;
    char daemon_id[32];
    int64_t due_ms; /* to begin, or to be over */
    bool is_done;   /* nothing is to be asked in this life any more */
    struct session *sessions[2];
};

/* --- what is remembered --- */

struct remembered {
    const char *definition;
    unsigned eras; /* whose handshake is there */
};

static void take_row(void *arg, const struct known_row *row)
{
    struct remembered *r = arg;
    if (strcmp(row->definition, r->definition) == 0 && strcmp(row->kind, "handshake") == 0)
        r->eras |= strcmp(row->era, "modern") == 0 ? ERA_MODERN : ERA_LEGACY;
}

/* The eras whose clients it may have and that are to be asked about: sessions can be had before any
 * daemon. */
static unsigned eras_wanted(struct front *f, struct daemon *d)
{
    struct remembered r = {.definition = daemon_definition_now(d)};
    struct err err = {0};
    if (!registry_known(f->registry, d->project->key, d->server, take_row, &r, &err))
        return 0;
    unsigned wanted = (ERA_LEGACY | (d->eras & ERA_MODERN)) & ~r.eras;
    /* A client with sessions asks for itself, and a modern one may stand on a session too. */
    return d->sessions ? wanted & ERA_MODERN : wanted;
}

/* --- asking --- */

static struct session *begin(struct front *f, struct daemon *d, bool is_modern)
{
    struct session *s = session_new(f, d, ROUTE_NONE, NULL, CLIENT_HTTP);
    s->initialize = handshake_params((struct span){0});
    if (is_modern) {
        s->modern = xcalloc(1, sizeof *s->modern);
        snprintf(s->protocol, sizeof s->protocol, "%s", MODERN_REVISION);
    }
    s->holds++; /* it is nobody's: else it would go at once */
    daemon_sessions_add(d, 1);
    link_open(&s->link);
    return s;
}

static void end(struct session **slot)
{
    struct session *s = *slot;
    if (!s)
        return;
    *slot = NULL;
    link_close(&s->link);
    daemon_sessions_add(s->daemon, -1);
    s->holds--;
    session_release(s);
}

static bool is_over(const struct session *s)
{
    return !s || (list_is_empty(&s->flights) && s->link.state != LINK_OPENING);
}

static void start(struct front *f, struct scout *scout, struct daemon *d, int64_t now_ms)
{
    unsigned eras = eras_wanted(f, d);
    if (eras & ERA_MODERN)
        scout->sessions[0] = begin(f, d, true);
    if (eras & ERA_LEGACY)
        scout->sessions[1] = begin(f, d, false);
    scout->is_done = !eras;
    scout->due_ms = now_ms + ASK_MS;
    if (eras)
        log_info("server is got to know", "project=%s server=%s", d->project->key, d->server);
}

/* --- the lives --- */

static struct scout *find(struct front *f, const char *daemon_id)
{
    list_each(node, after, &f->scouts)
    {
        struct scout *scout = container_of(node, struct scout, node);
        if (strcmp(scout->daemon_id, daemon_id) == 0)
            return scout;
    }
    return NULL;
}

static void forget(struct scout *scout)
{
    end(&scout->sessions[0]);
    end(&scout->sessions[1]);
    list_remove(&scout->node);
    free(scout);
}

void scout_daemon_changed(struct front *f, struct daemon *d)
{
    struct scout *scout = find(f, d->id);
    if (scout && !daemon_is_up(d))
        forget(scout);
    if (scout || !daemon_is_up(d) || d->is_private || daemon_is_forgotten(d))
        return;
    scout = xcalloc(1, sizeof *scout);
    snprintf(scout->daemon_id, sizeof scout->daemon_id, "%s", d->id);
    scout->due_ms = clock_ms() + SETTLE_MS;
    list_add_tail(&f->scouts, &scout->node);
    front_time_something(f);
}

bool scout_check_time(struct front *f, int64_t now_ms)
{
    bool any = false;
    list_each(node, after, &f->scouts)
    {
        struct scout *scout = container_of(node, struct scout, node);
        struct daemon *d = pool_daemon_by_id(f->pool, scout->daemon_id);
        bool is_asking = scout->sessions[0] || scout->sessions[1];
        if (!d || !daemon_is_up(d) || daemon_is_forgotten(d)) {
            forget(scout);
            continue;
        }
        if (is_asking && (now_ms >= scout->due_ms ||
                          (is_over(scout->sessions[0]) && is_over(scout->sessions[1])))) {
            end(&scout->sessions[0]);
            end(&scout->sessions[1]);
            scout->is_done = true;
        } else if (!is_asking && !scout->is_done && now_ms >= scout->due_ms && d->eras) {
            start(f, scout, d, now_ms);
        }
        any |= !scout->is_done;
    }
    return any;
}

void scout_forget_all(struct front *f)
{
    list_each(node, after, &f->scouts) forget(container_of(node, struct scout, node));
}
