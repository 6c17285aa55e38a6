/* keeper/lines_out.c - see lines_out.h. */
#include "keeper/lines_out.h"

#include "base/caps.h"

#include <string.h>

void lines_out_init(struct lines_out *lines)
{
    *lines = (struct lines_out){
        .frames = BUF_INIT(WIRE_WINDOW + CAP_KEEPER_FRAME + sizeof(struct wire_header)),
        .partial = BUF_INIT(CAP_KEEPER_FRAME),
    };
}

void lines_out_finish(struct lines_out *lines)
{
    buf_release(&lines->frames);
    buf_release(&lines->partial);
}

bool lines_out_have_room(const struct lines_out *lines)
{
    /* What is being put together counts too, but alone it may grow to a whole frame. */
    return lines->frames.len == 0 || lines->frames.len + lines->partial.len < WIRE_WINDOW;
}

static void keep_end(struct lines_out *lines, const char *bytes, size_t n)
{
    char *end = lines->cut + WIRE_CUT + 1;
    if (n >= WIRE_CUT) {
        memcpy(end, bytes + n - WIRE_CUT, WIRE_CUT);
    } else if (n) {
        memmove(end, end + n, WIRE_CUT - n);
        memcpy(end + WIRE_CUT - n, bytes, n);
    }
}

/* The line is too long, with these bytes more: whose answer it was stands at its start or end. */
static void begin_skipping(struct lines_out *lines, const char *bytes)
{
    size_t had = lines->partial.len < WIRE_CUT ? lines->partial.len : WIRE_CUT;
    if (had)
        memcpy(lines->cut, lines->partial.data, had);
    memcpy(lines->cut + had, bytes, WIRE_CUT - had);
    lines->cut[WIRE_CUT] = '\n';
    keep_end(lines, lines->partial.data, lines->partial.len);
    buf_release(&lines->partial);
    lines->is_skipping = true;
}

static void put_line(struct lines_out *lines, const char *line, size_t n)
{
    if (wire_put(&lines->frames, WIRE_LINE, lines->sent + 1, line, n))
        lines->sent++;
    else
        lines->lost++;
}

static void end_line(struct lines_out *lines)
{
    if (lines->is_skipping) {
        put_line(lines, lines->cut, sizeof lines->cut);
        lines->lost++;
    } else if (lines->partial.len) {
        put_line(lines, lines->partial.data, lines->partial.len);
    }
    lines->is_skipping = false;
    if (lines->partial.room > 64 * 1024)
        buf_release(&lines->partial);
    else
        buf_consume(&lines->partial, lines->partial.len);
}

void lines_out_add(struct lines_out *lines, const char *bytes, size_t n)
{
    while (n) {
        const char *end = memchr(bytes, '\n', n);
        size_t piece = end ? (size_t)(end - bytes) : n;
        if (!lines->is_skipping && !buf_add(&lines->partial, bytes, piece))
            begin_skipping(lines, bytes);
        if (lines->is_skipping)
            keep_end(lines, bytes, piece);
        if (end)
            end_line(lines);
        bytes += piece + (end != NULL);
        n -= piece + (end != NULL);
    }
}

void lines_out_end(struct lines_out *lines)
{
    end_line(lines);
}

const char *lines_out_next(struct lines_out *lines, size_t *n)
{
    if (lines->handed >= lines->frames.len)
        return NULL;
    const char *frame = lines->frames.data + lines->handed;
    struct wire_header header;
    memcpy(&header, frame, sizeof header);
    *n = sizeof header + header.length;
    lines->handed += *n;
    return frame;
}

void lines_out_rewind(struct lines_out *lines)
{
    lines->handed = 0;
}

void lines_out_ack(struct lines_out *lines, uint64_t sequence)
{
    while (lines->frames.len) {
        struct wire_header header;
        memcpy(&header, lines->frames.data, sizeof header);
        if (header.sequence > sequence)
            break;
        size_t n = sizeof header + header.length;
        lines->acked = header.sequence;
        lines->handed -= lines->handed < n ? lines->handed : n;
        buf_consume(&lines->frames, n);
    }
    if (!lines->frames.len && lines->frames.room > 64 * 1024)
        buf_release(&lines->frames);
}
