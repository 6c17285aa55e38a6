/* front/session.c - see session.h. */
#include "front/session.h"

#define LOG_MODULE "front"
#include "base/caps.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/str.h"
#include "front/flight.h"
#include "mcp/sse.h"
#include "platform/dirs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ID_MAX 320
#define MAC_BYTES 16
#define MAC_TEXT 26 /* base 32 of MAC_BYTES */
#define STREAM_BEAT_MS 60000

bool session_key_load(struct front *f, struct err *err)
{
    char *path = str_path(f->places->state_dir, "key");
    char *bytes = NULL;
    size_t n = 0;
    bool ok = dirs_read_file(path, 1024, &bytes, &n, NULL) && n == sizeof f->session_key;
    if (ok) {
        memcpy(f->session_key, bytes, n);
    } else {
        digest_random(f->session_key, sizeof f->session_key);
        ok = dirs_write_file(path, f->session_key, sizeof f->session_key, 0600, err);
    }
    free(bytes);
    free(path);
    return ok;
}

/* --- ids: 1~CREATED~RANDOM~REVISION~KEY~SERVER~MAC --- */

static void mac_of(const struct front *f, const char *text, size_t n, char out[MAC_TEXT + 1])
{
    uint8_t mac[DIGEST_SIZE];
    digest_hmac(f->session_key, sizeof f->session_key, text, n, mac);
    digest_base32(mac, MAC_BYTES, out);
}

static char *id_make(struct session *s)
{
    uint8_t random[10];
    char random_text[17], mac[MAC_TEXT + 1];
    digest_random(random, sizeof random);
    digest_base32(random, sizeof random, random_text);
    char *proof = xasprintf("1~%" PRIx64 "~%s~%s~%s~%s", (uint64_t)s->created_unix_ms, random_text,
                            s->protocol[0] ? s->protocol : "-", s->daemon->project->key,
                            s->daemon->server);
    mac_of(s->front, proof, strlen(proof), mac);
    char *id = xasprintf("%s~%s", proof, mac);
    free(proof);
    return id;
}

struct id_parts {
    char text[ID_MAX];
    char *created, *protocol, *key, *server; /* into text */
};

/* Take an id apart if it is one that this installation has signed. */
static bool id_read(const struct front *f, struct span id, struct id_parts *out)
{
    if (id.n <= MAC_TEXT + 1 || id.n >= ID_MAX)
        return false;
    memcpy(out->text, id.p, id.n);
    out->text[id.n] = '\0';
    size_t proof_n = id.n - MAC_TEXT - 1;
    char mac[MAC_TEXT + 1];
    mac_of(f, out->text, proof_n, mac);
    if (out->text[proof_n] != '~' || !digest_equal(mac, out->text + proof_n + 1, MAC_TEXT))
        return false;
    out->text[proof_n] = '\0';
    char *fields[6] = {out->text};
    for (int i = 1; i < 6; i++) {
        char *tilde = strchr(fields[i - 1], '~');
        if (!tilde)
            return false;
        *tilde = '\0';
        fields[i] = tilde + 1;
    }
    out->created = fields[1];
    out->protocol = fields[3];
    out->key = fields[4];
    out->server = fields[5];
    return strcmp(fields[0], "1") == 0;
}

/* --- the table --- */

static struct list *bucket_of(struct front *f, struct span id)
{
    uint32_t hash = 2166136261u; /* FNV-1a: ids are unguessable already */
    for (size_t i = 0; i < id.n; i++)
        hash = (hash ^ (unsigned char)id.p[i]) * 16777619u;
    return &f->sessions[hash % SESSION_BUCKETS];
}

struct session *session_new(struct front *f, struct daemon *daemon, enum route_rule rule,
                            const struct owner *owner, bool is_sse)
{
    struct session *s = xcalloc(1, sizeof *s);
    s->front = f;
    s->daemon = daemon;
    s->rule = rule;
    s->is_sse = is_sse;
    s->created_unix_ms = s->last_use_unix_ms = clock_unix_ms();
    list_add_tail(&f->unlisted, &s->node);
    list_init(&s->flights);
    list_init(&s->stream_node);
    link_init(&s->link, s);
    if (owner && owner->is_found) {
        s->pid = owner->pid;
        s->program = xstrdup(owner->program);
        s->cwd = xstrdup(owner->cwd);
    }
    return s;
}

static void table_add(struct session *s)
{
    list_remove(&s->node);
    list_add_tail(bucket_of(s->front, (struct span){s->id, strlen(s->id)}), &s->node);
    s->is_published = true;
    s->front->session_count++;
    daemon_sessions_add(s->daemon, 1);
}

void session_save(struct session *s)
{
    if (!s->id)
        return;
    struct session_row row = {
        .id = s->id,
        .project_key = s->daemon->project->key,
        .server = s->daemon->server,
        .protocol = s->protocol,
        .client = s->client ? s->client : "",
        .initialize = s->initialize ? s->initialize : "",
        .upstream_daemon = s->link.state == LINK_OPEN ? s->link.daemon_id : "",
        .upstream_session = s->link.upstream_session ? s->link.upstream_session : "",
        .transport = s->is_sse ? "sse" : "http",
        .created_unix_ms = s->created_unix_ms,
    };
    struct err err = {0};
    if (!registry_session_put(s->front->registry, &row, &err))
        log_warn("session is not in the registry", "project=%s error=%s",
                 s->daemon->project->key, log_quote(err_text(&err)));
}

void session_publish(struct session *s)
{
    s->id = id_make(s);
    table_add(s);
    session_save(s);
    log_info("session opened", "project=%s server=%s client=%s route=%s pid=%ld transport=%s",
             s->daemon->project->key, s->daemon->server, log_quote(s->client),
             route_word(s->rule), (long)s->pid, s->is_sse ? "sse" : "http");
}

static void free_session(struct session *s)
{
    link_finish(&s->link);
    list_remove(&s->node);
    list_remove(&s->stream_node);
    free(s->id);
    free(s->initialize);
    free(s->client);
    free(s->program);
    free(s->cwd);
    free(s);
}

void session_release(struct session *s)
{
    if (list_is_empty(&s->flights) && !s->stream && !s->holds &&
        (s->is_ended || !s->is_published))
        free_session(s);
}

void session_end(struct session *s)
{
    if (s->is_ended)
        return;
    struct err err = {0};
    if (!registry_session_end(s->front->registry, s->id, clock_unix_ms(), &err))
        log_warn("the end of a session is not in the registry", "error=%s",
                 log_quote(err_text(&err)));
    log_info("session closed", "project=%s server=%s client=%s", s->daemon->project->key,
             s->daemon->server, log_quote(s->client));
    s->is_ended = true;
    list_remove(&s->node);
    list_add_tail(&s->front->unlisted, &s->node);
    s->front->session_count--;
    daemon_sessions_add(s->daemon, -1);
    session_stream_close(s);
    link_close(&s->link);
}

/* --- taking back --- */

struct take_back {
    struct front *front;
    struct session *session;
    bool is_ended;
};

static struct daemon *slot_of(struct front *f, const char *key, const char *server)
{
    struct project *project = pool_project_by_key(f->pool, key);
    return project ? pool_slot(f->pool, project, server, NULL) : NULL;
}

static void on_row(void *arg, const struct session_row *row)
{
    struct take_back *t = arg;
    t->is_ended = row->ended_unix_ms != 0;
    struct daemon *daemon = t->is_ended ? NULL : slot_of(t->front, row->project_key, row->server);
    if (!daemon)
        return;
    struct session *s =
        session_new(t->front, daemon, ROUTE_SESSION, NULL, strcmp(row->transport, "sse") == 0);
    s->created_unix_ms = row->created_unix_ms;
    s->client = xstrdup(row->client);
    if (row->initialize[0])
        s->initialize = xstrdup(row->initialize);
    snprintf(s->protocol, sizeof s->protocol, "%s", row->protocol);
    /* An HTTP link needs nothing but its id: it goes on if the same daemon still lives. */
    if (!s->is_sse && row->upstream_daemon[0])
        link_resume(&s->link, row->upstream_daemon, row->upstream_session);
    t->session = s;
}

static struct session *take_back(struct front *f, struct span id)
{
    struct id_parts parts;
    if (!id_read(f, id, &parts))
        return NULL;
    char *text = xstrndup(id.p, id.n);
    struct take_back t = {.front = f};
    bool found = false;
    if (!registry_session_get(f->registry, text, on_row, &t, &found, NULL))
        found = false;
    if (!t.session && !t.is_ended) { /* lost by the registry: the id itself says enough */
        struct daemon *daemon = slot_of(f, parts.key, parts.server);
        if (daemon) {
            t.session = session_new(f, daemon, ROUTE_SESSION, NULL, false);
            t.session->created_unix_ms = (int64_t)strtoull(parts.created, NULL, 16);
            if (strcmp(parts.protocol, "-") != 0)
                snprintf(t.session->protocol, sizeof t.session->protocol, "%s", parts.protocol);
        }
    }
    if (!t.session) {
        free(text);
        return NULL;
    }
    t.session->id = text;
    table_add(t.session);
    log_info("session taken back", "project=%s server=%s from=%s", parts.key, parts.server,
             found ? "registry" : "proof");
    if (!found)
        session_save(t.session);
    return t.session;
}

struct session *session_find(struct front *f, struct span id)
{
    struct list *bucket = bucket_of(f, id);
    list_each(node, after, bucket)
    {
        struct session *s = container_of(node, struct session, node);
        if (strlen(s->id) == id.n && memcmp(s->id, id.p, id.n) == 0)
            return s;
    }
    return take_back(f, id);
}

void session_each(struct front *f, void (*each)(void *arg, struct session *s), void *arg)
{
    for (int i = 0; i < SESSION_BUCKETS; i++)
        list_each(node, after, &f->sessions[i])
            each(arg, container_of(node, struct session, node));
    list_each(node, after, &f->unlisted)
        each(arg, container_of(node, struct session, node));
}

static void destroy_one(void *arg, struct session *s)
{
    (void)arg;
    session_stream_close(s);
    flight_drop_all(s);
    free_session(s);
}

void session_destroy_all(struct front *f)
{
    session_each(f, destroy_one, NULL);
}

/* --- the long stream --- */

static void on_stream_gone(void *self)
{
    struct session *s = self;
    s->stream = NULL;
    list_remove(&s->stream_node);
    link_push_changed(&s->link);
    if (s->is_sse && !s->is_ended) /* HTTP+SSE: the end of the stream is the end of the session */
        session_end(s);
}

static void on_stream_drained(void *self)
{
    struct session *s = self;
    link_drained(&s->link);
}

static const struct conn_user stream_user = {on_stream_gone, on_stream_drained};

void session_stream_open(struct session *s, struct conn *c)
{
    /* Framed by the end of the connection: a killed poold then looks like a clean end to clients. */
    c->will_close = true;
    conn_take(c, &stream_user, s);
    s->stream = c;
    s->stream_beat_ms = clock_ms();
    list_add_tail(&s->front->streams, &s->stream_node);
    if (!ev_is_active(&s->front->keepalive))
        ev_timer_again(s->front->loop, &s->front->keepalive);
}

void session_stream_events(struct session *s, const char *bytes, size_t n)
{
    if (!s->stream)
        return;
    s->stream_beat_ms = clock_ms();
    conn_add(s->stream, bytes, n);
    if (s->stream)
        conn_flush(s->stream);
}

void session_stream_message(struct session *s, struct span json)
{
    struct buf event = BUF_INIT(CAP_MESSAGE + 1024);
    if (sse_event_write(&event, "message", NULL, json))
        session_stream_events(s, event.data, event.len);
    buf_release(&event);
}

void session_stream_close(struct session *s)
{
    struct conn *c = s->stream;
    if (!c)
        return;
    s->stream = NULL;
    list_remove(&s->stream_node);
    conn_finish(c);
}

bool session_streams_beat(struct front *f, int64_t now_ms)
{
    static const char comment[] = ": poold\r\n\r\n";
    list_each(node, after, &f->streams)
    {
        struct session *s = container_of(node, struct session, stream_node);
        if (now_ms - s->stream_beat_ms >= STREAM_BEAT_MS)
            session_stream_events(s, comment, sizeof comment - 1);
    }
    return !list_is_empty(&f->streams);
}
