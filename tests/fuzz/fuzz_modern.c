/* tests/fuzz/fuzz_modern.c - what is translated between the eras is JSON again, says the same, and
 * has what the other side requires. */
#include "mcp/modern.h"

#include "mcp/json_text.h"
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <string.h>

#define ROOM (1 << 22)

static json_t *tree_of(const char *json, size_t n)
{
    return n && memchr(json, '\0', n) ? NULL : json_loadb(json, n, JSON_REJECT_DUPLICATES, NULL);
}

/* Where the input was JSON, what was made of it is, and has this id. */
static void must_be_message(const struct buf *out, const char *id)
{
    json_t *tree = json_loadb(out->data, out->len, 0, NULL);
    MUST(json_is_object(tree));
    MUST(strcmp(json_string_value(json_object_get(tree, "jsonrpc")), "2.0") == 0);
    MUST(!id || strcmp(json_string_value(json_object_get(tree, "id")), id) == 0);
    json_decref(tree);
}

static const struct span ours = {"\"u\"", 3};

static void translate_request(const struct rpc_peek *peek, bool is_json)
{
    struct buf out = BUF_INIT(ROOM);
    struct rpc_peek again;
    bool ok = modern_write_legacy(&out, peek, ours);
    MUST(ok || !is_json);
    if (ok && is_json) {
        must_be_message(&out, "u");
        rpc_peek(out.data, out.len, &again);
        MUST(again.kind == RPC_REQUEST && !again.is_modern);
        MUST(!again.meta.n || !rpc_member(again.meta, "io.modelcontextprotocol/clientInfo").n);
        MUST(json_text_same(again.method, peek->method));
        MUST(!peek->progress_token.n == !again.progress_token.n);
    }
    buf_release(&out);
}

static void translate_answer(struct span message, json_t *tree)
{
    struct buf out = BUF_INIT(ROOM);
    int code;
    bool ok = modern_write_answer(&out, message, ours, true, &code);
    json_t *result = json_object_get(tree, "result");
    MUST(ok || !json_is_object(result));
    if (ok && tree) {
        must_be_message(&out, "u");
        json_t *again = json_loadb(out.data, out.len, 0, NULL);
        json_t *made = json_object_get(again, "result");
        MUST(!json_is_object(result) || (json_object_get(made, "resultType") &&
                                         json_integer_value(json_object_get(made, "ttlMs")) == 0));
        json_decref(again);
    }
    buf_release(&out);
}

static void tag(struct span message, const struct rpc_peek *peek, bool is_json)
{
    struct buf out = BUF_INIT(ROOM);
    bool ok = modern_write_tagged(&out, message, ours);
    MUST(ok || !is_json);
    if (ok && is_json) {
        struct rpc_peek again;
        must_be_message(&out, NULL);
        rpc_peek(out.data, out.len, &again);
        MUST(span_is(rpc_member(again.meta, "io.modelcontextprotocol/subscriptionId"), "\"u\""));
        MUST(modern_listen_wants(peek->params, &again) == modern_listen_wants(peek->params, peek));
    }
    out.len = 0;
    ok = modern_write_progress(&out, message, ours);
    if (ok && is_json)
        must_be_message(&out, NULL);
    buf_release(&out);
}

static void check(const struct rpc_peek *peek, struct span message)
{
    struct modern_fault fault;
    struct http_head head = {.count = 3,
                             .headers = {{{"MCP-Protocol-Version", 20}, {MODERN_REVISION, 10}},
                                         {{"Mcp-Method", 10}, message},
                                         {{"Mcp-Name", 8}, message}}};
    modern_check(peek, &head, &fault);
    if (!modern_check(peek, NULL, &fault)) {
        struct buf out = BUF_INIT(ROOM);
        MUST(modern_write_fault(&out, peek->id, &fault));
        buf_release(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span message = {(const char *)data, n};
    struct buf text = BUF_INIT(ROOM);
    struct rpc_peek peek;
    if (json_text_write(&text, message))
        MUST(json_text_equals(message, (struct span){text.data, text.len}));
    buf_release(&text);
    rpc_peek(message.p, message.n, &peek);
    json_t *tree = tree_of(message.p, message.n);
    if (peek.kind == RPC_REQUEST) {
        check(&peek, message);
        translate_request(&peek, tree != NULL);
    } else if (peek.kind == RPC_RESPONSE) {
        translate_answer(message, tree);
    } else if (peek.kind == RPC_NOTIFICATION) {
        tag(message, &peek, tree && (!peek.params.n || peek.params.p[0] == '{'));
    }
    json_decref(tree);
    return 0;
}
