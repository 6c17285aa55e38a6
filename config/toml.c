/* config/toml.c - see toml.h. A recursive descent over the text; every step says whether it fits.
 */
#include "config/toml.h"

#include "base/buf.h"
#include "base/caps.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 32 /* arrays and inline tables inside each other */

struct toml {
    const char *p, *end;
    const char *why; /* of the first mistake */
    int depth;
};

static bool mistake(struct toml *t, const char *why)
{
    if (!t->why)
        t->why = why;
    return false;
}

static char at(const struct toml *t)
{
    return t->p < t->end ? *t->p : '\0';
}

static bool starts(const struct toml *t, const char *with)
{
    size_t n = strlen(with);
    return (size_t)(t->end - t->p) >= n && memcmp(t->p, with, n) == 0;
}

static void skip_blanks(struct toml *t)
{
    while (at(t) == ' ' || at(t) == '\t')
        t->p++;
}

static void skip_comment(struct toml *t)
{
    if (at(t) == '#')
        while (t->p < t->end && *t->p != '\n')
            t->p++;
}

/* Blanks, line ends and comments: between statements and inside arrays. */
static void skip_space(struct toml *t)
{
    for (;;) {
        skip_blanks(t);
        skip_comment(t);
        if (at(t) != '\n' && at(t) != '\r')
            return;
        t->p++;
    }
}

/* --- strings and keys --- */

static bool add_codepoint(struct buf *out, unsigned long c)
{
    char utf8[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return false;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6)
        utf8[i] = (char)(0x80 | (c & 0x3f));
    utf8[0] = (char)(lead[n] | c);
    return buf_add(out, utf8, n);
}

/* \uXXXX and \UXXXXXXXX; the scan stands behind the letter. */
static bool take_codepoint(struct toml *t, int digits, struct buf *out)
{
    char hex[9] = "", *end;
    if (t->end - t->p < digits)
        return mistake(t, "a \\u escape is cut");
    memcpy(hex, t->p, (size_t)digits);
    unsigned long c = strtoul(hex, &end, 16);
    t->p += digits;
    return (*end == '\0' && hex[0] != '-' && hex[0] != '+' && add_codepoint(out, c)) ||
           mistake(t, "a \\u escape names no character");
}

static bool take_escape(struct toml *t, bool is_multi, struct buf *out)
{
    static const char letters[] = "btnfre\"\\", bytes[] = "\b\t\n\f\r\x1b\"\\";
    char c = at(t);
    const char *found = c ? strchr(letters, c) : NULL;
    t->p += t->p < t->end;
    if (found)
        return buf_add(out, &bytes[found - letters], 1);
    if (c == 'u' || c == 'U')
        return take_codepoint(t, c == 'u' ? 4 : 8, out);
    if (is_multi && (c == '\n' || c == '\r' || c == ' ' || c == '\t')) { /* the line goes on */
        t->p--;
        while (t->p < t->end && strchr(" \t\r\n", *t->p))
            t->p++;
        return true;
    }
    return mistake(t, "an escape in a string is not known");
}

static bool take_string(struct toml *t, struct buf *out)
{
    char quote = at(t);
    char triple[4] = {quote, quote, quote, '\0'};
    bool is_multi = starts(t, triple);
    t->p += is_multi ? 3 : 1;
    if (is_multi && at(t) == '\r')
        t->p++;
    if (is_multi && at(t) == '\n')
        t->p++;
    while (t->p < t->end) {
        char c = *t->p;
        if (is_multi ? starts(t, triple) : c == quote) {
            t->p += is_multi ? 3 : 1;
            for (int more = 0; is_multi && more < 2 && at(t) == quote; more++, t->p++)
                if (!buf_add(out, &quote, 1)) /* up to two quotes may stand before the end */
                    return mistake(t, "a string is too long");
            return true;
        }
        if (c == '\n' && !is_multi)
            break;
        t->p++;
        if (c == '\\' && quote == '"') {
            if (!take_escape(t, is_multi, out))
                return mistake(t, "a string is too long");
        } else if (!buf_add(out, &c, 1)) {
            return mistake(t, "a string is too long");
        }
    }
    return mistake(t, "a string has no end");
}

static bool is_bare(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/* One part of a key: new string, or NULL. */
static char *take_key(struct toml *t)
{
    struct buf out = BUF_INIT(CAP_CONFIG);
    bool ok = true;
    skip_blanks(t);
    if (at(t) == '"' || at(t) == '\'') {
        ok = take_string(t, &out);
    } else {
        const char *start = t->p;
        while (is_bare(at(t)))
            t->p++;
        ok = (t->p > start && buf_add(&out, start, (size_t)(t->p - start))) ||
             mistake(t, "expected a key");
    }
    ok = ok && buf_add(&out, "", 1);
    skip_blanks(t);
    if (ok)
        return buf_take(&out);
    buf_release(&out);
    return NULL;
}

/* The table of this name inside table, made if it is not there; of an array its last. */
static json_t *table_in(struct toml *t, json_t *table, const char *name)
{
    json_t *found = json_object_get(table, name);
    if (!found) {
        found = json_object();
        if (json_object_set_new(table, name, found) != 0)
            found = NULL; /* not UTF-8 */
    }
    if (json_is_array(found) && json_array_size(found))
        found = json_array_get(found, json_array_size(found) - 1);
    if (!json_is_object(found)) {
        mistake(t, "a key is used as a table and as a value");
        return NULL;
    }
    return found;
}

/* A dotted key: walks to the table of its last part. *last is new. */
static json_t *take_path(struct toml *t, json_t *table, char **last)
{
    char *key = take_key(t);
    while (key && table && at(t) == '.') {
        t->p++;
        table = table_in(t, table, key);
        free(key);
        key = table ? take_key(t) : NULL;
    }
    *last = key;
    return key ? table : NULL;
}

/* --- values --- */

static json_t *take_value(struct toml *t);

static bool take_pair(struct toml *t, json_t *table)
{
    char *key;
    json_t *in = take_path(t, table, &key), *value = NULL;
    bool ok = in && (at(t) == '=' || mistake(t, "expected ="));
    if (ok) {
        t->p++;
        value = take_value(t);
        ok = value != NULL;
    }
    if (ok && json_object_get(in, key))
        ok = mistake(t, "a key stands twice");
    if (ok && json_object_set(in, key, value) != 0)
        ok = mistake(t, "a key is not UTF-8");
    json_decref(value);
    free(key);
    return ok;
}

/* The scan stands behind the opening bracket. */
static bool take_items(struct toml *t, json_t *array)
{
    for (;;) {
        skip_space(t);
        if (at(t) == ']') {
            t->p++;
            return true;
        }
        json_t *value = take_value(t);
        if (!value)
            return false;
        json_array_append_new(array, value);
        skip_space(t);
        if (at(t) == ',')
            t->p++;
        else if (at(t) != ']')
            return mistake(t, "an array has no end");
    }
}

static bool take_members(struct toml *t, json_t *table)
{
    for (bool is_first = true;; is_first = false) {
        skip_space(t);
        if (at(t) == '}') {
            t->p++;
            return true;
        }
        if (!is_first) {
            if (at(t) != ',')
                return mistake(t, "an inline table has no end");
            t->p++;
            skip_space(t);
        }
        if (!take_pair(t, table))
            return false;
    }
}

static json_t *take_nested(struct toml *t)
{
    bool is_array = at(t) == '[';
    if (t->depth >= DEPTH_MAX) {
        mistake(t, "values are nested too deep");
        return NULL;
    }
    json_t *out = is_array ? json_array() : json_object();
    t->p++;
    t->depth++;
    bool ok = is_array ? take_items(t, out) : take_members(t, out);
    t->depth--;
    if (!ok) {
        json_decref(out);
        out = NULL;
    }
    return out;
}

/* true, false, a number, a date: what stands there up to the next delimiter. */
static json_t *take_word(struct toml *t)
{
    const char *start = t->p;
    while (t->p < t->end && !strchr(" \t\r\n,]}#", *t->p))
        t->p++;
    char *word = xstrndup(start, (size_t)(t->p - start)), *end;
    errno = 0;
    long long number = strtoll(word, &end, 10);
    json_t *out = strcmp(word, "true") == 0    ? json_true()
                  : strcmp(word, "false") == 0 ? json_false()
                  : *word && !*end && !errno   ? json_integer(number)
                  : *word                      ? json_string(word)
                                               : NULL;
    free(word);
    if (!out)
        mistake(t, "expected a value");
    return out;
}

static json_t *take_value(struct toml *t)
{
    json_t *out;
    skip_blanks(t);
    char c = at(t);
    if (c == '"' || c == '\'') {
        struct buf text = BUF_INIT(CAP_CONFIG);
        out = take_string(t, &text) ? json_stringn(text.data ? text.data : "", text.len) : NULL;
        if (!out)
            mistake(t, "a string is not UTF-8");
        buf_release(&text);
    } else {
        out = c == '[' || c == '{' ? take_nested(t) : take_word(t);
    }
    skip_blanks(t);
    return out;
}

/* --- the document --- */

/* [a.b] or [[a.b]]: the table that the following pairs go to. */
static json_t *take_header(struct toml *t, json_t *root)
{
    bool is_array = starts(t, "[[");
    char *key;
    t->p += is_array ? 2 : 1;
    json_t *in = take_path(t, root, &key), *table = NULL;
    if (in && !starts(t, is_array ? "]]" : "]"))
        mistake(t, "a table's name has no end");
    else if (in && is_array) {
        json_t *array = json_object_get(in, key);
        if (!array)
            json_object_set_new(in, key, array = json_array());
        table = json_object();
        if (json_array_append_new(array, table) != 0) {
            mistake(t, "a key is used as an array of tables and as something else");
            table = NULL;
        }
    } else if (in) {
        table = table_in(t, in, key);
    }
    if (table)
        t->p += is_array ? 2 : 1;
    free(key);
    return table;
}

static bool take_document(struct toml *t, json_t *root)
{
    json_t *table = root;
    for (skip_space(t); t->p < t->end; skip_space(t)) {
        if (at(t) == '[')
            table = take_header(t, root);
        else if (!take_pair(t, table))
            return false;
        if (!table)
            return false;
        skip_blanks(t);
        skip_comment(t);
        if (t->p < t->end && at(t) != '\n' && at(t) != '\r')
            return mistake(t, "expected the end of the line");
    }
    return true;
}

json_t *toml_parse(const char *file, const char *text, size_t n, struct err *err)
{
    struct toml t = {.p = n ? text : "", .end = (n ? text : "") + n};
    if (starts(&t, "\xef\xbb\xbf"))
        t.p += 3;
    json_t *root = json_object();
    if (take_document(&t, root))
        return root;
    int line = 1;
    const char *stop = t.p < t.end ? t.p : t.end;
    for (const char *p = text; p < stop; p++)
        line += *p == '\n';
    err_set(err, ERR_CONFIG, 0, "%s:%d: %s", file, line, t.why ? t.why : "not understood");
    json_decref(root);
    return NULL;
}
