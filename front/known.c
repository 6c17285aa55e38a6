/* front/known.c - see known.h. */
#include "front/known_parts.h"

#define LOG_MODULE "front"
#include "base/caps.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/str.h"
#include "front/modern.h"
#include "mcp/handshake.h"
#include "mcp/modern.h"

#include <stdio.h>
#include <string.h>

#define STAY_MS 2000 /* a session that is still there after this is more than a health check */

const struct known_words known_words[KNOWN_KIND_COUNT] = {
    [KNOWN_HANDSHAKE] = {"handshake", "initialize", NULL, NULL},
    [KNOWN_TOOLS] = {"tools", "tools/list", "tools", "tools"},
    [KNOWN_PROMPTS] = {"prompts", "prompts/list", "prompts", "prompts"},
    [KNOWN_RESOURCES] = {"resources", "resources/list", "resources", "resources"},
    [KNOWN_TEMPLATES] = {"templates", "resources/templates/list", "resources", "resourceTemplates"},
};

enum known_kind known_kind_of(struct span method, struct span params)
{
    for (int kind = KNOWN_TOOLS; kind < KNOWN_KIND_COUNT; kind++)
        if (rpc_text_is(method, known_words[kind].method))
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
static void hash_of(struct span capabilities, const char *who, char out[KNOWN_HASH_SIZE])
{
    char text[KNOWN_HASH_SIZE];
    hash_text(capabilities, text, sizeof text);
    if (who[0])
        snprintf(out, KNOWN_HASH_SIZE, "%s.%.12s", who, text);
    else
        memcpy(out, text, KNOWN_HASH_SIZE);
}

/* Were both said to nobody in particular, or to the same one? */
static bool is_same_identity(const char *hash, const char *other)
{
    const char *dot = strchr(hash, '.'), *other_dot = strchr(other, '.');
    if (!dot || !other_dot)
        return !dot && !other_dot;
    return dot - hash == other_dot - other && memcmp(hash, other, (size_t)(dot - hash)) == 0;
}

void known_hash_authorization(struct span authorization, char out[KNOWN_WHO_SIZE])
{
    out[0] = '\0';
    if (authorization.n)
        hash_text(authorization, out, KNOWN_WHO_SIZE);
}

void known_authorize(struct session *s, struct span authorization)
{
    char who[KNOWN_WHO_SIZE] = "";
    bool is_same = s->credential ? span_is(authorization, s->credential)
                                 : !authorization.n && !s->authorization[0];
    if (is_same)
        return;
    free(s->credential);
    s->credential = authorization.n ? xstrndup(authorization.p, authorization.n) : NULL;
    known_hash_authorization(authorization, who);
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

const char *known_era(const struct known *k)
{
    return k->is_modern ? "modern" : "legacy";
}

static void take_row(void *arg, const struct known_row *row)
{
    struct known *k = arg;
    if (strcmp(row->definition, k->definition) != 0 || strcmp(row->era, known_era(k)) != 0 ||
        !is_same_identity(row->hash, k->hash))
        return;
    bool is_exact = strcmp(row->protocol, k->protocol) == 0 && strcmp(row->hash, k->hash) == 0;
    for (int kind = 0; kind < KNOWN_KIND_COUNT; kind++) {
        /* Newest first; one that was said to such a client counts more. */
        if (strcmp(known_words[kind].word, row->kind) != 0 || (k->results[kind] && !is_exact))
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
struct known *known_of_session(struct session *s)
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

void known_release(struct known *k)
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
    known_release(known_leave(s));
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
    /* What was said to another kind of client is told in this one's revision. */
    bool ok = s->is_shared || !s->known->is_exact[KNOWN_HANDSHAKE]
                  ? share_handshake(s, result, &message)
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

/* Its client was told of lists before its server was known: one that this server has not is empty.
 */
static bool answer_without(struct flight *f)
{
    const struct known *k = known_of_session(f->session);
    const char *handshake = k ? k->results[KNOWN_HANDSHAKE] : NULL;
    if (!handshake || f->list == KNOWN_KIND_COUNT || f->list == KNOWN_HANDSHAKE ||
        f->kind != FLIGHT_CALL)
        return false;
    struct span all = rpc_member((struct span){handshake, strlen(handshake)}, "capabilities");
    if (rpc_member(all, known_words[f->list].capability).n)
        return false;
    char empty[40];
    snprintf(empty, sizeof empty, "{\"%s\":[]}", known_words[f->list].member);
    answer_list(f, empty);
    return true;
}

bool known_answer(struct flight *f)
{
    struct session *s = f->session;
    struct daemon *d = s->daemon;
    bool is_handshake = f->kind == FLIGHT_INITIALIZE;
    enum known_kind kind = is_handshake ? KNOWN_HANDSHAKE : f->list;
    bool is_discover = kind == KNOWN_HANDSHAKE && !is_handshake;
    if (s->roots.is_neutral && answer_without(f))
        return true;
    /* A client without a session has no moment before its link is open: its first list counts as
     * that. */
    bool is_open = link_is_open(&s->link) && !(s->modern && f->is_first_list);
    if (kind == KNOWN_KIND_COUNT || (is_open && !s->is_shared && !is_discover))
        return false;
    struct known *k = known_of_session(s);
    if (is_discover && k && k->is_modern && link_is_open(&s->link))
        return false; /* it is asked itself */
    if (!k || !k->results[kind] || (is_handshake && !k->is_exact[kind] && d->is_private))
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
    if (ok && !is_handshake && daemon_is_up(d) && !is_confirmed && link_is_open(&s->link))
        known_link_opened(s); /* it is asked whether that is still so */
    else if (ok && !is_handshake && daemon_is_up(d) && !is_confirmed)
        link_open(&s->link);
    else if (ok && !daemon_is_up(d))
        known_note_stay(s);
    s->holds--;
    session_release(s);
    return ok;
}

struct span known_list(struct session *s, enum known_kind kind)
{
    const struct known *k = known_of_session(s);
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

bool known_has_capability(struct session *s, const char *name)
{
    struct known *k = known_of_session(s);
    const char *handshake = k ? k->results[KNOWN_HANDSHAKE] : NULL;
    struct span result = {handshake, handshake ? strlen(handshake) : 0};
    return rpc_member(rpc_member(result, "capabilities"), name).n > 0;
}
