/* mcp/cut.h - a message of which only the start and the end are there, because it is too long to be
 * kept: whose answer was it? */
#pragma once
#include "mcp/http_head.h"

/* The id (raw JSON) of the response whose first and last bytes these are. False: it is none, or its
 * id is in neither part. */
bool cut_answer_id(struct span start, struct span end, struct span *id) MUST_CHECK;
