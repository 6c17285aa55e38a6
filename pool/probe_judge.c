/* pool/probe_judge.c - what the result of a tool call says: a small reader of JSON members, since
 * only a few fields of one answer per life are looked at. */
#include "mcp/http_head.h"
#include "pool/probe.h"

#include <stdio.h>
#include <string.h>

#define LINES_MOST 3 /* of a text, in what is shown */

static const char *skip_blank(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r' || *at == ','))
        at++;
    return at;
}

/* Behind the string that starts at `at`, or NULL. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        if (*at == '\\')
            at++;
        else if (*at == '"')
            return at + 1;
    }
    return NULL;
}

/* Behind the value that starts at `at`, or NULL. */
static const char *skip_value(const char *at, const char *end)
{
    int depth = 0;
    for (; at && at < end; at++) {
        if (*at == '"') {
            at = skip_string(at, end);
            if (!at || depth == 0)
                return at;
            at--;
        } else if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            if (--depth <= 0)
                return depth < 0 ? at : at + 1;
        } else if (depth == 0 && (*at == ',' || *at == ' ' || *at == '\n' || *at == '\r')) {
            return at;
        }
    }
    return depth == 0 ? at : NULL;
}

/* The raw value of a member of the object, empty if there is none. */
static struct span member(struct span object, const char *name)
{
    const char *end = object.p + object.n;
    const char *at = skip_blank(object.p, end);
    if (at >= end || *at != '{')
        return (struct span){0};
    for (at = skip_blank(at + 1, end); at < end && *at == '"'; at = skip_blank(at, end)) {
        const char *key = at + 1;
        at = skip_string(at, end);
        if (!at)
            break;
        struct span found = {key, (size_t)(at - key - 1)};
        at = skip_blank(at, end);
        if (at >= end || *at != ':')
            break;
        const char *value = skip_blank(at + 1, end);
        at = skip_value(value, end);
        if (!at)
            break;
        if (span_is(found, name))
            return (struct span){value, (size_t)(at - value)};
    }
    return (struct span){0};
}

/* The first lines of a raw JSON string into text, joined by a blank: Serena gives the cause of a
 * failed language server in the third. */
static void first_lines(struct span string, char *text, size_t room)
{
    size_t n = 0;
    int lines = 0;
    text[0] = '\0';
    if (string.n < 2 || string.p[0] != '"')
        return;
    for (size_t i = 1; i + 1 < string.n && n + 2 < room; i++) {
        char c = string.p[i];
        if (c == '\\') {
            char escape = string.p[++i];
            if (escape == 'n' || escape == 'r') {
                if (n == 0 || text[n - 1] == ' ')
                    continue;
                if (++lines == LINES_MOST)
                    break;
                escape = 't';
            }
            if (escape == 'u') {
                i += 4;
                c = '?';
            } else {
                c = escape == 't' ? ' ' : escape;
            }
        }
        text[n++] = c;
    }
    while (n && text[n - 1] == ' ')
        n--;
    text[n] = '\0';
}

enum probe_outcome probe_judge(const char *message, size_t n, char *text, size_t room)
{
    struct span all = {message, n};
    struct span result = member(all, "result");
    text[0] = '\0';
    if (!result.n) {
        struct span error = member(all, "error");
        first_lines(member(error, "message"), text, room);
        if (!text[0])
            snprintf(text, room, "an answer without result");
        return PROBE_REFUSED;
    }
    struct span content = member(result, "content");
    if (content.n > 1 && content.p[0] == '[') {
        const char *first = skip_blank(content.p + 1, content.p + content.n);
        struct span item = {first, (size_t)(content.p + content.n - first)};
        first_lines(member(item, "text"), text, room);
    }
    bool is_error = span_is(member(result, "isError"), "true");
    if (is_error || strncmp(text, "Error", 5) == 0) {
        if (!text[0])
            snprintf(text, room, "the tool reported an error without a text");
        return PROBE_TOOL_FAILED;
    }
    text[0] = '\0';
    return PROBE_OK;
}
