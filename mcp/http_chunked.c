/* mcp/http_chunked.c - see http_chunked.h. */
#include "mcp/http_chunked.h"

#include "base/caps.h"

#define DIGITS_CAP 15    /* 60 bits: no size overflows */
#define EXTENSION_CAP 64 /* nobody uses them; a long one is an attempt at something */

enum state {
    SIZE,          /* zero: a stream starts with a size */
    EXTENSION,     /* behind ';' */
    SIZE_LF,       /* behind the CR of the size line */
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_START, /* at the start of a line behind the last chunk */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF,        /* behind the CR of the empty line */
    BROKEN
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_text(char c)
{
    unsigned char u = (unsigned char)c;
    return (u >= 0x20 && u != 0x7f) || u == '\t';
}

static int step_size(struct http_chunked *c, char byte)
{
    int digit = hex_digit(byte);
    if (digit >= 0) {
        c->left = c->left << 4 | (unsigned)digit;
        return ++c->line > DIGITS_CAP ? BROKEN : SIZE;
    }
    if (c->line == 0)
        return BROKEN;
    c->line = 0;
    return byte == ';' ? EXTENSION : byte == '\r' ? SIZE_LF : BROKEN;
}

static int step_trailer(struct http_chunked *c, char byte)
{
    if (++c->line > CAP_HEAD)
        return BROKEN;
    switch (c->state) {
    case TRAILER_START:
        return byte == '\r' ? END_LF : byte > ' ' && byte != ':' && is_text(byte) ? TRAILER_NAME
                                                                                  : BROKEN;
    case TRAILER_NAME:
        return byte == ':' ? TRAILER_VALUE : byte > ' ' && is_text(byte) ? TRAILER_NAME : BROKEN;
    case TRAILER_VALUE:
        return byte == '\r' ? TRAILER_LF : is_text(byte) ? TRAILER_VALUE : BROKEN;
    default:
        return byte == '\n' ? TRAILER_START : BROKEN;
    }
}

/* One byte of framing: the state behind it. */
static int step(struct http_chunked *c, char byte)
{
    switch (c->state) {
    case SIZE:
        return step_size(c, byte);
    case EXTENSION:
        if (byte == '\r')
            return SIZE_LF;
        return is_text(byte) && ++c->line < EXTENSION_CAP ? EXTENSION : BROKEN;
    case SIZE_LF:
        c->line = 0;
        return byte != '\n' ? BROKEN : c->left ? DATA : TRAILER_START;
    case DATA_CR:
        return byte == '\r' ? DATA_LF : BROKEN;
    case DATA_LF:
        return byte == '\n' ? SIZE : BROKEN;
    case END_LF:
        c->done = byte == '\n';
        return c->done ? END_LF : BROKEN;
    default:
        return step_trailer(c, byte);
    }
}

size_t http_chunked_next(struct http_chunked *c, const char *bytes, size_t n, const char **data,
                         size_t *data_len)
{
    *data = bytes;
    *data_len = 0;
    size_t used = 0;
    while (used < n && !c->done && c->state != BROKEN) {
        if (c->state == DATA) {
            size_t run = c->left < n - used ? (size_t)c->left : n - used;
            *data = bytes + used;
            *data_len = run;
            c->left -= run;
            if (c->left == 0)
                c->state = DATA_CR;
            return used + run;
        }
        c->state = step(c, bytes[used++]);
    }
    return c->state == BROKEN ? SIZE_MAX : used;
}
