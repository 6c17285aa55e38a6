/* mcp/cut.c - see cut.h. */
#include "mcp/cut.h"

#include "mcp/json_scan.h"

#include <string.h>

static bool is_id(struct span raw)
{
    char c = raw.n ? raw.p[0] : '\0';
    return c == '"' || c == '-' || (c >= '0' && c <= '9');
}

/* Among the members that are whole. False also where it shows that it is no response. */
static bool id_at_start(struct span start, struct span *id, bool *is_response)
{
    struct json_scan s = json_scan_of(start.p, start.n);
    struct span key, value;
    if (!json_enter(&s, '{'))
        return *is_response = false;
    for (bool first = true; json_member(&s, first, &key) == JSON_ITEM; first = false) {
        if (json_text_is(key, "method"))
            return *is_response = false;
        bool is_its = json_text_is(key, "id");
        if (!json_take(&s, &value))
            return false;
        /* A number at the very end may go on behind it. */
        if (is_its && is_id(value) && s.p < s.end) {
            *id = value;
            return true;
        }
    }
    return false;
}

/* From this key on: only whole members, and the end of the object that is the end of all. */
static bool ends_message(const char *key_at, const char *stop, struct span *id)
{
    struct json_scan s = {.p = key_at, .end = stop, .depth = 1};
    struct span key, value;
    enum json_step step;
    for (bool first = true; (step = json_member(&s, first, &key)) == JSON_ITEM; first = false) {
        if (!json_take(&s, &value) || json_text_is(key, "method"))
            return false;
        if (first)
            *id = value;
    }
    return step == JSON_END && json_peek_byte(&s) == '\0' && s.p == s.end && is_id(*id);
}

/* The SDK for TypeScript writes the id behind the result. Within a string no quote stands behind a
 * comma without a backslash. */
static bool id_at_end(struct span end, struct span *id)
{
    static const char key[] = "\"id\"";
    size_t key_n = sizeof key - 1;
    if (end.n < key_n)
        return false;
    for (const char *at = end.p + end.n - key_n; at > end.p; at--) {
        const char *before = at - 1;
        while (before > end.p && (*before == ' ' || *before == '\t'))
            before--;
        if (*before == ',' && memcmp(at, key, key_n) == 0 && ends_message(at, end.p + end.n, id))
            return true;
    }
    return false;
}

bool cut_answer_id(struct span start, struct span end, struct span *id)
{
    bool is_response = true;
    return id_at_start(start, id, &is_response) || (is_response && id_at_end(end, id));
}
