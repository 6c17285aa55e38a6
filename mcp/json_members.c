/* mcp/json_members.c - see json_members.h. */
#include "mcp/json_members.h"

#include "mcp/json_scan.h"

#include <string.h>

bool json_put(struct buf *out, struct span bytes)
{
    return bytes.n == 0 || buf_add(out, bytes.p, bytes.n);
}

bool json_members_add_raw(struct json_members *m, struct span key, struct span raw)
{
    bool ok = buf_add_str(m->out, m->any ? ",\"" : "\"") && json_put(m->out, key) &&
              buf_add_str(m->out, "\":") && json_put(m->out, raw);
    m->any = true;
    return ok;
}

bool json_members_add(struct json_members *m, const char *key, struct span raw)
{
    return json_members_add_raw(m, (struct span){key, strlen(key)}, raw);
}

bool json_members_add_str(struct json_members *m, const char *key, const char *raw)
{
    return json_members_add(m, key, (struct span){raw, strlen(raw)});
}

bool json_members_copy(struct json_members *m, struct span object, json_replace_fn *replace,
                       void *arg)
{
    struct json_scan scan = json_scan_of(object.p, object.n);
    struct span key, value;
    enum json_step step = JSON_BROKEN;
    bool ok = json_enter(&scan, '{');
    for (bool first = true; ok && (step = json_member(&scan, first, &key)) == JSON_ITEM;
         first = false) {
        ok = json_take(&scan, &value);
        if (ok && !(replace && replace(arg, m, key, value, &ok)))
            ok = json_members_add_raw(m, key, value);
    }
    return ok && step == JSON_END;
}

bool json_is_raw_object(struct span raw)
{
    return raw.n && raw.p[0] == '{';
}

bool json_whole(struct buf *out, size_t before, bool ok)
{
    if (!ok)
        out->len = before;
    return ok;
}
