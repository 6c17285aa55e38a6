/* config/jsonc.c - see jsonc.h. */
#include "config/jsonc.h"

#include "base/str.h"

#include <string.h>

static int line_at(const char *text, size_t at)
{
    int line = 1;
    for (size_t i = 0; i < at; i++)
        line += text[i] == '\n';
    return line;
}

/* Position after the string that begins at text[at]; n if it does not end. */
static size_t string_end(const char *text, size_t n, size_t at)
{
    for (at++; at < n && text[at] != '"'; at++)
        if (text[at] == '\\')
            at++;
    return at < n ? at + 1 : n;
}

static void blank(char *text, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (text[i] != '\n' && text[i] != '\r')
            text[i] = ' ';
}

static bool comments_blank(const char *file, char *text, size_t n, struct err *err)
{
    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        blank(text, 0, 3);
    for (size_t i = 0; i < n;) {
        if (text[i] == '"') {
            i = string_end(text, n, i);
        } else if (i + 1 < n && text[i] == '/' && text[i + 1] == '/') {
            const char *end = memchr(text + i, '\n', n - i);
            size_t to = end ? (size_t)(end - text) : n;
            blank(text, i, to);
            i = to;
        } else if (i + 1 < n && text[i] == '/' && text[i + 1] == '*') {
            const char *end = i + 2 < n ? memmem(text + i + 2, n - i - 2, "*/", 2) : NULL;
            if (!end)
                return err_set(err, ERR_CONFIG, 0, "%s:%d: this comment has no end */", file,
                               line_at(text, i));
            size_t to = (size_t)(end - text) + 2;
            blank(text, i, to);
            i = to;
        } else {
            i++;
        }
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The comma before the bracket that ends text[0..at), if that is what is wrong there. */
static bool comma_is_trailing(const char *text, size_t at, size_t *comma)
{
    if (at == 0 || (text[at - 1] != '}' && text[at - 1] != ']'))
        return false;
    size_t i = at - 1;
    while (i > 0 && is_blank(text[i - 1]))
        i--;
    *comma = i - 1;
    return i > 0 && text[i - 1] == ',';
}

/* What jansson's sentence says it stood near: "x" of "... near '"x"'"; *length 0 if it does not. */
static const char *near_of(const char *sentence, int *length)
{
    const char *found = strstr(sentence, " near '");
    *length = 0;
    if (!found || !str_ends(sentence, "'"))
        return "";
    found += strlen(" near '");
    *length = (int)strlen(found) - 1;
    return found;
}

/* A slip that people make, in words that help; false if it is none of them. */
static bool usual_slip(const json_error_t *e, const char *where, struct err *err)
{
    int length;
    const char *token = near_of(e->text, &length);
    switch (json_error_code(e)) {
    case json_error_duplicate_key:
        err_set(err, ERR_CONFIG, 0, "%s: the key %.*s stands here for the second time", where,
                length, token);
        return true;
    case json_error_premature_end_of_input:
        err_set(err, ERR_CONFIG, 0, "%s: expected %s, found the end of the file", where,
                strchr(e->text, ']') ? "a comma or ]" : "a comma or }");
        return true;
    case json_error_end_of_input_expected:
        err_set(err, ERR_CONFIG, 0, "%s: expected nothing more behind the last }, found %.*s",
                where, length, token);
        return true;
    case json_error_invalid_utf8:
        err_set(err, ERR_CONFIG, 0, "%s: this is not UTF-8 text", where);
        return true;
    case json_error_null_character:
        err_set(err, ERR_CONFIG, 0, "%s: a NUL character (\\u0000) cannot be used here", where);
        return true;
    default:
        break;
    }
    if (!length)
        return false;
    if (str_starts(e->text, "'}' expected") || str_starts(e->text, "']' expected"))
        err_set(err, ERR_CONFIG, 0, "%s: expected a comma or %c before %.*s", where, e->text[1],
                length, token);
    else if (str_starts(e->text, "string or '}' expected"))
        err_set(err, ERR_CONFIG, 0, "%s: expected a key in double quotes%s, found %.*s", where,
                *token == '#' || *token == '/' ? " (comments begin with //)" : "", length,
                token);
    else if (str_starts(e->text, "'[' or '{' expected"))
        err_set(err, ERR_CONFIG, 0, "%s: expected an object { ... }, found %.*s", where, length,
                token);
    else if (str_starts(e->text, "':' expected"))
        err_set(err, ERR_CONFIG, 0, "%s: expected : before %.*s", where, length, token);
    else if (str_starts(e->text, "unexpected newline"))
        err_set(err, ERR_CONFIG, 0, "%s: this text has no closing quote: %.*s", where, length,
                token);
    else
        return false;
    return true;
}

/* jansson's error, in better words where there are some. */
static void syntax_error(const char *file, const char *text, size_t n, const json_error_t *e,
                         struct err *err)
{
    size_t comma, start = 0;
    size_t at = e->position < 0 ? 0 : (size_t)e->position > n ? n : (size_t)e->position;
    char *where = xasprintf("%s:%d", file, e->line > 0 ? e->line : 1);
    while (start < n && is_blank(text[start]))
        start++;
    if (start == n)
        err_set(err, ERR_CONFIG, 0, "%s:1: expected an object { ... }, found an empty file",
                file);
    else if (comma_is_trailing(text, at, &comma))
        err_set(err, ERR_CONFIG, 0, "%s:%d: the comma before %c is one too many", file,
                line_at(text, comma), text[at - 1]);
    else if (!usual_slip(e, where, err))
        err_set(err, ERR_CONFIG, 0, "%s: not JSON: %s", where, e->text);
    free(where);
}

json_t *jsonc_parse(const char *file, char *text, size_t n, struct err *err)
{
    json_error_t e;
    if (!comments_blank(file, text, n, err))
        return NULL;
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &e);
    if (!root)
        syntax_error(file, text, n, &e, err);
    return root;
}

/* --- finding a line: the text is known to be valid JSON --- */

struct scan {
    const char *text;
    size_t n, at;
};

static char scan_next(struct scan *s)
{
    while (s->at < s->n && is_blank(s->text[s->at]))
        s->at++;
    return s->at < s->n ? s->text[s->at] : '\0';
}

/* Behind the value that begins here. */
static void scan_skip(struct scan *s)
{
    int depth = 0;
    do {
        char c = scan_next(s);
        if (!c)
            return;
        if (c == '"') {
            s->at = string_end(s->text, s->n, s->at);
            continue;
        }
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        s->at++;
        if (!strchr("{}[],:", c))
            while (s->at < s->n && !is_blank(s->text[s->at]) &&
                   !strchr("{}[],:\"", s->text[s->at]))
                s->at++;
    } while (depth > 0);
}

/* Onto the value of a key of the object that begins here; *line is the key's. */
static bool scan_key(struct scan *s, const char *name, int *line)
{
    if (scan_next(s) != '{')
        return false;
    s->at++;
    while (scan_next(s) == '"') {
        size_t from = s->at + 1;
        s->at = string_end(s->text, s->n, s->at);
        size_t length = s->at - from - 1;
        bool is_it = length == strlen(name) && memcmp(s->text + from, name, length) == 0;
        if (scan_next(s) != ':')
            return false;
        s->at++;
        if (is_it) {
            *line = line_at(s->text, from);
            return true;
        }
        scan_skip(s);
        if (scan_next(s) == ',')
            s->at++;
    }
    return false;
}

/* Onto an element of the array that begins here. */
static bool scan_element(struct scan *s, size_t index, int *line)
{
    if (scan_next(s) != '[')
        return false;
    s->at++;
    for (; index > 0; index--) {
        scan_skip(s);
        if (scan_next(s) != ',')
            return false;
        s->at++;
    }
    scan_next(s);
    *line = line_at(s->text, s->at);
    return true;
}

int jsonc_line(const char *text, size_t n, const struct jsonc_step *steps, size_t count)
{
    struct scan s = {.text = text, .n = n};
    int line = 1;
    scan_next(&s);
    for (size_t i = 0; i < count; i++)
        if (steps[i].name ? !scan_key(&s, steps[i].name, &line)
                          : !scan_element(&s, steps[i].index, &line))
            break;
    return line;
}
