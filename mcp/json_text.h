/* mcp/json_text.h - JSON strings as the text they stand for. raw is what stands between the quotes,
 * with its escapes. */
#pragma once
#include "base/buf.h"
#include "mcp/http_head.h"

/* Append the text, escapes resolved, as UTF-8; half of a surrogate pair becomes U+FFFD. False on an
 * escape that is none, or past the cap. */
bool json_text_write(struct buf *out, struct span raw) MUST_CHECK;
/* Is it the same text? Of two raw ones, and of a raw one and bytes as they are. */
bool json_text_same(struct span raw, struct span other_raw);
bool json_text_equals(struct span raw, struct span text);
