/* mcp/modern_write.c - from one era to the other, member by member of the raw message. See
 * modern.h. */
#include "mcp/modern.h"

#include "mcp/json_members.h"
#include "mcp/json_scan.h"
#include "mcp/json_text.h"

#include <stdio.h>
#include <string.h>

#define NAMED(x) "io.modelcontextprotocol/" x

/* --- a request for a legacy server --- */

static bool replace_in_meta(void *arg, struct json_members *m, struct span key, struct span value,
                            bool *ok)
{
    const struct span *id = arg;
    (void)value;
    if (json_text_is(key, "progressToken")) {
        *ok = json_members_add(m, "progressToken", *id);
        return true;
    }
    return json_text_is(key, NAMED("protocolVersion")) ||
           json_text_is(key, NAMED("clientCapabilities")) ||
           json_text_is(key, NAMED("clientInfo")) || json_text_is(key, NAMED("logLevel"));
}

static bool replace_in_params(void *arg, struct json_members *m, struct span key, struct span value,
                              bool *ok)
{
    if (json_text_is(key, "inputResponses") || json_text_is(key, "requestState"))
        return true; /* the answer to a question that a legacy server cannot have asked so */
    if (!json_text_is(key, "_meta") || !json_is_raw_object(value))
        return false;
    struct json_members meta = {.out = m->out};
    size_t before = m->out->len;
    bool was_any = m->any;
    *ok = json_members_add_str(m, "_meta", "{") &&
          json_members_copy(&meta, value, replace_in_meta, arg) && buf_add_str(m->out, "}");
    if (!meta.any) { /* nothing of it was for a legacy server */
        m->out->len = before;
        m->any = was_any;
    }
    return true;
}

bool modern_write_legacy(struct buf *out, const struct rpc_peek *peek, struct span id)
{
    size_t before = out->len;
    struct json_members params = {.out = out};
    bool ok = buf_add_str(out, "{\"jsonrpc\":\"2.0\",\"id\":") && json_put(out, id) &&
              buf_add_str(out, ",\"method\":\"") && json_put(out, peek->method) &&
              buf_add_str(out, "\"");
    if (ok && json_is_raw_object(peek->params))
        ok = buf_add_str(out, ",\"params\":{") &&
             json_members_copy(&params, peek->params, replace_in_params, &id) &&
             buf_add_str(out, "}");
    return json_whole(out, before, ok && buf_add_str(out, "}"));
}

/* --- an answer for a modern client --- */

struct result {
    bool is_cached, has_type;
};

static bool replace_in_result(void *arg, struct json_members *m, struct span key, struct span value,
                              bool *ok)
{
    struct result *r = arg;
    (void)m;
    (void)value;
    (void)ok;
    r->has_type |= json_text_is(key, "resultType");
    return r->is_cached && (json_text_is(key, "ttlMs") || json_text_is(key, "cacheScope"));
}

static bool write_result(struct buf *out, struct span result, bool is_cached)
{
    struct result r = {.is_cached = is_cached};
    struct json_members m = {.out = out};
    return buf_add_str(out, "{") && json_members_copy(&m, result, replace_in_result, &r) &&
           (r.has_type || json_members_add_str(&m, "resultType", "\"complete\"")) &&
           (!is_cached || (json_members_add_str(&m, "ttlMs", "0") &&
                           json_members_add_str(&m, "cacheScope", "\"private\""))) &&
           buf_add_str(out, "}");
}

static int number_of(struct span raw)
{
    char text[16];
    int value = 0;
    snprintf(text, sizeof text, "%.*s", (int)(raw.n < sizeof text ? raw.n : 0), raw.p);
    return sscanf(text, "%d", &value) == 1 ? value : 0;
}

static bool replace_in_error(void *arg, struct json_members *m, struct span key, struct span value,
                             bool *ok)
{
    int *code = arg;
    if (!json_text_is(key, "code"))
        return false;
    *code = number_of(value);
    if (*code != -32002)
        return false;
    *ok = json_members_add_str(m, "code",
                               "-32602"); /* resource not found (server, resources, errors) */
    return true;
}

bool modern_write_answer(struct buf *out, struct span message, struct span id, bool is_cached,
                         int *code)
{
    size_t before = out->len;
    struct span result = rpc_member(message, "result");
    struct json_members m = {.out = out};
    bool ok = buf_add_str(out, "{\"jsonrpc\":\"2.0\",\"id\":") && json_put(out, id);
    *code = 0;
    if (result.n)
        ok = ok && buf_add_str(out, ",\"result\":") &&
             (json_is_raw_object(result) ? write_result(out, result, is_cached)
                                         : json_put(out, result));
    else
        ok = ok && buf_add_str(out, ",\"error\":{") &&
             json_members_copy(&m, rpc_member(message, "error"), replace_in_error, code) &&
             buf_add_str(out, "}");
    return json_whole(out, before, ok && buf_add_str(out, "}"));
}

/* --- notifications --- */

static bool replace_token(void *arg, struct json_members *m, struct span key, struct span value,
                          bool *ok)
{
    const struct span *token = arg;
    (void)value;
    if (!json_text_is(key, "progressToken"))
        return false;
    *ok = json_members_add(m, "progressToken", *token);
    return true;
}

bool modern_write_progress(struct buf *out, struct span message, struct span token)
{
    size_t before = out->len;
    struct json_members m = {.out = out};
    return json_whole(
        out, before,
        buf_add_str(out, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\","
                         "\"params\":{") &&
            json_members_copy(&m, rpc_member(message, "params"), replace_token, &token) &&
            buf_add_str(out, "}}"));
}

static bool is_subscription(void *arg, struct json_members *m, struct span key, struct span value,
                            bool *ok)
{
    (void)arg;
    (void)m;
    (void)value;
    (void)ok;
    return json_text_is(key, NAMED("subscriptionId"));
}

struct tag {
    struct span id;
    bool is_there;
};

static bool write_tag(struct json_members *m, struct span meta, struct span id)
{
    struct json_members inner = {.out = m->out};
    return json_members_add_str(m, "_meta", "{") &&
           (!json_is_raw_object(meta) || json_members_copy(&inner, meta, is_subscription, NULL)) &&
           json_members_add(&inner, NAMED("subscriptionId"), id) && buf_add_str(m->out, "}");
}

static bool replace_meta(void *arg, struct json_members *m, struct span key, struct span value,
                         bool *ok)
{
    struct tag *tag = arg;
    if (!json_text_is(key, "_meta"))
        return false;
    tag->is_there = true;
    *ok = write_tag(m, value, tag->id);
    return true;
}

bool modern_write_tagged(struct buf *out, struct span message, struct span id)
{
    size_t before = out->len;
    struct rpc_peek peek;
    struct json_members m = {.out = out};
    struct tag tag = {.id = id};
    rpc_peek(message.p, message.n, &peek);
    bool ok = peek.kind == RPC_NOTIFICATION &&
              buf_add_str(out, "{\"jsonrpc\":\"2.0\",\"method\":\"") &&
              json_put(out, peek.method) && buf_add_str(out, "\",\"params\":{") &&
              (!json_is_raw_object(peek.params) ||
               json_members_copy(&m, peek.params, replace_meta, &tag)) &&
              (tag.is_there || write_tag(&m, (struct span){0}, id)) && buf_add_str(out, "}}");
    return json_whole(out, before, ok);
}

/* --- log levels --- */

static int gravity_of(struct span level)
{
    static const char *const levels[] = {"\"debug\"",   "\"info\"",     "\"notice\"",
                                         "\"warning\"", "\"error\"",    "\"critical\"",
                                         "\"alert\"",   "\"emergency\""};
    for (int i = 0; i < (int)(sizeof levels / sizeof *levels); i++)
        if (span_is(level, levels[i]))
            return i;
    return -1;
}

bool modern_level_reaches(struct span level, struct span least)
{
    return gravity_of(least) >= 0 && gravity_of(level) >= gravity_of(least);
}

/* --- subscriptions/listen --- */

static const struct {
    const char *key, *method;
} changes[] = {
    {"toolsListChanged", "notifications/tools/list_changed"},
    {"promptsListChanged", "notifications/prompts/list_changed"},
    {"resourcesListChanged", "notifications/resources/list_changed"},
};

static struct span content_of(struct span string)
{
    return string.n >= 2 && string.p[0] == '"' ? (struct span){string.p + 1, string.n - 2}
                                               : (struct span){0};
}

bool modern_listen_wants(struct span filter, const struct rpc_peek *notification)
{
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        if (rpc_text_is(notification->method, changes[i].method))
            return span_is(rpc_member(filter, changes[i].key), "true");
    if (!rpc_text_is(notification->method, "notifications/resources/updated"))
        return false;
    struct span uri = content_of(rpc_member(notification->params, "uri")), one;
    struct span uris = rpc_member(filter, "resourceSubscriptions");
    for (const char *at = uris.p; uris.n && rpc_batch_next(&at, uris.p + uris.n, &one);)
        if (uri.p && one.p[0] == '"' && json_text_same(content_of(one), uri))
            return true;
    return false;
}

bool modern_write_acknowledged(struct buf *out, struct span id, struct span filter)
{
    size_t before = out->len;
    struct json_members m = {.out = out};
    struct span uris = rpc_member(filter, "resourceSubscriptions");
    bool ok = buf_add_str(out, "{\"jsonrpc\":\"2.0\",\"method\":"
                               "\"notifications/subscriptions/acknowledged\",\"params\":{\"_meta\":"
                               "{\"" NAMED("subscriptionId") "\":") &&
              json_put(out, id) && buf_add_str(out, "},\"notifications\":{");
    for (size_t i = 0; ok && i < sizeof changes / sizeof *changes; i++)
        if (span_is(rpc_member(filter, changes[i].key), "true"))
            ok = json_members_add_str(&m, changes[i].key, "true");
    ok = ok && (!uris.n || uris.p[0] != '[' || json_members_add(&m, "resourceSubscriptions", uris));
    return json_whole(out, before, ok && buf_add_str(out, "}}}"));
}

bool modern_write_listen_end(struct buf *out, struct span id)
{
    size_t before = out->len;
    return json_whole(out, before,
                      buf_add_str(out, "{\"jsonrpc\":\"2.0\",\"id\":") && json_put(out, id) &&
                          buf_add_str(out, ",\"result\":{\"resultType\":\"complete\",\"_meta\":"
                                           "{\"" NAMED("subscriptionId") "\":") &&
                          json_put(out, id) && buf_add_str(out, "}}}"));
}

/* --- requests of our own --- */

bool modern_write_params(struct buf *out, struct span params, struct span capabilities)
{
    size_t before = out->len;
    struct json_members all = {.out = out}, declared = {.out = out};
    bool ok =
        buf_add_str(out, "{") &&
        json_members_add_str(&all, "_meta",
                             "{\"" NAMED("protocolVersion") "\":\"" MODERN_REVISION "\",\"" NAMED(
                                 "clientInfo") "\":{\"name\":\"poold\",\"version\":\"" POOLD_VERSION
                                               "\"},\"" NAMED("clientCapabilities") "\":{") &&
        (!json_is_raw_object(capabilities) ||
         json_members_copy(&declared, capabilities, NULL, NULL)) &&
        buf_add_str(out, "}}") &&
        (!json_is_raw_object(params) || json_members_copy(&all, params, NULL, NULL)) &&
        buf_add_str(out, "}");
    return json_whole(out, before, ok);
}
