/* tests/fuzz/fuzz_jsonrpc.c - the peek agrees with a real JSON parser wherever that accepts the
 * message, and what poold writes is JSON. */
#include "mcp/jsonrpc.h"

#include "mcp/json_scan.h"
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <string.h>

static enum rpc_kind kind_of_tree(json_t *m)
{
    json_t *id = json_object_get(m, "id"), *method = json_object_get(m, "method");
    bool has_result = json_object_get(m, "result"), has_error = json_object_get(m, "error");
    const char *version = json_string_value(json_object_get(m, "jsonrpc"));
    if (!version || strcmp(version, "2.0") != 0 || has_result + has_error + !!method != 1)
        return RPC_INVALID;
    if (id && !json_is_string(id) && !json_is_number(id) && !json_is_null(id))
        return RPC_INVALID;
    if (method)
        return !json_is_string(method) ? RPC_INVALID : id ? RPC_REQUEST : RPC_NOTIFICATION;
    return RPC_RESPONSE;
}

/* Is the raw JSON (empty: absent) this value? Takes the reference of `value`. */
static void must_be(struct span raw, json_t *value)
{
    json_t *got = raw.n ? json_loadb(raw.p, raw.n, JSON_DECODE_ANY, NULL) : NULL;
    MUST(!got == !value);
    MUST(!got || json_equal(got, value));
    json_decref(got);
}

/* The same for the content of a string, given without its quotes. */
static void must_be_text(struct span content, json_t *value)
{
    if (!json_is_string(value))
        MUST(content.p == NULL);
    else
        must_be((struct span){content.p - 1, content.n + 2}, value);
}

static void compare_with_tree(const struct rpc_peek *p, json_t *m)
{
    json_t *params = json_object_get(m, "params"), *meta = json_object_get(params, "_meta");
    json_t *token = json_object_get(meta, "progressToken");
    json_t *claim = json_object_get(meta, "io.modelcontextprotocol/protocolVersion");
    const char *method = json_string_value(json_object_get(m, "method"));
    bool is_call = method && strcmp(method, "tools/call") == 0;
    must_be(p->id, json_object_get(m, "id"));
    must_be(p->params, params);
    must_be(p->meta, meta);
    must_be(p->progress_token, json_is_string(token) || json_is_number(token) ? token : NULL);
    json_t *of = json_object_get(params, "progressToken");
    must_be(p->progress_of, json_is_string(of) || json_is_number(of) ? of : NULL);
    MUST(p->is_modern == json_is_string(claim));
    MUST(p->is_error == !!json_object_get(m, "error"));
    must_be_text(p->method, json_object_get(m, "method"));
    must_be_text(p->protocol, p->is_modern ? claim : json_object_get(params, "protocolVersion"));
    must_be_text(p->tool, is_call ? json_object_get(params, "name") : NULL);
}

static void batch_must_be(const char *json, size_t n, json_t *array)
{
    struct span element;
    size_t i = 0;
    for (const char *at = json; rpc_batch_next(&at, json + n, &element); i++)
        must_be(element, json_array_get(array, i));
    MUST(i == json_array_size(array));
}

/* Is it nested deeper than the peek takes? */
static bool is_deep(json_t *value, int left)
{
    const char *key;
    size_t i;
    json_t *inner;
    if ((json_is_object(value) || json_is_array(value)) && left == 0)
        return true;
    json_object_foreach(value, key, inner)
        if (is_deep(inner, left - 1))
            return true;
    json_array_foreach(value, i, inner)
        if (is_deep(inner, left - 1))
            return true;
    return false;
}

static void peek_and_compare(const char *json, size_t n)
{
    struct rpc_peek p;
    rpc_peek(json, n, &p);
    int is_response = rpc_is_response(json, n);
    MUST(p.kind == RPC_INVALID || is_response == (p.kind == RPC_RESPONSE));
    int at_half = rpc_is_response(json, n / 2);
    MUST(at_half == -1 || at_half == is_response);
    if (n && memchr(json, '\0', n))
        return; /* jansson steps over NUL bytes between tokens */
    json_t *tree = json_loadb(json, n, JSON_REJECT_DUPLICATES, NULL);
    if (tree && !is_deep(tree, JSON_DEPTH_CAP)) {
        bool is_batch = json_is_array(tree) && json_array_size(tree) > 0;
        MUST(p.kind == (is_batch ? RPC_BATCH : kind_of_tree(tree)));
        if (is_batch)
            batch_must_be(json, n, tree);
        else if (p.kind != RPC_INVALID)
            compare_with_tree(&p, tree);
    }
    json_decref(tree);
}

static void write_and_read(const char *text, size_t n)
{
    struct buf out = BUF_INIT(1 << 23);
    MUST(json_write_string(&out, text, n));
    json_t *value = json_loadb(out.data, out.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    MUST(json_is_string(value));
    json_t *same = json_stringn(text, n); /* NULL where the text is no UTF-8 */
    MUST(!same || json_equal(same, value));
    json_decref(same);
    json_decref(value);
    struct rpc_peek p;
    struct span content = {out.data + 1, out.len - 2};
    bool is_call = rpc_text_is(content, "tools/call");
    MUST(is_call == (n == 10 && memcmp(text, "tools/call", 10) == 0));
    struct buf message = BUF_INIT(1 << 23);
    MUST(rpc_write_error(&message, (struct span){out.data, out.len}, -1, "m", (struct span){0}));
    rpc_peek(message.data, message.len, &p);
    MUST(p.kind == RPC_RESPONSE && p.is_error && p.id.n == out.len);
    buf_release(&message);
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    peek_and_compare((const char *)data, n);
    write_and_read((const char *)data, n);
    return 0;
}
