/* mcp/sse.c - see sse.h. */
#include "mcp/sse.h"

#include <string.h>

/* The line breaks of a run of bytes. Both kinds are looked for with memchr, which beats any loop
 * of ours; each position is found once, so the cost is two passes whatever the bytes are. */
struct breaks {
    const char *end;
    const char *lf, *cr; /* the next ones, end if there is none, NULL if not looked for yet */
};

static const char *next_byte(const char *known, char byte, const char *p, const char *end)
{
    if (known && known >= p)
        return known;
    const char *found = memchr(p, byte, (size_t)(end - p));
    return found ? found : end;
}

/* The first line break at or after p, or end. */
static const char *next_break(struct breaks *b, const char *p)
{
    b->lf = next_byte(b->lf, '\n', p, b->end);
    b->cr = next_byte(b->cr, '\r', p, b->end);
    return b->lf < b->cr ? b->lf : b->cr;
}

enum state {
    LINE_START,     /* zero */
    IN_LINE,
    AFTER_CR,       /* the line ended in CR: an LF here belongs to it */
    AFTER_BLANK_CR  /* the same for the blank line that ended an event */
};

static size_t split(struct sse_splitter *s, const char *bytes, size_t n, bool first_only)
{
    if (n == 0)
        return 0;
    const char *p = bytes, *end = bytes + n, *boundary = bytes;
    struct breaks breaks = {.end = end};
    while (p < end && !(first_only && boundary > bytes)) {
        if (s->state >= AFTER_CR && *p == '\n') {
            p++;
            if (s->state == AFTER_BLANK_CR)
                boundary = p;
            s->state = LINE_START;
            continue;
        }
        const char *eol = next_break(&breaks, p);
        if (eol == end) {
            s->state = IN_LINE;
            s->in_event = true;
            break;
        }
        bool is_blank = eol == p && s->state != IN_LINE;
        p = eol + 1;
        s->state = *eol == '\n' ? LINE_START : is_blank ? AFTER_BLANK_CR : AFTER_CR;
        if (s->state >= AFTER_CR && p < end && *p == '\n') {
            p++;
            s->state = LINE_START;
        }
        s->in_event = !is_blank;
        if (is_blank)
            boundary = p;
    }
    return (size_t)(boundary - bytes);
}

size_t sse_split(struct sse_splitter *s, const char *bytes, size_t n)
{
    return split(s, bytes, n, false);
}

size_t sse_first(struct sse_splitter *s, const char *bytes, size_t n)
{
    return split(s, bytes, n, true);
}

struct lines {
    const char *p;
    struct breaks breaks;
};

/* The lines of n bytes; bytes may be NULL when n is 0. */
static struct lines lines_of(const char *bytes, size_t n)
{
    const char *p = n ? bytes : "";
    return (struct lines){.p = p, .breaks = {.end = p + n}};
}

/* The next line without its break; false at the end. */
static bool next_line(struct lines *l, struct span *line)
{
    const char *end = l->breaks.end;
    if (l->p == end)
        return false;
    const char *eol = next_break(&l->breaks, l->p);
    *line = (struct span){l->p, (size_t)(eol - l->p)};
    l->p = eol == end ? end : eol + 1;
    if (eol < end && *eol == '\r' && l->p < end && *l->p == '\n')
        l->p++;
    return true;
}

/* Is the line this field? Then its value, without one blank behind the colon. */
static bool is_field(struct span line, const char *name, struct span *value)
{
    size_t n = strlen(name);
    if (line.n < n || memcmp(line.p, name, n) != 0 || (line.n > n && line.p[n] != ':'))
        return false;
    size_t skip = line.n == n ? n : line.n > n + 1 && line.p[n + 1] == ' ' ? n + 2 : n + 1;
    *value = (struct span){line.p + skip, line.n - skip};
    return true;
}

void sse_event_parse(const char *bytes, size_t n, struct sse_event *out)
{
    *out = (struct sse_event){0};
    struct lines lines = lines_of(bytes, n);
    struct span line, value;
    while (next_line(&lines, &line)) {
        if (is_field(line, "data", &value)) {
            if (out->data_lines++ == 0)
                out->data = value;
        } else if (is_field(line, "event", &value)) {
            out->name = value;
        } else if (is_field(line, "id", &value)) {
            out->is_numbered = true;
            if (!value.n || !memchr(value.p, '\0', value.n))
                out->id = value;
        } else if (is_field(line, "retry", &value)) {
            out->is_numbered = true;
            out->retry = value;
        }
    }
}

bool sse_event_data(const char *bytes, size_t n, struct buf *out)
{
    struct lines lines = lines_of(bytes, n);
    struct span line, value;
    size_t before = out->len;
    for (bool first = true; next_line(&lines, &line);) {
        if (!is_field(line, "data", &value))
            continue;
        if ((!first && !buf_add(out, "\n", 1)) || !buf_add(out, value.p, value.n)) {
            out->len = before;
            return false;
        }
        first = false;
    }
    return true;
}

static bool write_line(struct buf *out, const char *name, const char *value)
{
    return !value || buf_printf(out, "%s: %s\n", name, value);
}

bool sse_event_write(struct buf *out, const char *name, const char *id, struct span json)
{
    size_t before = out->len;
    bool ok = write_line(out, "event", name) && write_line(out, "id", id) &&
              buf_add_str(out, "data: ");
    struct lines lines = lines_of(json.p, json.n);
    struct span line;
    for (bool first = true; ok && next_line(&lines, &line); first = false)
        ok = (first || buf_add(out, " ", 1)) && buf_add(out, line.p, line.n);
    if (ok && buf_add_str(out, "\n\n"))
        return true;
    out->len = before;
    return false;
}
