/* mcp/http_head.h - HTTP/1.x heads: a strict check of our own, then the parser library behind one
 * face; what they read must agree. Pure functions on bytes; nothing is allocated or copied.
 *
 * A client's head is never passed on: what is needed is read out of it and a new one is written.
 * The check refuses whatever two parsers could read differently (RFC 9112 sections 2.2, 3, 5, 6),
 * so that llhttp and http_parser behave alike here. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct span { /* borrowed bytes; p may be NULL when n is 0 */
    const char *p;
    size_t n;
};
/* Behind its last byte; NULL where p is, to which C does not add even 0. */
static inline const char *span_end(struct span s)
{
    return s.p ? s.p + s.n : NULL;
}

enum http_method {
    HTTP_GET_M,
    HTTP_POST_M,
    HTTP_PUT_M,
    HTTP_DELETE_M,
    HTTP_HEAD_M,
    HTTP_OPTIONS_M,
    HTTP_OTHER_M /* PATCH, TRACE; any other is refused */
};

struct http_header {
    struct span name, value; /* value without surrounding blanks */
};

/* A parsed head. Spans point into the bytes that were given to the parse function. */
struct http_head {
    /* requests */
    enum http_method method;
    struct span target;      /* as written, starts with '/' */
    struct span path, query; /* target split at the first '?' (query without it) */
    /* responses */
    int status;
    /* both */
    bool is_http10;
    bool is_chunked;
    bool has_length;
    int64_t length;          /* valid if has_length */
    bool keep_alive;         /* by version and Connection */
    size_t count;
    struct http_header headers[100]; /* CAP_HEADERS */
    size_t head_len;         /* bytes of the head with its blank line */
};

/* Length of the head with its final CRLFCRLF in the first n bytes, 0 if it is not complete yet. */
size_t http_head_length(const char *bytes, size_t n);

/* The strict check of a complete request head of exactly n bytes (rules: the reference list in
 * http_check.c). Err BAD_REQUEST names the rule that was broken. Used by http_request_parse. */
bool http_head_check(const char *head, size_t n, struct err *err) MUST_CHECK;

/* Parse a request head of exactly head_len bytes (check + parser library). Err BAD_REQUEST; *out
 * (3 KiB, not cleared first) is undefined then. */
bool http_request_parse(const char *head, size_t head_len, struct http_head *out,
                        struct err *err) MUST_CHECK;
/* Parse a response head of a daemon: tolerant where that is harmless, but the framing (lengths,
 * chunked) must be unambiguous. 1xx, 204 and 304 have no body: has_length with 0 whatever they
 * say. Neither length nor chunked: the body ends with the connection, and keep_alive is false.
 * 101 is refused. Err DAEMON_LOST; *out is undefined then. */
bool http_response_parse(const char *head, size_t head_len, struct http_head *out,
                         struct err *err) MUST_CHECK;

/* The first header of this name (case-insensitive), or an empty span with p NULL. */
struct span http_header(const struct http_head *head, const char *name);
bool span_is(struct span s, const char *text);          /* same bytes */
bool span_is_nocase(struct span s, const char *text);   /* same but for ASCII case */
/* Does a comma-separated header value contain this token (case-insensitive)? Parameters behind a
 * ';' are not looked at, and a star is no wildcard here. */
bool http_value_has(struct span value, const char *token);
/* First value of key in a query string, decoded (% and +) into out (room bytes with terminator);
 * false if the key is absent, the value does not fit, or the coding is broken. */
bool http_query_get(struct span query, const char *key, char *out, size_t room) MUST_CHECK;
/* %-decode a path or value; false on broken coding, NUL, or no room. */
bool http_decode(struct span from, bool plus_is_blank, char *out, size_t room) MUST_CHECK;
