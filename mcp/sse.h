/* mcp/sse.h - Server-Sent Events (WHATWG HTML, 9.2.6): a splitter that finds event boundaries in
 * a byte stream without copying, and helpers to look into one event. Accepts \n, \r\n and \r. */
#pragma once
#include "mcp/http_head.h"

#include <stddef.h>

struct sse_splitter { /* zero to start (a stream starts at a boundary) */
    bool in_event;    /* bytes of an unfinished event were seen */
    int state;
};

/* Number of bytes up to and including the last complete event (or comment block) within the n
 * given bytes, which start where the previous call's n ended. 0 = no boundary in them. After the
 * call `in_event` says whether bytes beyond that boundary belong to an unfinished event. A boundary
 * is told at once, also where it ends in a CR whose LF may still come: such an LF at the start of
 * the next call is then a boundary of its own, an empty block that clients ignore. */
size_t sse_split(struct sse_splitter *s, const char *bytes, size_t n);
/* Like sse_split, but stops at the first boundary: the length of the first event, or 0. */
size_t sse_first(struct sse_splitter *s, const char *bytes, size_t n);

struct sse_event {
    struct span name;  /* event: field, empty if none ("message") */
    struct span id;    /* id: field, p NULL if absent */
    struct span retry; /* retry: field, p NULL if absent */
    struct span data;  /* first data: line; the usual case is exactly one */
    size_t data_lines; /* how many data: lines there are */
    bool is_numbered;  /* it has id: or retry: lines, of whatever content */
};
/* Look into the bytes of one complete event. */
void sse_event_parse(const char *bytes, size_t n, struct sse_event *out);
/* All data lines joined with '\n' appended to out; false past its cap. */
bool sse_event_data(const char *bytes, size_t n, struct buf *out) MUST_CHECK;
/* Append an event with this name (NULL: none) and one JSON message as data: line breaks in JSON
 * can only stand between tokens and become blanks. */
bool sse_event_write(struct buf *out, const char *name, const char *id,
                     struct span json) MUST_CHECK;
