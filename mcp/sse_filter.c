/* mcp/sse_filter.c - see sse_filter.h. */
#include "mcp/sse_filter.h"

#include <string.h>

static bool is_start_of(const struct sse_filter *f, const char *field)
{
    return f->name_n <= strlen(field) && memcmp(field, f->name, f->name_n) == 0;
}

static bool is_whole(const struct sse_filter *f, const char *field)
{
    return f->name_n == strlen(field) && memcmp(field, f->name, f->name_n) == 0;
}

/* The line's next byte, while its field is not known yet. True: it was used. */
static bool take_name(struct sse_filter *f, char byte, struct buf *out, bool *ok)
{
    if (byte == ':' || byte == '\n' || byte == '\r') {
        bool is_dropped = is_whole(f, "id") || is_whole(f, "retry");
        f->state = is_dropped ? SSE_FILTER_DROP : SSE_FILTER_PASS;
        *ok = is_dropped || buf_add(out, f->name, f->name_n);
        return false;
    }
    f->name[f->name_n++] = byte;
    if (!is_start_of(f, "id") && !is_start_of(f, "retry")) {
        f->state = SSE_FILTER_PASS;
        *ok = buf_add(out, f->name, f->name_n);
    }
    return true;
}

static const char *line_end(const char *p, const char *end)
{
    const char *lf = memchr(p, '\n', (size_t)(end - p));
    const char *stop = lf ? lf : end;
    const char *cr = memchr(p, '\r', (size_t)(stop - p));
    return cr ? cr : stop;
}

bool sse_filter(struct sse_filter *f, const char *bytes, size_t n, struct buf *out)
{
    const char *p = bytes, *end = bytes + n;
    bool ok = true;
    while (ok && p < end) {
        if (f->is_after_cr) {
            f->is_after_cr = false;
            if (*p == '\n' && f->state == SSE_FILTER_PASS)
                ok = buf_add(out, p, 1);
            p += *p == '\n';
            f->state = SSE_FILTER_NAME;
            f->name_n = 0;
            continue;
        }
        if (f->state == SSE_FILTER_NAME) {
            p += take_name(f, *p, out, &ok);
            continue;
        }
        const char *eol = line_end(p, end), *next = eol < end ? eol + 1 : end;
        if (f->state == SSE_FILTER_PASS)
            ok = buf_add(out, p, (size_t)(next - p));
        f->is_after_cr = eol < end && *eol == '\r';
        if (eol < end && *eol == '\n') {
            f->state = SSE_FILTER_NAME;
            f->name_n = 0;
        }
        p = next;
    }
    return ok;
}
