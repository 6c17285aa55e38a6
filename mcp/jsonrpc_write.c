/* mcp/jsonrpc_write.c - the messages that poold writes itself. See jsonrpc.h. */
#include "mcp/jsonrpc.h"

#include "mcp/utf8.h"

#include <string.h>

/* One character that cannot stand in a JSON string as it is. */
static bool write_escape(struct buf *out, unsigned char c)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *at = memchr(plain, c, sizeof plain - 1);
    return at ? buf_printf(out, "\\%c", letters[at - plain]) : buf_printf(out, "\\u%04x", c);
}

static bool write_content(struct buf *out, const char *text, size_t n)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t from = 0, at = 0; /* [from, at) can be copied as it is */
    while (at < n) {
        size_t length = utf8_length(bytes + at, n - at);
        bool plain = length && bytes[at] >= 0x20 && bytes[at] != '"' && bytes[at] != '\\';
        if (plain) {
            at += length;
            continue;
        }
        if (!buf_add(out, text + from, at - from) ||
            !(length ? write_escape(out, bytes[at]) : buf_add_str(out, "\xef\xbf\xbd")))
            return false;
        from = ++at;
    }
    return buf_add(out, text + from, at - from);
}

bool json_write_string(struct buf *out, const char *text, size_t n)
{
    size_t before = out->len;
    if (buf_add_str(out, "\"") && (n == 0 || write_content(out, text, n)) && buf_add_str(out, "\""))
        return true;
    out->len = before;
    return false;
}

bool rpc_write_error(struct buf *out, struct span id, int code, const char *message,
                     struct span data)
{
    size_t before = out->len;
    if (buf_add_str(out, "{\"jsonrpc\":\"2.0\",\"id\":") &&
        (id.n ? buf_add(out, id.p, id.n) : buf_add_str(out, "null")) &&
        buf_printf(out, ",\"error\":{\"code\":%d,\"message\":", code) &&
        json_write_string(out, message, strlen(message)) &&
        (data.n == 0 || (buf_add_str(out, ",\"data\":") && buf_add(out, data.p, data.n))) &&
        buf_add_str(out, "}}"))
        return true;
    out->len = before;
    return false;
}

bool rpc_write_result(struct buf *out, struct span id, const char *result)
{
    size_t before = out->len;
    if (buf_add_str(out, "{\"jsonrpc\":\"2.0\",\"id\":") && buf_add(out, id.p, id.n) &&
        buf_add_str(out, ",\"result\":") && buf_add_str(out, result) && buf_add_str(out, "}"))
        return true;
    out->len = before;
    return false;
}

bool rpc_write_empty(struct buf *out, struct span id)
{
    return rpc_write_result(out, id, "{}");
}
