/* mcp/http_library.h - the HTTP parser library (llhttp or http_parser) behind one face (private
 * to mcp/). Give it only heads that http_check.h has passed: then both libraries read the same. */
#pragma once
#include "mcp/http_check.h"

/* Name of the library that was built in, for version texts and tests. */
const char *http_library_name(void);

/* Read a complete head of exactly n bytes: fills out's target, status, headers and count (spans
 * into head) and *frame as the library saw it (method, status, length, chunked, version). False
 * when the library refuses it, or does not end where the head does; out and frame are then
 * undefined. */
bool http_library_read(bool is_request, const char *head, size_t n, struct http_head *out,
                       struct http_frame *frame) MUST_CHECK;
