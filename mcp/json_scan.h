/* mcp/json_scan.h - walking over JSON bytes without a tree (private to mcp/). A scan looks at one
 * value; where it fails, `cut` tells bytes that ran out from bytes that are wrong.
 *
 * Checked: brackets match and nest at most JSON_DEPTH_CAP deep, strings are closed and hold no
 * raw control byte, numbers and literals are spelled right where they are stepped over one by
 * one. Not checked: commas and colons inside values that are skipped as a whole, and UTF-8. */
#pragma once
#include "mcp/http_head.h"

#define JSON_DEPTH_CAP 512

struct json_scan {
    const char *p, *end; /* where the scan stands */
    size_t depth;        /* objects and arrays it has entered */
    bool cut;            /* it failed because the bytes ran out */
};

/* A scan of n bytes; json may be NULL when n is 0. */
static inline struct json_scan json_scan_of(const char *json, size_t n)
{
    const char *p = n ? json : "";
    return (struct json_scan){.p = p, .end = p + n};
}

enum json_step { JSON_ITEM, JSON_END, JSON_BROKEN };

/* Step over blanks; the byte that stands there, or 0 at the end (then cut is set). */
char json_peek_byte(struct json_scan *s);
/* Step over one value of any kind (blanks before it too). */
bool json_skip(struct json_scan *s) MUST_CHECK;
/* The same, and its bytes without the blanks. */
bool json_take(struct json_scan *s, struct span *value) MUST_CHECK;
/* Step into an object ('{') or array ('['). */
bool json_enter(struct json_scan *s, char bracket) MUST_CHECK;
/* The next member: JSON_ITEM with its raw key (between the quotes), the scan stands before the
 * value, which must be stepped over; JSON_END behind the closing bracket. first: no member was
 * read yet. */
enum json_step json_member(struct json_scan *s, bool first, struct span *key);
/* The next element of an array, in the same way. */
enum json_step json_element(struct json_scan *s, bool first);

/* Is this raw string content (between the quotes) this ASCII text, once escapes are resolved? */
bool json_text_is(struct span raw, const char *text);
/* Are these raw string contents the same text, once escapes are resolved? Half a surrogate pair is
 * equal to itself only. */
bool json_texts_equal(struct span a, struct span b);
