/* front/known_learn.c - what is remembered is learnt (known.h): each life of a daemon is asked for
 * its lists, page by page, and clients are told where it differs. */
#define LOG_MODULE "front"
#include "base/caps.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "front/known_parts.h"
#include "front/modern.h"
#include "front/own.h"

#include <stdio.h>
#include <string.h>

#define PAGES_MAX 100 /* of one list that are read */

/* --- telling --- */

/* A list of this kind is not what the client of s was told: now, or when its stream opens. */
static void tell(struct session *s, enum known_kind kind)
{
    char message[120];
    int n = snprintf(message, sizeof message,
                     "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/%s/list_changed\"}",
                     known_words[kind].capability);
    if (s->modern)
        modern_message(s, (struct span){message, (size_t)n});
    else if (s->stream)
        session_stream_message(s, (struct span){message, (size_t)n});
    else
        s->changed |= 1u << kind;
}

struct change {
    const struct known *known;
    enum known_kind kind;
};

static void tell_one(void *arg, struct session *s)
{
    const struct change *change = arg;
    if (s->known == change->known && (session_wants_push(s) || s->listed & 1u << change->kind) &&
        !s->is_ended)
        tell(s, change->kind);
}

static void tell_changed(struct known *k, enum known_kind kind)
{
    struct change change = {k, kind};
    session_each(k->front, tell_one, &change);
}

void known_stream_opened(struct session *s)
{
    unsigned changed = s->changed;
    s->changed = 0;
    for (int kind = KNOWN_TOOLS; kind < KNOWN_KIND_COUNT; kind++)
        if (changed & 1u << kind)
            tell(s, (enum known_kind)kind);
}

void known_moved(struct session *s, struct known *was)
{
    struct known *k = known_of_session(s);
    for (int kind = KNOWN_TOOLS; kind < KNOWN_KIND_COUNT; kind++) {
        const char *old = was ? was->results[kind] : NULL, *now = k ? k->results[kind] : NULL;
        bool is_told = s->listed & 1u << kind && (was || s->roots.has_failed);
        if (is_told && !(old && now && strcmp(old, now) == 0))
            tell(s, (enum known_kind)kind);
    }
    known_release(was);
    if (!daemon_is_up(s->daemon))
        known_note_stay(s);
}

/* --- learning --- */

/* A daemon has just said so. */
static void learn(struct session *s, struct known *k, enum known_kind kind, struct span result)
{
    const char *old = k->results[kind];
    snprintf(k->confirmed[kind], sizeof k->confirmed[kind], "%s", s->daemon->id);
    snprintf(k->asked[kind], sizeof k->asked[kind], "%s", s->daemon->id);
    bool is_same = old && strlen(old) == result.n && memcmp(old, result.p, result.n) == 0;
    if (is_same && k->is_exact[kind])
        return;
    bool is_told = old && !is_same && kind != KNOWN_HANDSHAKE;
    free(k->results[kind]);
    k->results[kind] = xstrndup(result.p, result.n);
    k->is_exact[kind] = true;
    const struct known_row row = {.project_key = k->project_key,
                                  .server = k->server,
                                  .definition = k->definition,
                                  .era = known_era(k),
                                  .protocol = k->protocol,
                                  .hash = k->hash,
                                  .kind = known_words[kind].word,
                                  .result = k->results[kind],
                                  .seen_unix_ms = clock_unix_ms()};
    struct err err = {0};
    if (!registry_known_put(s->front->registry, &row, &err))
        log_debug("an answer is not remembered", "error=%s", log_quote(err_text(&err)));
    if (is_told)
        tell_changed(k, kind);
}

void known_take_handshake(struct session *s, struct span message)
{
    struct known *k = known_of_session(s);
    struct span result = rpc_member(message, "result");
    if (k && result.n)
        learn(s, k, KNOWN_HANDSHAKE, result);
}

/* --- asking --- */

struct reading {         /* a list under way, page by page */
    struct known *known; /* held while it lasts */
    enum known_kind kind;
    int pages;
    char who[KNOWN_WHO_SIZE]; /* whose Authorization the first question carried */
    struct buf whole;         /* a result with the items of all pages so far, not closed yet */
};

static void on_page(void *arg, struct session *s, struct span answer);

static const char *method_of(enum known_kind kind, const struct session *s)
{
    return kind == KNOWN_HANDSHAKE && s->modern ? "server/discover" : known_words[kind].method;
}

static void ask_page(struct session *s, struct reading *r, struct span cursor)
{
    struct buf params = BUF_INIT(CAP_BODY);
    if (cursor.n && !(buf_add_str(&params, "{\"cursor\":") &&
                      buf_add(&params, cursor.p, cursor.n) && buf_add_str(&params, "}")))
        buf_release(&params);
    own_request(s, method_of(r->kind, s), (struct span){params.data, params.len}, on_page, r);
    buf_release(&params);
}

static bool add_items(struct reading *r, struct span result)
{
    struct span list = rpc_member(result, known_words[r->kind].member);
    if (list.n < 2 || list.p[0] != '[')
        return false;
    struct span items = {list.p + 1, list.n - 2};
    while (items.n && strchr(" \t\r\n", *items.p))
        items.p++, items.n--;
    if (!r->whole.len)
        return buf_printf(&r->whole, "{\"%s\":[", known_words[r->kind].member) &&
               buf_add(&r->whole, items.p, items.n);
    bool is_first = r->whole.data[r->whole.len - 1] == '[';
    return !items.n ||
           (buf_add_str(&r->whole, is_first ? "" : ",") && buf_add(&r->whole, items.p, items.n));
}

/* True: another page was asked for. */
static bool take_page(struct session *s, struct reading *r, struct span answer)
{
    struct known *k = strcmp(r->who, s->authorization) == 0 ? known_of_session(s) : NULL;
    struct span result = rpc_member(answer, "result"), cursor = rpc_member(result, "nextCursor");
    bool is_last = cursor.n < 2 || cursor.p[0] != '"';
    if (!k)
        return false;
    if (!result.n) {
        k->asked[r->kind][0] = '\0'; /* another link may try */
    } else if (is_last && r->pages == 0) {
        learn(s, k, r->kind, result);
    } else if (++r->pages < PAGES_MAX && add_items(r, result)) {
        if (!is_last) {
            ask_page(s, r, cursor);
            return true;
        }
        if (buf_add_str(&r->whole, "]}"))
            learn(s, k, r->kind, (struct span){r->whole.data, r->whole.len});
    } /* else it is too long to be remembered, and not asked for again in this life */
    return false;
}

static void on_page(void *arg, struct session *s, struct span answer)
{
    struct reading *r = arg;
    if (take_page(s, r, answer))
        return;
    struct known *k = r->known;
    enum known_kind kind = r->kind;
    bool is_stale = k->is_stale[kind];
    k->is_read[kind] = k->is_stale[kind] = false;
    if (is_stale)
        k->confirmed[kind][0] = k->asked[kind][0] = '\0';
    known_release(k);
    buf_release(&r->whole);
    free(r);
    /* After a handshake it is known which lists there are. */
    if ((kind == KNOWN_HANDSHAKE || is_stale) && rpc_member(answer, "result").n)
        known_link_opened(s);
}

/* Once in a life, whoever's link is open first, and one at a time however often it changes. */
static void ask(struct session *s, struct known *k, enum known_kind kind)
{
    if (strcmp(k->asked[kind], s->daemon->id) == 0)
        return;
    if (k->is_read[kind]) {
        k->is_stale[kind] = true;
        return;
    }
    k->is_read[kind] = true;
    k->sessions++;
    snprintf(k->asked[kind], sizeof k->asked[kind], "%s", s->daemon->id);
    struct reading *r = xcalloc(1, sizeof *r);
    r->known = k;
    r->kind = kind;
    memcpy(r->who, s->authorization, sizeof r->who);
    r->whole.cap = CAP_HANDSHAKE; /* what the registry keeps of an answer */
    ask_page(s, r, (struct span){0});
}

void known_link_opened(struct session *s)
{
    struct known *k = known_of_session(s);
    if (k && k->is_modern)
        ask(s, k, KNOWN_HANDSHAKE);
    for (int kind = KNOWN_TOOLS; k && kind < KNOWN_KIND_COUNT; kind++)
        if (known_has_capability(s, known_words[kind].capability))
            ask(s, k, (enum known_kind)kind);
}

void known_list_changed(struct session *s)
{
    struct known *k = known_of_session(s);
    if (!k || !link_is_open(&s->link))
        return;
    for (int kind = KNOWN_TOOLS; kind < KNOWN_KIND_COUNT; kind++)
        k->confirmed[kind][0] = k->asked[kind][0] = '\0';
    known_link_opened(s);
}
