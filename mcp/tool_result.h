/* mcp/tool_result.h - what the answer to a call of poold's own says. Uses a JSON tree: for the few
 * calls that poold makes itself (warm-up), never for a forwarded one. */
#pragma once
#include <stddef.h>

enum tool_verdict {
    TOOL_WORKS,
    TOOL_FAILS,  /* isError, or its text begins with "Error" as Serena's does */
    TOOL_REFUSED /* a JSON-RPC error, or no answer that can be read */
};

/* message is the whole JSON-RPC answer. text (room bytes, terminated) gets the first lines of what
 * was said when the verdict is not TOOL_WORKS, on one line; else "". */
enum tool_verdict tool_result_judge(const char *message, size_t n, char *text, size_t room);
