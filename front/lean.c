/* front/lean.c - see lean.h. */
#include "front/lean.h"

#include "base/caps.h"
#include "base/str.h"
#include "mcp/lean.h"

#include <string.h>

/* --- answers made from the server's list --- */

struct lean { /* f->lean: its answer is the list, its client gets what is found in it */
    const struct flight_client *client;
    enum lean_tool tool;
    char *params; /* of the client's call */
    struct buf list;
};

void lean_free(struct flight *f)
{
    if (!f->lean)
        return;
    buf_release(&f->lean->list);
    free(f->lean->params);
    free(f->lean);
    f->lean = NULL;
}

static void message(struct flight *f, struct span json, bool is_answer)
{
    struct lean *lean = f->lean;
    struct rpc_peek peek;
    struct buf answer = BUF_INIT(CAP_MESSAGE);
    rpc_peek(json.p, json.n, &peek);
    struct span params = {lean->params, strlen(lean->params)};
    if (is_answer && !peek.is_error && lean_write_answer(&answer, lean->tool, f->id, params, json))
        json = (struct span){answer.data, answer.len};
    lean->client->message(f, json, is_answer);
    buf_release(&answer);
}

static void json_begin(struct flight *f, int64_t length)
{
    (void)length;
    buf_release(&f->lean->list);
}

static void json_data(struct flight *f, const char *bytes, size_t n)
{
    if (!buf_add(&f->lean->list, bytes, n))
        flight_fail(f, ERR_TOO_BIG, "the server's list of tools is too large");
}

static void json_end(struct flight *f)
{
    message(f, (struct span){f->lean->list.data, f->lean->list.len}, true);
}

static void events(struct flight *f, const char *bytes, size_t n)
{
    struct sse_splitter split = {0};
    for (size_t at = 0, len; at < n && (len = sse_first(&split, bytes + at, n - at)) > 0;
         at += len) {
        struct buf data = BUF_INIT(CAP_MESSAGE);
        if (sse_event_data(bytes + at, len, &data) && data.len)
            message(f, (struct span){data.data, data.len},
                    rpc_is_response(data.data, data.len) == 1);
        buf_release(&data);
    }
}

static void end(struct flight *f)
{
    f->lean->client->end(f);
}
static void flush(struct flight *f)
{
    f->lean->client->flush(f);
}
static bool is_full(struct flight *f)
{
    return f->lean->client->is_full(f);
}
static void beat(struct flight *f)
{
    f->lean->client->beat(f);
}

static const struct flight_client lean_sink = {json_begin, json_data, json_end, events, message,
                                               end,        flush,     is_full,  beat,   NULL};

/* --- the three --- */

static void answer_list(struct flight *f)
{
    struct buf answer = BUF_INIT(CAP_BODY + f->id.n);
    if (lean_write_list(&answer, f->id))
        flight_answer(f, (struct span){answer.data, answer.len});
    else
        flight_fail(f, ERR_INTERNAL, "the list could not be written");
    buf_release(&answer);
}

/* The mirrored headers of 2026-07-28 say what the request is now; name empty: none. */
static void mirror(struct flight *f, const char *method, struct span name)
{
    struct buf out = BUF_INIT(CAP_HEAD);
    bool is_mirrored = false;
    for (const char *line = f->headers; line && *line;) {
        const char *end = strstr(line, "\r\n");
        size_t n = end ? (size_t)(end + 2 - line) : strlen(line);
        bool is_old = strncasecmp(line, "Mcp-Method:", 11) == 0 ||
                      strncasecmp(line, "Mcp-Name:", 9) == 0 ||
                      strncasecmp(line, "Mcp-Param-", 10) == 0;
        is_mirrored |= is_old;
        if (!is_old && !buf_add(&out, line, n))
            break;
        line += n;
    }
    if (is_mirrored && buf_printf(&out, "Mcp-Method: %s\r\n", method) && name.n)
        is_mirrored = buf_printf(&out, "Mcp-Name: %.*s\r\n", (int)name.n, name.p);
    if (is_mirrored) {
        free(f->headers);
        f->headers = xstrdup(buf_text(&out));
    }
    buf_release(&out);
}

/* The flight asks for it, and its answer is looked through. */
static void ask_for_list(struct flight *f, enum lean_tool tool, const struct rpc_peek *peek)
{
    struct buf body = BUF_INIT(CAP_BODY);
    struct lean *lean = xcalloc(1, sizeof *lean);
    lean->client = f->client;
    lean->tool = tool;
    lean->params = xstrndup(peek->params.p ? peek->params.p : "", peek->params.n);
    lean->list.cap = CAP_MESSAGE;
    struct span meta = rpc_member(peek->params, "_meta");
    bool ok = buf_add_str(&body, "{\"jsonrpc\":\"2.0\",\"id\":") &&
              buf_add(&body, f->id.p, f->id.n) &&
              buf_add_str(&body, ",\"method\":\"tools/list\",\"params\":{") &&
              (!meta.n || (buf_add_str(&body, "\"_meta\":") && buf_add(&body, meta.p, meta.n))) &&
              buf_add_str(&body, "}}");
    if (ok) {
        flight_replace_body(f, (struct span){body.data, body.len});
        mirror(f, "tools/list", (struct span){0});
    }
    buf_release(&body);
    f->lean = lean;
    f->client = &lean_sink;
}

/* True: it was answered with what is wrong with it. */
static bool unwrap(struct flight *f, const struct rpc_peek *peek)
{
    struct buf body = BUF_INIT(CAP_BODY), failure = BUF_INIT(CAP_HEAD + f->id.n);
    struct span name;
    struct err err = {0};
    bool ok = lean_unwrap(&body, (struct span){f->body, f->body_n}, peek, &name, &err);
    if (ok) {
        mirror(f, "tools/call", name);
        flight_replace_body(f, (struct span){body.data, body.len});
    } else if (lean_write_failure(&failure, f->id, err_text(&err))) {
        flight_answer(f, (struct span){failure.data, failure.len});
    }
    buf_release(&body);
    buf_release(&failure);
    return !ok;
}

bool lean_takes(struct flight *f)
{
    struct rpc_peek peek;
    rpc_peek(f->body, f->body_n, &peek);
    if (rpc_text_is(peek.method, "tools/list")) {
        answer_list(f);
        return true;
    }
    enum lean_tool tool =
        rpc_text_is(peek.method, "tools/call") ? lean_tool_of(peek.tool) : LEAN_NONE;
    if (tool == LEAN_NONE) /* other methods, and a tool that is called by its own name */
        return false;
    if (tool == LEAN_CALL)
        return unwrap(f, &peek);
    ask_for_list(f, tool, &peek);
    return false;
}
