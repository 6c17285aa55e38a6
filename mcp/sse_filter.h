/* mcp/sse_filter.h - bytes of server-sent events without their id and retry fields, however the
 * bytes are cut: what one server numbered is numbered anew by whoever passes it on. */
#pragma once
#include "base/buf.h"

struct sse_filter { /* zero to start, at the start of an event */
    enum { SSE_FILTER_NAME, SSE_FILTER_PASS, SSE_FILTER_DROP } state;
    bool is_after_cr; /* a line has ended in CR: an LF here belongs to it */
    char name[6];     /* start of a line that may be one of these fields */
    size_t name_n;
};

/* Append to out what goes on of the n bytes; false past its cap. Up to 5 bytes of an undecided line
 * stay behind; none does at the end of an event. */
bool sse_filter(struct sse_filter *f, const char *bytes, size_t n, struct buf *out) MUST_CHECK;
