/* mcp/json_members.h - writing a JSON object member by member, and copying one with changes,
 * without a tree (private to mcp/). */
#pragma once
#include "base/buf.h"
#include "mcp/http_head.h"

struct json_members { /* an object being written: {.out = out} behind its opening bracket */
    struct buf *out;
    bool any;
};

/* Append bytes as they are. */
bool json_put(struct buf *out, struct span bytes) MUST_CHECK;
/* Add a member with this name (plain ASCII) and raw value. */
bool json_members_add(struct json_members *m, const char *key, struct span raw) MUST_CHECK;
bool json_members_add_str(struct json_members *m, const char *key, const char *raw) MUST_CHECK;
/* Add a member as it stands: key is what is between its quotes. */
bool json_members_add_raw(struct json_members *m, struct span key, struct span raw) MUST_CHECK;

/* What to do with a member that is copied: true, it was seen to (replaced, or left out). */
typedef bool json_replace_fn(void *arg, struct json_members *m, struct span key, struct span value,
                             bool *ok);
/* The members of a raw object. replace may be NULL. */
bool json_members_copy(struct json_members *m, struct span object, json_replace_fn *replace,
                       void *arg) MUST_CHECK;

bool json_is_raw_object(struct span raw);
/* All or nothing: takes back what was written since before if !ok. Returns ok. */
bool json_whole(struct buf *out, size_t before, bool ok);
