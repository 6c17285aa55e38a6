/* mcp/tool_result.c - see tool_result.h. */
#include "mcp/tool_result.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LINES_MOST 3 /* Serena gives the cause of a failed language server in the third */

/* The first lines of said into text, joined by blanks. */
static void first_lines(const char *said, char *text, size_t room)
{
    size_t n = 0;
    int lines = 0;
    for (; said && *said && n + 1 < room; said++) {
        bool is_break = *said == '\n' || *said == '\r';
        if (is_break && (n == 0 || text[n - 1] == ' '))
            continue;
        if (is_break && ++lines == LINES_MOST)
            break;
        text[n++] = is_break || *said == '\t' ? ' ' : *said;
    }
    while (n && text[n - 1] == ' ')
        n--;
    text[n] = '\0';
}

static enum tool_verdict judge(const json_t *root, char *text, size_t room)
{
    const json_t *result = json_object_get(root, "result");
    if (!result) {
        const json_t *error = json_object_get(root, "error");
        first_lines(json_string_value(json_object_get(error, "message")), text, room);
        if (!text[0])
            snprintf(text, room, "an answer without result");
        return TOOL_REFUSED;
    }
    const json_t *first = json_array_get(json_object_get(result, "content"), 0);
    first_lines(json_string_value(json_object_get(first, "text")), text, room);
    if (json_is_true(json_object_get(result, "isError")) || strncmp(text, "Error", 5) == 0) {
        if (!text[0])
            snprintf(text, room, "the tool reported an error without a text");
        return TOOL_FAILS;
    }
    text[0] = '\0';
    return TOOL_WORKS;
}

enum tool_verdict tool_result_judge(const char *message, size_t n, char *text, size_t room)
{
    text[0] = '\0';
    json_t *root = n ? json_loadb(message, n, 0, NULL) : NULL;
    enum tool_verdict verdict = judge(root, text, room);
    json_decref(root);
    return verdict;
}
