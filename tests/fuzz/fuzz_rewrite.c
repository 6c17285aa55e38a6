/* tests/fuzz/fuzz_rewrite.c - a message under other ids is the same message but for these, on one
 * line; and an alias gives back the id that it was made of. */
#include "mcp/jsonrpc.h"
#include "mcp/rewrite.h"

#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <string.h>

static void set(json_t *object, const char *key, const char *value)
{
    if (json_object_get(object, key))
        json_object_set_new(object, key, json_string(value));
}

static struct span edit_of(struct span raw)
{
    return raw.n ? (struct span){"\"e\"", 3} : raw;
}

static void rewrite(const char *json, size_t n)
{
    struct rpc_peek p;
    struct buf out = BUF_INIT(1 << 23);
    rpc_peek(json, n, &p);
    if (p.kind == RPC_INVALID || p.kind == RPC_BATCH)
        return;
    struct span request = rpc_member(p.params, "requestId");
    const struct rpc_edit edits[] = {{p.id, edit_of(p.id)},
                                     {p.progress_token, edit_of(p.progress_token)},
                                     {p.progress_of, edit_of(p.progress_of)},
                                     {request, edit_of(request)}};
    MUST(rpc_rewrite(&out, (struct span){json, n}, edits, 4));
    MUST(!memchr(out.data, '\n', out.len) && !memchr(out.data, '\r', out.len));
    json_t *was = json_loadb(json, n, JSON_REJECT_DUPLICATES, NULL);
    json_t *is = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
    if (was && !memchr(json, '\0', n)) {
        json_t *params = json_object_get(was, "params");
        set(was, "id", "e");
        if (p.progress_token.n)
            set(json_object_get(params, "_meta"), "progressToken", "e");
        if (p.progress_of.n)
            set(params, "progressToken", "e");
        set(params, "requestId", "e");
        MUST(is && json_equal(was, is));
    }
    json_decref(was);
    json_decref(is);
    buf_release(&out);
}

static void carry(struct span id)
{
    char text[RPC_ALIAS_MAX];
    struct rpc_alias alias;
    struct buf back = BUF_INIT(1 << 12);
    size_t n = rpc_alias_write(text, sizeof text, id.n, (struct span){"1~a", 3}, id);
    MUST(n > 0 && rpc_alias_read((struct span){text, n}, &alias));
    MUST(alias.serial == id.n);
    if (rpc_alias_id(&alias, &back))
        MUST(back.len == id.n && memcmp(back.data, id.p, id.n) == 0);
    else
        MUST(id.n > RPC_ALIAS_ID_MAX || id.n == 0);
    buf_release(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *json = (const char *)data;
    struct rpc_alias alias;
    struct rpc_peek p;
    rewrite(json, n);
    rpc_peek(json, n, &p);
    if (p.id.n)
        carry(p.id);
    MUST(n == 0 || rpc_same_value((struct span){json, n}, (struct span){json, n}));
    if (n > 2 && data[0] == '"' && data[n - 1] == '"')
        (void)!rpc_alias_read((struct span){json, n}, &alias);
    rpc_same_value((struct span){json, n / 2}, (struct span){json + n / 2, n - n / 2});
    return 0;
}
