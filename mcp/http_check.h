/* mcp/http_check.h - the strict look at a raw HTTP/1.x head, before and beside the parser library
 * (private to mcp/). It finds out the framing by itself, so that http_head.c can compare. */
#pragma once
#include "mcp/http_head.h"

/* How a message is framed, as one reader of its head sees it. */
struct http_frame {
    enum http_method method; /* requests */
    int status;              /* answers */
    bool is_http10;
    bool is_chunked;
    bool has_length;
    int64_t length; /* valid if has_length */
    bool says_close, says_keep_alive; /* tokens of Connection */
    size_t count;   /* header fields */
};

/* Check a complete request head of exactly n bytes. Err BAD_REQUEST names the broken rule. */
bool http_check_request(const char *head, size_t n, struct http_frame *frame,
                        struct err *err) MUST_CHECK;
/* Check a daemon's answer in the same way: its lines and framing, but not Host, Upgrade or the
 * case of "chunked". Err DAEMON_LOST names the broken rule. */
bool http_check_response(const char *head, size_t n, struct http_frame *frame,
                         struct err *err) MUST_CHECK;
