/* mcp/handshake.c - see handshake.h. */
#include "mcp/handshake.h"

#include "base/str.h"
#include "mcp/jsonrpc.h"
#include "mcp/modern.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define NEWEST_LEGACY "2025-11-25"

char *handshake_client_name(struct span params)
{
    json_t *root = json_loadb(params.p ? params.p : "", params.n, 0, NULL);
    json_t *info = json_object_get(root, "clientInfo");
    const char *name = json_string_value(json_object_get(info, "name"));
    const char *version = json_string_value(json_object_get(info, "version"));
    char *out = name ? xasprintf("%.60s%s%.30s", name, version ? " " : "", version ? version : "")
                     : xstrdup("");
    json_decref(root);
    return out;
}

bool handshake_request(struct buf *out, struct span params, const char *protocol, const char *id)
{
    if (!buf_printf(out,
                    "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"initialize\",\"params\":", id))
        return false;
    if (params.n)
        return buf_add(out, params.p, params.n) && buf_add_str(out, "}");
    return buf_printf(out,
                      "{\"protocolVersion\":\"%s\",\"capabilities\":{},"
                      "\"clientInfo\":{\"name\":\"poold\",\"version\":\"" POOLD_VERSION "\"}}}",
                      protocol && protocol[0] ? protocol : NEWEST_LEGACY);
}

/* It goes into heads and session ids: a daemon cannot write more there than a revision's name. */
static bool is_revision(const char *text, size_t room)
{
    size_t n = strlen(text);
    return n > 0 && n < room && strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz.-") == n;
}

bool handshake_check(struct span message, char *protocol, size_t room, struct err *err)
{
    json_t *root = json_loadb(message.p ? message.p : "", message.n, 0, NULL);
    const char *version =
        json_string_value(json_object_get(json_object_get(root, "result"), "protocolVersion"));
    bool ok = version && is_revision(version, room);
    if (ok) {
        snprintf(protocol, room, "%s", version);
    } else {
        const char *text =
            json_string_value(json_object_get(json_object_get(root, "error"), "message"));
        err_set(err, ERR_START_FAILED, 0, "the answer to initialize was %s%.200s",
                text ? "an error: " : "not understood", text ? text : "");
    }
    json_decref(root);
    return ok;
}

/* What is answered from memory may differ later, and then the front says so itself. */
static void announce_changes(json_t *capabilities)
{
    static const char *const lists[] = {"tools", "prompts", "resources"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        json_t *list = json_object_get(capabilities, lists[i]);
        if (json_is_object(list))
            json_object_set_new(list, "listChanged", json_true());
    }
}

bool handshake_neutral(struct buf *out, struct span params, char *protocol, size_t room)
{
    static const char *const revisions[] = {"2024-11-05", "2025-03-26", "2025-06-18",
                                            NEWEST_LEGACY};
    const char *chosen = NEWEST_LEGACY;
    struct span asked = rpc_member(params, "protocolVersion");
    for (size_t i = 0; i < sizeof revisions / sizeof *revisions; i++)
        if (asked.n > 2 && rpc_text_is((struct span){asked.p + 1, asked.n - 2}, revisions[i]))
            chosen = revisions[i];
    snprintf(protocol, room, "%s", chosen);
    return buf_printf(out,
                      "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"protocolVersion\":\"%s\","
                      "\"capabilities\":{\"tools\":{},\"prompts\":{},\"resources\":{}},"
                      "\"serverInfo\":{\"name\":\"poold\",\"version\":\"" POOLD_VERSION "\"}}}",
                      chosen);
}

static bool add_note(json_t *result, const char *note)
{
    const char *old = json_string_value(json_object_get(result, "instructions"));
    char *instructions = xasprintf("%s%s%s", old ? old : "", old && old[0] ? "\n\n" : "", note);
    struct buf quoted = BUF_INIT(8 * 1024 * 1024); /* a path in the note need not be UTF-8 */
    bool ok = json_is_object(result) &&
              json_write_string(&quoted, instructions, strlen(instructions)) &&
              json_object_set_new(result, "instructions",
                                  json_loadb(quoted.data, quoted.len, JSON_DECODE_ANY, NULL)) == 0;
    buf_release(&quoted);
    free(instructions);
    return ok;
}

static bool write_result(struct buf *out, struct span id, const json_t *result)
{
    char *text = json_dumps(result, JSON_COMPACT);
    bool ok = text && rpc_write_result(out, id, text);
    free(text);
    return ok;
}

bool handshake_answer(struct buf *out, struct span message, struct span id, const char *note)
{
    json_t *root = json_loadb(message.p ? message.p : "", message.n, 0, NULL);
    json_t *result = json_object_get(root, "result");
    bool ok = add_note(result, note);
    announce_changes(json_object_get(result, "capabilities"));
    ok = ok && write_result(out, id, result);
    json_decref(root);
    return ok;
}

/* Revisions with a handshake (MCP lifecycle, version negotiation). */
static bool is_legacy(const char *revision)
{
    static const char *const known[] = {"2024-11-05", "2025-03-26", "2025-06-18", NEWEST_LEGACY};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(revision, known[i]) == 0)
            return true;
    return false;
}

bool handshake_share(struct buf *out, struct span message, struct span params)
{
    json_t *root = json_loadb(message.p ? message.p : "", message.n, 0, NULL);
    json_t *asked = json_loadb(params.p ? params.p : "", params.n, 0, NULL);
    json_t *result = json_object_get(root, "result");
    const char *revision = json_string_value(json_object_get(asked, "protocolVersion"));
    bool ok = json_is_object(result);
    if (ok && revision && is_legacy(revision))
        json_object_set_new(result, "protocolVersion", json_string(revision));
    json_object_del(json_object_get(result, "capabilities"), "tasks");
    char *text = ok ? json_dumps(root, JSON_COMPACT) : NULL;
    ok = text && buf_add_str(out, text);
    free(text);
    json_decref(asked);
    json_decref(root);
    return ok;
}
/* A legacy result into one of server/discover: who the server is goes into _meta, and what was
 * negotiated by initialize has no place. */
static void from_initialize(json_t *result)
{
    json_t *info = json_object_get(result, "serverInfo");
    if (info)
        json_object_set_new(result, "_meta",
                            json_pack("{s:O}", "io.modelcontextprotocol/serverInfo", info));
    json_object_del(result, "serverInfo");
    json_object_del(result, "protocolVersion");
    json_object_del(json_object_get(result, "capabilities"), "tasks"); /* an extension since */
}

bool handshake_discover(struct buf *out, struct span result, struct span id, const char *note)
{
    json_t *root = json_loadb(result.p ? result.p : "", result.n, 0, NULL);
    bool ok = add_note(root, note);
    if (json_object_get(root, "protocolVersion"))
        from_initialize(root);
    json_t *capabilities = json_object_get(root, "capabilities");
    announce_changes(capabilities);
    ok = ok && json_is_object(capabilities) &&
         json_object_set_new(root, "supportedVersions", json_pack("[s]", MODERN_REVISION)) == 0 &&
         json_object_set_new(root, "resultType", json_string("complete")) == 0 &&
         json_object_set_new(root, "ttlMs", json_integer(0)) == 0 &&
         json_object_set_new(root, "cacheScope", json_string("private")) == 0 &&
         write_result(out, id, root);
    json_decref(root);
    return ok;
}

/* Who the server is stands in _meta there. */
static json_t *server_info(json_t *discovered)
{
    json_t *info =
        json_object_get(json_object_get(discovered, "_meta"), "io.modelcontextprotocol/serverInfo");
    if (!info)
        info = json_object_get(discovered, "serverInfo");
    return json_is_object(info) ? json_incref(info)
                                : json_pack("{s:s, s:s}", "name", "unknown", "version", "0");
}

bool handshake_from_discover(struct buf *out, struct span result, struct span protocol)
{
    json_t *root = json_loadb(result.p ? result.p : "", result.n, 0, NULL);
    json_t *capabilities = json_object_get(root, "capabilities");
    json_t *offered = protocol.n ? json_loadb(protocol.p, protocol.n, JSON_DECODE_ANY, NULL) : NULL;
    const char *revision = json_string_value(offered);
    bool ok = json_is_object(capabilities);
    if (ok) {
        json_t *answer = json_object();
        json_object_set_new(answer, "protocolVersion",
                            json_string(revision && is_legacy(revision) ? revision
                                                                        : NEWEST_LEGACY));
        json_object_del(capabilities, "extensions"); /* of the revision's own making */
        json_object_set(answer, "capabilities", capabilities);
        json_object_set_new(answer, "serverInfo", server_info(root));
        if (json_object_get(root, "instructions"))
            json_object_set(answer, "instructions", json_object_get(root, "instructions"));
        ok = write_result(out, (struct span){"\"poold-initialize\"", 18}, answer);
        json_decref(answer);
    }
    json_decref(offered);
    json_decref(root);
    return ok;
}

char *handshake_params(struct span client_info)
{
    static const char ours[] = "{\"name\":\"poold\",\"version\":\"" POOLD_VERSION "\"}";
    struct span info = client_info.n ? client_info : (struct span){ours, sizeof ours - 1};
    return xasprintf("{\"protocolVersion\":\"" NEWEST_LEGACY
                     "\",\"capabilities\":{},\"clientInfo\":%.*s}",
                     (int)info.n, info.p);
}
