/* front/known.c - see known.h. */
#include "front/known.h"

#define LOG_MODULE "front"
#include "base/caps.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/str.h"
#include "front/modern.h"
#include "front/own.h"
#include "mcp/handshake.h"
#include "mcp/modern.h"

#include <stdio.h>
#include <string.h>

#define STAY_MS 2000 /* a session that is still there after this is more than a health check */
#define HASH_SIZE 27
#define PAGES_MAX 100 /* of one list that are read */

static const struct {
    const char *word, *method, *capability; /* list_changed is named after the capability */
    const char *member;                     /* of the result that is the list */
} kinds[KNOWN_KIND_COUNT] = {
    [KNOWN_HANDSHAKE] = {"handshake", "initialize", NULL, NULL},
    [KNOWN_TOOLS] = {"tools", "tools/list", "tools", "tools"},
    [KNOWN_PROMPTS] = {"prompts", "prompts/list", "prompts", "prompts"},
    [KNOWN_RESOURCES] = {"resources", "resources/list", "resources", "resources"},
    [KNOWN_TEMPLATES] = {"templates", "resources/templates/list", "resources", "resourceTemplates"},
};

struct known {
    struct list node; /* of front->known */
    struct front *front;
    int sessions;
    char *project_key, *server;
    char definition[20], protocol[20], hash[HASH_SIZE];
    bool is_modern; /* said in the stateless era */
    char *results[KNOWN_KIND_COUNT];
    bool is_exact[KNOWN_KIND_COUNT];      /* said to such a client, not to another one */
    char confirmed[KNOWN_KIND_COUNT][32]; /* the daemon's life that last said so */
    char asked[KNOWN_KIND_COUNT][32];     /* the one that was last asked */
};

enum known_kind known_kind_of(struct span method, struct span params)
{
    for (int kind = KNOWN_TOOLS; kind < KNOWN_KIND_COUNT; kind++)
        if (rpc_text_is(method, kinds[kind].method))
            return rpc_member(params, "cursor").n ? KNOWN_KIND_COUNT : (enum known_kind)kind;
    return KNOWN_KIND_COUNT;
}

bool known_is_change(struct span method)
{
    static const char end[] = "/list_changed";
    size_t n = sizeof end - 1;
    return method.n > n && memcmp(method.p + method.n - n, end, n) == 0;
}

/* --- the key --- */

static void hash_text(struct span bytes, char *out, size_t room)
{
    uint8_t hash[DIGEST_SIZE];
    char text[64];
    digest_sha256(bytes.p ? bytes.p : "", bytes.n, hash);
    digest_base32(hash, DIGEST_SIZE, text);
    snprintf(out, room, "%.*s", (int)room - 1, text);
}

/* Of the capabilities; with an Authorization WHO.CAPABILITIES, both shortened. */
static void hash_of(struct span capabilities, const char *who, char out[HASH_SIZE])
{
    char text[HASH_SIZE];
    hash_text(capabilities, text, sizeof text);
    if (who[0])
        snprintf(out, HASH_SIZE, "%s.%.12s", who, text);
    else
        memcpy(out, text, HASH_SIZE);
}

/* Were both said to nobody in particular, or to the same one? */
static bool is_same_identity(const char *hash, const char *other)
{
    const char *dot = strchr(hash, '.'), *other_dot = strchr(other, '.');
    if (!dot || !other_dot)
        return !dot && !other_dot;
    return dot - hash == other_dot - other && memcmp(hash, other, (size_t)(dot - hash)) == 0;
}

void known_authorize(struct session *s, struct span authorization)
{
    char who[KNOWN_WHO_SIZE] = "";
    if (authorization.n)
        hash_text(authorization, who, sizeof who);
    if (strcmp(who, s->authorization) != 0)
        known_close(s);
    memcpy(s->authorization, who, sizeof who);
}

static bool is_of(const struct known *k, const struct known *key)
{
    return str_equal(k->project_key, key->project_key) && str_equal(k->server, key->server) &&
           str_equal(k->definition, key->definition) && str_equal(k->protocol, key->protocol) &&
           str_equal(k->hash, key->hash) && k->is_modern == key->is_modern;
}

static const char *era_word(const struct known *k)
{
    return k->is_modern ? "modern" : "legacy";
}

static void take_row(void *arg, const struct known_row *row)
{
    struct known *k = arg;
    if (strcmp(row->definition, k->definition) != 0 || strcmp(row->era, era_word(k)) != 0 ||
        !is_same_identity(row->hash, k->hash))
        return;
    bool is_exact = strcmp(row->protocol, k->protocol) == 0 && strcmp(row->hash, k->hash) == 0;
    for (int kind = 0; kind < KNOWN_KIND_COUNT; kind++) {
        /* Newest first; one that was said to such a client counts more. */
        if (strcmp(kinds[kind].word, row->kind) != 0 || (k->results[kind] && !is_exact))
            continue;
        free(k->results[kind]);
        k->results[kind] = xstrdup(row->result);
        k->is_exact[kind] = is_exact;
    }
}

static struct known *open_key(struct front *f, const struct known *key)
{
    list_each(node, after, &f->known)
    {
        struct known *k = container_of(node, struct known, node);
        if (is_of(k, key))
            return k;
    }
    struct known *k = xcalloc(1, sizeof *k);
    *k = *key;
    k->front = f;
    k->project_key = xstrdup(key->project_key);
    k->server = xstrdup(key->server);
    list_add_tail(&f->known, &k->node);
    struct err err = {0};
    if (!registry_known(f->registry, k->project_key, k->server, take_row, k, &err))
        log_debug("nothing is remembered", "error=%s", log_quote(err_text(&err)));
    return k;
}

static void key_of_legacy(struct known *key, const struct session *s)
{
    struct span params = {s->initialize, strlen(s->initialize)};
    if (s->is_shared) /* it says the same to all, and the front puts it in the client's revision */
        params = (struct span){0};
    struct span protocol = rpc_member(params, "protocolVersion");
    snprintf(key->protocol, sizeof key->protocol, "%.*s",
             (int)(protocol.n > 2 ? protocol.n - 2 : 0), protocol.n > 2 ? protocol.p + 1 : "");
    hash_of(rpc_member(params, "capabilities"), s->is_shared ? "" : s->authorization, key->hash);
}

static void key_of_modern(struct known *key, const struct session *s)
{
    const char *capabilities = s->modern->capabilities;
    key->is_modern = true;
    snprintf(key->protocol, sizeof key->protocol, "%s", MODERN_REVISION);
    hash_of((struct span){capabilities, capabilities ? strlen(capabilities) : 0}, s->authorization,
            key->hash);
}

/* The known of s for the definition that a start would use now, NULL if it has said nothing of
 * itself, or if it cannot be known yet. What a daemon says in the two eras differs: a modern client
 * of a daemon that speaks its era is answered by what was said in that, of another one by what its
 * link was told. */
static struct known *known_of(struct session *s)
{
    struct daemon *d = s->daemon;
    if (!s->initialize || !session_has_project(s) || daemon_is_forgotten(d))
        return NULL;
    unsigned eras = s->modern ? daemon_eras_remembered(d) : ERA_LEGACY;
    bool is_modern = s->modern && (eras & ERA_MODERN);
    const char *definition = daemon_definition_now(d);
    if (s->known && strcmp(s->known->definition, definition) == 0 &&
        s->known->is_modern == is_modern)
        return s->known;
    known_close(s);
    if (!eras)
        return NULL;
    struct known key = {.project_key = d->project->key, .server = d->server};
    snprintf(key.definition, sizeof key.definition, "%s", definition);
    if (is_modern)
        key_of_modern(&key, s);
    else
        key_of_legacy(&key, s);
    s->known = open_key(s->front, &key);
    s->known->sessions++;
    return s->known;
}

static void release(struct known *k)
{
    if (!k || --k->sessions > 0)
        return;
    list_remove(&k->node);
    for (int kind = 0; kind < KNOWN_KIND_COUNT; kind++)
        free(k->results[kind]);
    free(k->project_key);
    free(k->server);
    free(k);
}

struct known *known_leave(struct session *s)
{
    struct known *k = s->known;
    s->known = NULL;
    return k;
}

void known_close(struct session *s)
{
    release(known_leave(s));
}

/* --- answering --- */

void known_note_stay(struct session *s)
{
    if (s->has_stayed)
        return;
    s->stay_at_ms = clock_ms() + STAY_MS;
    s->front->stays = true;
    front_time_something(s->front);
}

static bool share_handshake(const struct session *s, const char *result, struct buf *out)
{
    struct buf message = BUF_INIT(2 * CAP_HANDSHAKE);
    bool ok = buf_printf(&message, "{\"result\":%s}", result) &&
              handshake_share(out, (struct span){message.data, message.len},
                              (struct span){s->initialize, strlen(s->initialize)});
    buf_release(&message);
    return ok;
}

static bool answer_handshake(struct flight *f, const char *result)
{
    struct session *s = f->session;
    struct buf message = BUF_INIT(2 * CAP_HANDSHAKE);
    char protocol[sizeof s->protocol];
    struct err err = {0};
    bool ok = s->is_shared ? share_handshake(s, result, &message)
                           : buf_printf(&message, "{\"result\":%s}", result);
    ok = ok &&
         handshake_check((struct span){message.data, message.len}, protocol, sizeof protocol, &err);
    if (ok) {
        memcpy(s->protocol, protocol, sizeof protocol);
        bool is_new = !s->is_published;
        known_note_stay(s);
        link_answer_initialize(s, f, (struct span){message.data, message.len});
        if (!is_new) /* its row was written before its client said who it is */
            session_save(s);
    }
    buf_release(&message);
    return ok;
}

static bool answer_discover(struct flight *f, const char *result)
{
    struct buf message = BUF_INIT(2 * CAP_HANDSHAKE);
    char *note = link_note(f->session);
    bool ok = handshake_discover(&message, (struct span){result, strlen(result)}, f->id, note);
    if (ok)
        flight_answer(f, (struct span){message.data, message.len});
    buf_release(&message);
    free(note);
    return ok;
}

static void answer_list(struct flight *f, const char *result)
{
    struct buf message = BUF_INIT(CAP_MESSAGE);
    if (rpc_write_result(&message, f->id, result))
        flight_answer(f, (struct span){message.data, message.len});
    else
        flight_fail(f, ERR_TOO_BIG, "the list is too large");
    buf_release(&message);
}

bool known_answer(struct flight *f)
{
    struct session *s = f->session;
    struct daemon *d = s->daemon;
    bool is_handshake = f->kind == FLIGHT_INITIALIZE;
    enum known_kind kind = is_handshake ? KNOWN_HANDSHAKE : f->list;
    bool is_discover = kind == KNOWN_HANDSHAKE && !is_handshake;
    bool is_open = link_is_open(&s->link);
    if (kind == KNOWN_KIND_COUNT || (is_open && !s->is_shared && !is_discover))
        return false;
    struct known *k = known_of(s);
    if (is_discover && k && k->is_modern && link_is_open(&s->link))
        return false; /* it is asked itself */
    if (!k || !k->results[kind] || (is_handshake && !k->is_exact[kind]))
        return false;
    /* What resources there are changes without a word: only where the daemon cannot be asked. */
    if (daemon_is_up(d) && (kind == KNOWN_RESOURCES || kind == KNOWN_TEMPLATES))
        return false;
    bool is_confirmed = strcmp(k->confirmed[kind], d->id) == 0;
    if (is_open && !is_confirmed && !is_discover) /* a shared daemon's list is asked for once */
        return false;
    s->front->metrics.from_memory++;
    s->holds++;
    bool ok = true;
    if (is_handshake)
        ok = answer_handshake(f, k->results[kind]);
    else if (is_discover)
        ok = answer_discover(f, k->results[kind]);
    else
        answer_list(f, k->results[kind]);
    if (ok && !is_handshake && daemon_is_up(d) && !is_confirmed)
        link_open(&s->link); /* it is asked whether that is still so */
    else if (ok && !daemon_is_up(d))
        known_note_stay(s);
    s->holds--;
    session_release(s);
    return ok;
}

struct span known_list(struct session *s, enum known_kind kind)
{
    const struct known *k = known_of(s);
    const char *result = k ? k->results[kind] : NULL;
    return (struct span){result, result ? strlen(result) : 0};
}

/* --- staying --- */

struct stay_walk {
    int64_t now_ms;
    bool is_any;
};

static void check_stay(void *arg, struct session *s)
{
    struct stay_walk *walk = arg;
    if (!s->stay_at_ms || s->is_ended)
        return;
    if (walk->now_ms < s->stay_at_ms) {
        walk->is_any = true;
        return;
    }
    s->stay_at_ms = 0;
    s->has_stayed = true;
    if (!session_client_is_there(s) || link_is_open(&s->link))
        return;
    if (s->needs_own && !s->has_own && !session_take_own(s, NULL))
        return;
    if (daemon_is_up(s->daemon))
        link_open(&s->link);
    else
        daemon_want(s->daemon, REASON_WARM, false);
}

bool known_check_time(struct front *front, int64_t now_ms)
{
    if (!front->stays)
        return false;
    struct stay_walk walk = {.now_ms = now_ms};
    session_each(front, check_stay, &walk);
    front->stays = walk.is_any;
    return walk.is_any;
}

/* --- learning --- */

/* A list of this kind is not what the client of s was told: now, or when its stream opens. */
static void tell(struct session *s, enum known_kind kind)
{
    char message[120];
    int n = snprintf(message, sizeof message,
                     "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/%s/list_changed\"}",
                     kinds[kind].capability);
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
    struct known *k = known_of(s);
    for (int kind = KNOWN_TOOLS; kind < KNOWN_KIND_COUNT; kind++) {
        const char *old = was ? was->results[kind] : NULL, *now = k ? k->results[kind] : NULL;
        bool is_told = s->listed & 1u << kind && (was || s->roots.has_failed);
        if (is_told && !(old && now && strcmp(old, now) == 0))
            tell(s, (enum known_kind)kind);
    }
    release(was);
    if (!daemon_is_up(s->daemon))
        known_note_stay(s);
}

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
                                  .era = era_word(k),
                                  .protocol = k->protocol,
                                  .hash = k->hash,
                                  .kind = kinds[kind].word,
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
    struct known *k = known_of(s);
    struct span result = rpc_member(message, "result");
    if (k && result.n)
        learn(s, k, KNOWN_HANDSHAKE, result);
}

/* --- asking --- */

struct reading { /* a list under way, page by page */
    enum known_kind kind;
    int pages;
    struct buf whole; /* a result with the items of all pages so far, not closed yet */
};

static void on_page(void *arg, struct session *s, struct span answer);

static const char *method_of(enum known_kind kind, const struct session *s)
{
    return kind == KNOWN_HANDSHAKE && s->modern ? "server/discover" : kinds[kind].method;
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
    struct span list = rpc_member(result, kinds[r->kind].member);
    if (list.n < 2 || list.p[0] != '[')
        return false;
    struct span items = {list.p + 1, list.n - 2};
    while (items.n && strchr(" \t\r\n", *items.p))
        items.p++, items.n--;
    if (!r->whole.len)
        return buf_printf(&r->whole, "{\"%s\":[", kinds[r->kind].member) &&
               buf_add(&r->whole, items.p, items.n);
    bool is_first = r->whole.data[r->whole.len - 1] == '[';
    return !items.n ||
           (buf_add_str(&r->whole, is_first ? "" : ",") && buf_add(&r->whole, items.p, items.n));
}

/* True: another page was asked for. */
static bool take_page(struct session *s, struct reading *r, struct span answer)
{
    struct known *k = known_of(s);
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
    bool is_handshake = r->kind == KNOWN_HANDSHAKE;
    buf_release(&r->whole);
    free(r);
    if (is_handshake && rpc_member(answer, "result").n)
        known_link_opened(s); /* now it is known which lists there are */
}

/* Once in a life, whoever's link is open first. */
static void ask(struct session *s, struct known *k, enum known_kind kind)
{
    if (strcmp(k->asked[kind], s->daemon->id) == 0)
        return;
    snprintf(k->asked[kind], sizeof k->asked[kind], "%s", s->daemon->id);
    struct reading *r = xcalloc(1, sizeof *r);
    r->kind = kind;
    r->whole.cap = CAP_HANDSHAKE; /* what the registry keeps of an answer */
    ask_page(s, r, (struct span){0});
}

bool known_has_capability(struct session *s, const char *name)
{
    struct known *k = known_of(s);
    const char *handshake = k ? k->results[KNOWN_HANDSHAKE] : NULL;
    struct span result = {handshake, handshake ? strlen(handshake) : 0};
    return rpc_member(rpc_member(result, "capabilities"), name).n > 0;
}

void known_link_opened(struct session *s)
{
    struct known *k = known_of(s);
    if (k && k->is_modern)
        ask(s, k, KNOWN_HANDSHAKE);
    for (int kind = KNOWN_TOOLS; k && kind < KNOWN_KIND_COUNT; kind++)
        if (known_has_capability(s, kinds[kind].capability))
            ask(s, k, (enum known_kind)kind);
}

void known_list_changed(struct session *s)
{
    struct known *k = known_of(s);
    if (!k || !link_is_open(&s->link))
        return;
    for (int kind = KNOWN_TOOLS; kind < KNOWN_KIND_COUNT; kind++)
        k->confirmed[kind][0] = k->asked[kind][0] = '\0';
    known_link_opened(s);
}
