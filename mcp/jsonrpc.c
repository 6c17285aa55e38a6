/* mcp/jsonrpc.c - the peek: what routing needs, by one scan over the members of the message, of
 * its params and of params._meta. See jsonrpc.h. */
#include "mcp/jsonrpc.h"

#include "mcp/json_scan.h"

#include <string.h>

/* Members that decide something. Each may occur once: two readers could differ about the second. */
enum member {
    M_OTHER = 0,
    M_JSONRPC = 1 << 0,
    M_ID = 1 << 1,
    M_METHOD = 1 << 2,
    M_PARAMS = 1 << 3,
    M_RESULT = 1 << 4,
    M_ERROR = 1 << 5,
    M_NAME = 1 << 6,
    M_PROTOCOL = 1 << 7,
    M_META = 1 << 8,
    M_TOKEN = 1 << 9,
    M_MODERN = 1 << 10,
    M_PROGRESS_OF = 1 << 11
};

struct member_name {
    const char *text;
    size_t n;
    enum member member;
};

#define NAME(text, member)                                                                         \
    {                                                                                              \
        text, sizeof text - 1, member                                                              \
    }
#define NAMES_END                                                                                  \
    {                                                                                              \
        NULL, 0, M_OTHER                                                                           \
    }

static const struct member_name message_names[] = {
    NAME("jsonrpc", M_JSONRPC),
    NAME("id", M_ID),
    NAME("method", M_METHOD),
    NAME("params", M_PARAMS),
    NAME("result", M_RESULT),
    NAME("error", M_ERROR),
    NAMES_END,
};
static const struct member_name params_names[] = {
    NAME("_meta", M_META),
    NAME("name", M_NAME),
    NAME("protocolVersion", M_PROTOCOL),
    NAME("progressToken", M_PROGRESS_OF),
    NAMES_END,
};
static const struct member_name meta_names[] = {
    NAME("progressToken", M_TOKEN),
    NAME("io.modelcontextprotocol/protocolVersion", M_MODERN),
    NAMES_END,
};

static enum member member_of(const struct member_name *names, struct span key)
{
    bool has_escape = key.n && memchr(key.p, '\\', key.n);
    for (; names->text; names++)
        if (has_escape ? json_text_is(key, names->text)
                       : key.n == names->n && memcmp(key.p, names->text, key.n) == 0)
            break;
    return names->member;
}

struct peek {
    struct json_scan scan;
    struct rpc_peek *out;
    unsigned seen;     /* enum member bits */
    struct span claim; /* _meta's protocol version */
};

struct span rpc_member(struct span object, const char *name)
{
    struct json_scan scan = json_scan_of(object.p, object.n);
    struct span key, value;
    if (json_enter(&scan, '{'))
        for (bool first = true; json_member(&scan, first, &key) == JSON_ITEM; first = false) {
            if (!json_take(&scan, &value))
                break;
            if (json_text_is(key, name))
                return value;
        }
    return (struct span){0};
}

/* The value as the content of a string; empty if it is none. */
static bool take_text(struct json_scan *s, struct span *text)
{
    struct span value;
    if (!json_take(s, &value))
        return false;
    if (value.p[0] == '"')
        *text = (struct span){value.p + 1, value.n - 2};
    return true;
}

/* A string or number as raw JSON; or null, if that may be. Anything else leaves *value empty. */
static bool take_id(struct json_scan *s, bool null_too, struct span *value)
{
    struct span raw;
    if (!json_take(s, &raw))
        return false;
    char c = raw.p[0];
    if (c == '"' || c == '-' || (c >= '0' && c <= '9') || (null_too && c == 'n'))
        *value = raw;
    return true;
}

static bool note(struct peek *k, enum member m)
{
    if (k->seen & m)
        return false;
    k->seen |= m;
    return true;
}

static bool look_into_meta(struct peek *k)
{
    struct json_scan *s = &k->scan;
    struct span key;
    enum json_step step = JSON_BROKEN;
    if (!json_enter(s, '{'))
        return false;
    for (bool first = true; (step = json_member(s, first, &key)) == JSON_ITEM; first = false) {
        enum member m = member_of(meta_names, key);
        bool ok = m == M_TOKEN    ? take_id(s, false, &k->out->progress_token)
                  : m == M_MODERN ? take_text(s, &k->claim)
                                  : json_skip(s);
        if (!ok || !note(k, m))
            return false;
    }
    return step == JSON_END;
}

static bool look_at_meta(struct peek *k)
{
    struct json_scan *s = &k->scan;
    bool is_object = json_peek_byte(s) == '{';
    const char *from = s->p;
    bool ok = is_object ? look_into_meta(k) : json_skip(s);
    k->out->meta = (struct span){from, (size_t)(s->p - from)};
    return ok;
}

static bool look_at_params(struct peek *k)
{
    struct json_scan *s = &k->scan;
    if (json_peek_byte(s) != '{')
        return json_skip(s);
    struct span key;
    enum json_step step = JSON_BROKEN;
    if (!json_enter(s, '{'))
        return false;
    for (bool first = true; (step = json_member(s, first, &key)) == JSON_ITEM; first = false) {
        enum member m = member_of(params_names, key);
        bool ok = m == M_META          ? look_at_meta(k)
                  : m == M_NAME        ? take_text(s, &k->out->tool)
                  : m == M_PROTOCOL    ? take_text(s, &k->out->protocol)
                  : m == M_PROGRESS_OF ? take_id(s, false, &k->out->progress_of)
                                       : json_skip(s);
        if (!ok || !note(k, m))
            return false;
    }
    return step == JSON_END;
}

static bool look_at_member(struct peek *k, enum member m)
{
    struct json_scan *s = &k->scan;
    struct span version = {0};
    switch (m) {
    case M_JSONRPC:
        return take_text(s, &version) && span_is(version, "2.0");
    case M_ID:
        return take_id(s, true, &k->out->id) && k->out->id.n > 0;
    case M_METHOD:
        return take_text(s, &k->out->method) && k->out->method.p != NULL;
    case M_PARAMS: {
        json_peek_byte(s);
        const char *from = s->p;
        bool ok = look_at_params(k);
        k->out->params = (struct span){from, (size_t)(s->p - from)};
        return ok;
    }
    default:
        return json_skip(s);
    }
}

static enum rpc_kind kind_of(unsigned seen)
{
    if (!(seen & M_JSONRPC))
        return RPC_INVALID;
    switch (seen & (M_METHOD | M_RESULT | M_ERROR)) {
    case M_METHOD:
        return seen & M_ID ? RPC_REQUEST : RPC_NOTIFICATION;
    case M_RESULT:
    case M_ERROR:
        return RPC_RESPONSE;
    default:
        return RPC_INVALID;
    }
}

/* The scan stands on the message's '{'. */
static bool look_at_message(struct peek *k)
{
    struct json_scan *s = &k->scan;
    struct span key;
    enum json_step step = JSON_BROKEN;
    if (!json_enter(s, '{'))
        return false;
    for (bool first = true; (step = json_member(s, first, &key)) == JSON_ITEM; first = false) {
        enum member m = member_of(message_names, key);
        if (!note(k, m) || !look_at_member(k, m))
            return false;
    }
    return step == JSON_END;
}

/* The scan stands on the '['. An empty batch is no message (JSON-RPC 2.0 section 6). */
static bool look_at_batch(struct json_scan *s)
{
    bool first = true;
    enum json_step step = JSON_BROKEN;
    if (!json_enter(s, '['))
        return false;
    for (; (step = json_element(s, first)) == JSON_ITEM; first = false)
        if (!json_skip(s))
            return false;
    return step == JSON_END && !first;
}

void rpc_peek(const char *json, size_t n, struct rpc_peek *out)
{
    *out = (struct rpc_peek){.kind = RPC_INVALID};
    struct peek k = {.scan = json_scan_of(json, n), .out = out};
    bool is_batch = json_peek_byte(&k.scan) == '[';
    bool ok = is_batch ? look_at_batch(&k.scan) : look_at_message(&k);
    enum rpc_kind kind = is_batch ? RPC_BATCH : kind_of(k.seen);
    if (!ok || kind == RPC_INVALID || json_peek_byte(&k.scan) != '\0' || k.scan.p != k.scan.end) {
        *out = (struct rpc_peek){.kind = RPC_INVALID};
        return;
    }
    out->kind = kind;
    out->is_error = k.seen & M_ERROR;
    out->is_modern = k.claim.p != NULL;
    if (out->is_modern)
        out->protocol = k.claim;
    if (!json_text_is(out->method, "tools/call"))
        out->tool = (struct span){0};
}

int rpc_is_response(const char *json, size_t n)
{
    struct json_scan s = json_scan_of(json, n);
    struct span key;
    if (!json_enter(&s, '{'))
        return s.cut ? -1 : 0;
    for (bool first = true; json_member(&s, first, &key) == JSON_ITEM; first = false) {
        enum member m = member_of(message_names, key);
        if (m == M_METHOD)
            return 0;
        if (m == M_RESULT || m == M_ERROR)
            return 1;
        if (!json_skip(&s))
            break;
    }
    return s.cut ? -1 : 0;
}

bool rpc_batch_next(const char **at, const char *end, struct span *element)
{
    struct json_scan s = {.p = *at, .end = end, .depth = 1};
    bool first = json_peek_byte(&s) == '['; /* behind an element stands ',' or ']' */
    if (first)
        s.p++;
    if (json_element(&s, first) != JSON_ITEM || !json_take(&s, element))
        return false;
    json_peek_byte(&s);
    *at = s.p;
    return true;
}

bool rpc_member_next(const char **at, const char *end, struct span *key, struct span *value)
{
    struct json_scan s = {.p = *at, .end = end, .depth = 1};
    bool first = json_peek_byte(&s) == '{';
    if (first)
        s.p++;
    if (json_member(&s, first, key) != JSON_ITEM || !json_take(&s, value))
        return false;
    json_peek_byte(&s);
    *at = s.p;
    return true;
}

bool rpc_text_is(struct span raw, const char *text)
{
    return json_text_is(raw, text);
}
