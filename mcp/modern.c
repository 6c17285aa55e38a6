/* mcp/modern.c - which era a message is of, and the checks of the final server. See modern.h. */
#include "mcp/modern.h"

#include "base/base64.h"
#include "base/str.h"
#include "mcp/json_text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAMED(x) "io.modelcontextprotocol/" x

/* --- telling the eras apart --- */

/* Revisions are dates. */
static bool is_modern_revision(struct span text)
{
    if (text.n != sizeof MODERN_REVISION - 1)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (i == 4 || i == 7 ? text.p[i] != '-' : !isdigit((unsigned char)text.p[i]))
            return false;
    return memcmp(text.p, MODERN_REVISION, text.n) >= 0;
}

bool modern_is(const struct rpc_peek *peek, struct span version_header)
{
    return peek->is_modern || (version_header.p && is_modern_revision(version_header));
}

/* --- header values --- */

/* Does a header carry this text, plain or in the base64 sentinel? (transports, value encoding) */
static bool header_carries(struct span header, struct span raw)
{
    static const char open[] = "=?base64?", close[] = "?=";
    size_t wrap = sizeof open - 1 + sizeof close - 1;
    if (!header.p)
        return false;
    if (header.n < wrap || memcmp(header.p, open, sizeof open - 1) != 0 ||
        memcmp(header.p + header.n - 2, close, 2) != 0)
        return json_text_equals(raw, header);
    const char *coded = header.p + sizeof open - 1;
    size_t n = header.n - wrap, text_n;
    uint8_t *text;
    if (!base64_read(coded, n, &text, &text_n))
        return false;
    char *again = base64_text((char *)text, text_n); /* canonical base64 only: one text, one form */
    bool ok = strlen(again) == n && memcmp(again, coded, n) == 0 &&
              json_text_equals(raw, (struct span){(char *)text, text_n});
    free(again);
    free(text);
    return ok;
}

static int count_of(const struct http_head *head, const char *name)
{
    int count = 0;
    for (size_t i = 0; i < head->count; i++)
        count += span_is_nocase(head->headers[i].name, name);
    return count;
}

/* --- the checks --- */

PRINTF_LIKE(3, 4)
static bool refuse(struct modern_fault *out, int code, const char *fmt, ...)
{
    va_list args;
    out->http = 400;
    out->code = code;
    va_start(args, fmt);
    vsnprintf(out->text, sizeof out->text, fmt, args);
    va_end(args);
    return false;
}

/* The text in the body that Mcp-Name mirrors; p NULL: nothing is mirrored. */
static struct span name_of(const struct rpc_peek *peek)
{
    struct span value = {0};
    if (peek->tool.p)
        return peek->tool;
    if (rpc_text_is(peek->method, "prompts/get"))
        value = rpc_member(peek->params, "name");
    else if (rpc_text_is(peek->method, "resources/read"))
        value = rpc_member(peek->params, "uri");
    return value.n >= 2 && value.p[0] == '"' ? (struct span){value.p + 1, value.n - 2}
                                             : (struct span){0};
}

static bool check_mirror(const struct http_head *head, const char *name, struct span raw,
                         struct modern_fault *out)
{
    int count = count_of(head, name);
    if (count == 0)
        return refuse(out, MODERN_HEADER_MISMATCH, "Header mismatch: %s is missing", name);
    if (count > 1)
        return refuse(out, MODERN_HEADER_MISMATCH, "Header mismatch: %s is there twice", name);
    if (!header_carries(http_header(head, name), raw))
        return refuse(out, MODERN_HEADER_MISMATCH, "Header mismatch: %s is not what the body says",
                      name);
    return true;
}

static bool check_headers(const struct rpc_peek *peek, const struct http_head *head,
                          struct modern_fault *out)
{
    struct span name = name_of(peek);
    return check_mirror(head, "MCP-Protocol-Version", peek->protocol, out) &&
           check_mirror(head, "Mcp-Method", peek->method, out) &&
           (!name.p || check_mirror(head, "Mcp-Name", name, out));
}

bool modern_check(const struct rpc_peek *peek, const struct http_head *head,
                  struct modern_fault *out)
{
    *out = (struct modern_fault){0};
    if (!peek->is_modern)
        return refuse(out, RPC_INVALID_PARAMS, "params._meta must have %s",
                      NAMED("protocolVersion"));
    struct span capabilities = rpc_member(peek->meta, NAMED("clientCapabilities"));
    if (!capabilities.n || capabilities.p[0] != '{')
        return refuse(out, RPC_INVALID_PARAMS, "params._meta must have %s",
                      NAMED("clientCapabilities"));
    if (head && !check_headers(peek, head, out))
        return false;
    if (!rpc_text_is(peek->protocol, MODERN_REVISION)) {
        out->requested = peek->protocol;
        return refuse(out, MODERN_UNSUPPORTED_VERSION, "%s", "Unsupported protocol version");
    }
    return true;
}

bool modern_write_fault(struct buf *out, struct span id, const struct modern_fault *fault)
{
    struct buf data = BUF_INIT(fault->requested.n + 100);
    bool ok = !fault->requested.p ||
              (buf_add_str(&data, "{\"supported\":[\"" MODERN_REVISION "\"],\"requested\":\"") &&
               buf_add(&data, fault->requested.p, fault->requested.n) && buf_add_str(&data, "\"}"));
    ok = ok &&
         rpc_write_error(out, id, fault->code, fault->text, (struct span){data.data, data.len});
    buf_release(&data);
    return ok;
}

int modern_http_status(int code)
{
    switch (code) {
    case RPC_METHOD_NOT_FOUND:
        return 404;
    case MODERN_HEADER_MISMATCH:
    case MODERN_MISSING_CAPABILITY:
    case MODERN_UNSUPPORTED_VERSION:
        return 400;
    default:
        return 200;
    }
}

enum modern_method modern_method_of(struct span method)
{
    static const struct {
        const char *text;
        enum modern_method kind;
    } methods[] = {
        {"tools/list", MODERN_CACHED},
        {"prompts/list", MODERN_CACHED},
        {"resources/list", MODERN_CACHED},
        {"resources/templates/list", MODERN_CACHED},
        {"resources/read", MODERN_CACHED},
        {"server/discover", MODERN_DISCOVER},
        {"subscriptions/listen", MODERN_LISTEN},
        {"initialize", MODERN_REMOVED},
        {"ping", MODERN_REMOVED},
        {"logging/setLevel", MODERN_REMOVED},
        {"resources/subscribe", MODERN_REMOVED},
        {"resources/unsubscribe", MODERN_REMOVED},
        {"notifications/initialized", MODERN_REMOVED},
        {"notifications/roots/list_changed", MODERN_REMOVED},
    };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (rpc_text_is(method, methods[i].text))
            return methods[i].kind;
    return MODERN_OTHER;
}
