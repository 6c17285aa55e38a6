/* mcp/modern_upgrade.c - see modern_upgrade.h. */
#include "mcp/modern_upgrade.h"

#include "base/base64.h"
#include "base/caps.h"
#include "base/str.h"
#include "mcp/json_members.h"
#include "mcp/json_scan.h"
#include "mcp/json_text.h"
#include "mcp/modern.h"

#include <string.h>

#define NAMED(x) "io.modelcontextprotocol/" x

/* --- requests --- */

static bool write_meta(struct json_members *params, struct span old,
                       const struct upgrade_client *client)
{
    static const char us[] = "{\"name\":\"poold\",\"version\":\"" POOLD_VERSION "\"}";
    struct span capabilities = rpc_member(client->initialize, "capabilities");
    struct span info = rpc_member(client->initialize, "clientInfo");
    struct json_members meta = {.out = params->out};
    return json_members_add_str(params, "_meta", "{") &&
           (!json_is_raw_object(old) || json_members_copy(&meta, old, NULL, NULL)) &&
           json_members_add_str(&meta, NAMED("protocolVersion"), "\"" MODERN_REVISION "\"") &&
           json_members_add(&meta, NAMED("clientInfo"),
                            json_is_raw_object(info) ? info : (struct span){us, sizeof us - 1}) &&
           json_members_add(&meta, NAMED("clientCapabilities"),
                            json_is_raw_object(capabilities) ? capabilities
                                                             : (struct span){"{}", 2}) &&
           (!client->level || json_members_add_str(&meta, NAMED("logLevel"), client->level)) &&
           buf_add_str(params->out, "}");
}

static bool leave_meta(void *arg, struct json_members *m, struct span key, struct span value,
                       bool *ok)
{
    struct span *meta = arg;
    (void)m;
    (void)ok;
    if (!json_text_is(key, "_meta"))
        return false;
    *meta = value;
    return true;
}

bool upgrade_write_request(struct buf *out, const struct rpc_peek *peek, struct span id,
                           const struct upgrade_client *client, const struct upgrade_retry *retry)
{
    size_t before = out->len;
    struct span meta = {0};
    struct json_members params = {.out = out};
    bool ok =
        buf_add_str(out, "{\"jsonrpc\":\"2.0\",\"id\":") && json_put(out, id) &&
        buf_add_str(out, ",\"method\":\"") && json_put(out, peek->method) &&
        buf_add_str(out, "\",\"params\":{") &&
        (!json_is_raw_object(peek->params) ||
         json_members_copy(&params, peek->params, leave_meta, &meta)) &&
        (!retry->responses.n || json_members_add(&params, "inputResponses", retry->responses)) &&
        (!retry->state.n || json_members_add(&params, "requestState", retry->state)) &&
        write_meta(&params, meta, client) && buf_add_str(out, "}}");
    return json_whole(out, before, ok);
}

/* A header's value: visible ASCII as it is, all else (and what looks like the sentinel) in it. */
static bool write_value(struct buf *out, const char *text, size_t n)
{
    bool is_plain = n > 0 && text[0] != ' ' && text[n - 1] != ' ' && memcmp(text, "=?", 2) != 0;
    for (size_t i = 0; i < n; i++)
        is_plain &= text[i] >= ' ' && text[i] < 0x7f;
    if (is_plain)
        return buf_add(out, text, n);
    char *coded = base64_text(text, n);
    bool ok = buf_printf(out, "=?base64?%s?=", coded);
    free(coded);
    return ok;
}

/* It goes into a header as it is: nothing in it may end the line. */
static bool write_method(struct buf *out, struct span raw)
{
    size_t before = out->len;
    bool ok = raw.n > 0 && json_text_write(out, raw);
    for (size_t i = before; ok && i < out->len; i++)
        ok = out->data[i] > ' ' && out->data[i] < 0x7f;
    return ok;
}

bool upgrade_write_headers(struct buf *out, const struct rpc_peek *peek)
{
    size_t before = out->len;
    struct buf name = BUF_INIT(CAP_HEAD);
    bool is_named = rpc_text_is(peek->method, "tools/call") ||
                    rpc_text_is(peek->method, "prompts/get") ||
                    rpc_text_is(peek->method, "resources/read");
    struct span value =
        rpc_member(peek->params, rpc_text_is(peek->method, "resources/read") ? "uri" : "name");
    bool ok = buf_add_str(out, "Mcp-Method: ") && write_method(out, peek->method) &&
              buf_add_str(out, "\r\n");
    if (ok && is_named && value.n >= 2 && value.p[0] == '"')
        ok = json_text_write(&name, (struct span){value.p + 1, value.n - 2}) &&
             buf_add_str(out, "Mcp-Name: ") &&
             write_value(out, name.len ? name.data : "", name.len) && buf_add_str(out, "\r\n");
    buf_release(&name);
    return json_whole(out, before, ok);
}

/* --- answers --- */

static bool leave_additions(void *arg, struct json_members *m, struct span key, struct span value,
                            bool *ok)
{
    (void)arg;
    (void)m;
    (void)value;
    (void)ok;
    return json_text_is(key, "resultType") || json_text_is(key, "ttlMs") ||
           json_text_is(key, "cacheScope");
}

bool upgrade_write_answer(struct buf *out, struct span message, struct span id)
{
    size_t before = out->len;
    struct span result = rpc_member(message, "result"), error = rpc_member(message, "error");
    struct json_members m = {.out = out};
    bool ok = (result.n || error.n) && buf_add_str(out, "{\"jsonrpc\":\"2.0\",\"id\":") &&
              json_put(out, id) && buf_add_str(out, result.n ? ",\"result\":" : ",\"error\":");
    if (ok && json_is_raw_object(result))
        ok = buf_add_str(out, "{") && json_members_copy(&m, result, leave_additions, NULL) &&
             buf_add_str(out, "}");
    else
        ok = ok && json_put(out, result.n ? result : error);
    return json_whole(out, before, ok && buf_add_str(out, "}"));
}

bool upgrade_asks(struct span answer)
{
    return span_is(rpc_member(rpc_member(answer, "result"), "resultType"), "\"input_required\"");
}

/* --- notifications --- */

static bool leave_tag(void *arg, struct json_members *m, struct span key, struct span value,
                      bool *ok)
{
    (void)arg;
    (void)m;
    (void)value;
    (void)ok;
    return json_text_is(key, NAMED("subscriptionId"));
}

static bool replace_meta(void *arg, struct json_members *m, struct span key, struct span value,
                         bool *ok)
{
    (void)arg;
    if (!json_text_is(key, "_meta") || !json_is_raw_object(value))
        return false;
    size_t before = m->out->len;
    bool was_any = m->any;
    struct json_members meta = {.out = m->out};
    *ok = json_members_add_str(m, "_meta", "{") &&
          json_members_copy(&meta, value, leave_tag, NULL) && buf_add_str(m->out, "}");
    if (!meta.any) { /* the tag was all there was */
        m->out->len = before;
        m->any = was_any;
    }
    return true;
}

bool upgrade_write_notification(struct buf *out, struct span message)
{
    size_t before = out->len;
    struct rpc_peek peek;
    struct json_members m = {.out = out};
    rpc_peek(message.p, message.n, &peek);
    bool ok = peek.kind == RPC_NOTIFICATION &&
              buf_add_str(out, "{\"jsonrpc\":\"2.0\",\"method\":\"") &&
              json_put(out, peek.method) && buf_add_str(out, "\"");
    if (ok && json_is_raw_object(peek.params))
        ok = buf_add_str(out, ",\"params\":{") &&
             json_members_copy(&m, peek.params, replace_meta, NULL) && buf_add_str(out, "}");
    return json_whole(out, before, ok && buf_add_str(out, "}"));
}

/* --- our own requests --- */

static bool write_own(struct buf *out, const char *id, const char *method, struct span params,
                      const struct upgrade_client *client)
{
    struct rpc_peek peek = {.method = {method, strlen(method)}, .params = params};
    return upgrade_write_request(out, &peek, (struct span){id, strlen(id)}, client,
                                 &(struct upgrade_retry){0});
}

bool upgrade_write_discover(struct buf *out, const char *id, const struct upgrade_client *client)
{
    return write_own(out, id, "server/discover", (struct span){0}, client);
}

bool upgrade_write_listen(struct buf *out, const char *id, const struct upgrade_client *client,
                          char *const *uris, size_t uri_count)
{
    struct buf params = BUF_INIT(CAP_BODY);
    bool ok =
        buf_add_str(&params, "{\"notifications\":{\"toolsListChanged\":true,\"promptsListChanged\":"
                             "true,\"resourcesListChanged\":true");
    for (size_t i = 0; ok && i < uri_count; i++)
        ok = buf_add_str(&params, i ? "," : ",\"resourceSubscriptions\":[") &&
             buf_add_str(&params, uris[i]);
    ok = ok && buf_add_str(&params, uri_count ? "]}}" : "}}") &&
         write_own(out, id, "subscriptions/listen", (struct span){params.data, params.len}, client);
    buf_release(&params);
    return ok;
}
