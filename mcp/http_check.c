/* mcp/http_check.c - one pass over a raw head that refuses what two parsers could read differently:
 *
 *  - every line ends in CRLF and holds no other CR, LF, NUL or control byte but tab;
 *  - a name is token characters followed at once by the colon; so no line begins with a blank
 *    (which would continue the line before, RFC 9112 section 5.2);
 *  - the version is exactly HTTP/1.1 or HTTP/1.0;
 *  - one space on each side of the target, which begins with '/' and is printable ASCII without
 *    '#'; the method is one that both parser libraries know;
 *  - exactly one Host in HTTP/1.1, at most one in 1.0;
 *  - at most one Content-Length: 1 to 15 digits, no leading zero but in "0";
 *  - at most one Transfer-Encoding, exactly "chunked", only in HTTP/1.1, never with a length;
 *  - no blank behind the value of either (the libraries differ about a tab there), and no longer
 *    name that begins with "Transfer-Encoding" (they differ about that too);
 *  - no Upgrade and no CONNECT;
 *  - at most CAP_HEAD bytes and CAP_HEADERS fields. */
#include "mcp/http_check.h"

#include "base/caps.h"

#include <string.h>
#include <strings.h>

struct walk {
    const char *p, *end; /* what is left of the head; it ends in CRLFCRLF */
    bool is_request;
    size_t hosts;
    struct http_frame *frame;
    struct err *err;
};

static bool refuse(const struct walk *w, const char *rule)
{
    if (w->is_request)
        return err_set(w->err, ERR_BAD_REQUEST, 0, "malformed request: %s", rule);
    return err_set(w->err, ERR_DAEMON_LOST, 0, "malformed answer of the daemon: %s", rule);
}

/* Token characters (RFC 9110 section 5.6.2). */
static const bool is_token[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1,
    ['-'] = 1, ['.'] = 1, ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1,  ['~'] = 1, ['0'] = 1,
    ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1,  ['7'] = 1, ['8'] = 1,
    ['9'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1,  ['F'] = 1, ['G'] = 1,
    ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1, ['M'] = 1,  ['N'] = 1, ['O'] = 1,
    ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1,  ['V'] = 1, ['W'] = 1,
    ['X'] = 1, ['Y'] = 1, ['Z'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1,  ['d'] = 1, ['e'] = 1,
    ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1,  ['l'] = 1, ['m'] = 1,
    ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1,  ['t'] = 1, ['u'] = 1,
    ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
};

static bool is_control(char c)
{
    unsigned char u = (unsigned char)c;
    return (u < 0x20 && u != '\t') || u == 0x7f;
}

/* The first control byte but tab. Eight bytes at a time, since most of a head is values. */
static const char *control_find(const char *p, const char *end)
{
    const uint64_t ones = 0x0101010101010101u, highs = ones * 0x80;
    for (; end - p >= 8; p += 8) {
        uint64_t w;
        memcpy(&w, p, sizeof w);
        uint64_t del = w ^ ones * 0x7f;
        uint64_t below = (w - ones * 0x20) & ~w; /* high bit: some byte < 0x20 */
        uint64_t equal = (del - ones) & ~del;    /* high bit: some byte == 0x7f */
        if ((below | equal) & highs)
            break;
    }
    while (p < end && !is_control(*p))
        p++;
    return p;
}

/* Step over a CRLF that must stand here. */
static bool take_crlf(struct walk *w)
{
    if (w->end - w->p < 2 || w->p[0] != '\r' || w->p[1] != '\n')
        return refuse(w, "a line has a control byte, or does not end in CRLF");
    w->p += 2;
    return true;
}

static bool take_version(struct walk *w)
{
    if (w->end - w->p < 8 || memcmp(w->p, "HTTP/1.", 7) != 0 || (w->p[7] != '1' && w->p[7] != '0'))
        return refuse(w, "the version is not HTTP/1.1 or HTTP/1.0");
    w->frame->is_http10 = w->p[7] == '0';
    w->p += 8;
    return true;
}

static bool take_method(struct walk *w)
{
    static const struct {
        char text[9]; /* with the space behind it */
        enum http_method method;
    } known[] = {
        {"POST ", HTTP_POST_M},      {"GET ", HTTP_GET_M},   {"DELETE ", HTTP_DELETE_M},
        {"PUT ", HTTP_PUT_M},        {"HEAD ", HTTP_HEAD_M}, {"OPTIONS ", HTTP_OPTIONS_M},
        {"PATCH ", HTTP_OTHER_M},    {"TRACE ", HTTP_OTHER_M},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t n = strlen(known[i].text);
        if ((size_t)(w->end - w->p) > n && memcmp(w->p, known[i].text, n) == 0) {
            w->frame->method = known[i].method;
            w->p += n;
            return true;
        }
    }
    return refuse(w, "the method is not known, or no single space follows it");
}

static bool take_request_line(struct walk *w)
{
    if (!take_method(w))
        return false;
    if (*w->p != '/')
        return refuse(w, "the target does not begin with '/'");
    while (w->p < w->end && *w->p > 0x20 && *w->p < 0x7f && *w->p != '#')
        w->p++;
    if (*w->p != ' ')
        return refuse(w, "the target has a byte that must be coded, or no version follows it");
    w->p++;
    return take_version(w) && take_crlf(w);
}

static bool take_status_line(struct walk *w)
{
    if (!take_version(w))
        return false;
    const char *s = w->p;
    if (w->end - s < 5 || s[0] != ' ' || s[1] < '1' || s[1] > '5' || s[2] < '0' || s[2] > '9' ||
        s[3] < '0' || s[3] > '9' || (s[4] != ' ' && s[4] != '\r'))
        return refuse(w, "the status is not a number from 100 to 599");
    w->frame->status = (s[1] - '0') * 100 + (s[2] - '0') * 10 + (s[3] - '0');
    if (w->frame->status == 101)
        return refuse(w, "it switches protocols, which nobody asked for");
    w->p = control_find(s + 4, w->end);
    return take_crlf(w);
}

static bool note_length(struct walk *w, struct span value)
{
    if (w->frame->has_length)
        return refuse(w, "two Content-Length");
    int64_t length = 0;
    size_t digits = 0;
    for (const char *p = value.p; *p >= '0' && *p <= '9' && digits < 16; p++, digits++)
        length = length * 10 + (*p - '0');
    if (digits < 1 || digits > 15 || value.p[digits] != '\r' || (digits > 1 && value.p[0] == '0'))
        return refuse(w, "Content-Length is not 1 to 15 digits without a leading zero");
    w->frame->has_length = true;
    w->frame->length = length;
    return true;
}

static bool note_coding(struct walk *w, struct span value)
{
    if (w->frame->is_chunked)
        return refuse(w, "two Transfer-Encoding");
    if (!(w->is_request ? span_is(value, "chunked") : span_is_nocase(value, "chunked")) ||
        value.p[value.n] != '\r')
        return refuse(w, "Transfer-Encoding is not \"chunked\"");
    w->frame->is_chunked = true;
    return true;
}

/* The few fields that decide how the message is framed; told apart by the name's length first. */
static bool note_field(struct walk *w, struct span name, struct span value)
{
    struct http_frame *f = w->frame;
    switch (name.n) {
    case 4:
        w->hosts += strncasecmp(name.p, "host", 4) == 0;
        return true;
    case 7:
        if (w->is_request && strncasecmp(name.p, "upgrade", 7) == 0)
            return refuse(w, "Upgrade is not served");
        return true;
    case 10:
        if (strncasecmp(name.p, "connection", 10) == 0) {
            f->says_close |= http_value_has(value, "close");
            f->says_keep_alive |= http_value_has(value, "keep-alive");
        }
        return true;
    case 14:
        return strncasecmp(name.p, "content-length", 14) != 0 || note_length(w, value);
    case 17:
        return strncasecmp(name.p, "transfer-encoding", 17) != 0 || note_coding(w, value);
    default: /* http_parser takes a longer name for Transfer-Encoding itself */
        if (name.n > 17 && strncasecmp(name.p, "transfer-encoding", 17) == 0)
            return refuse(w, "a name that only begins with Transfer-Encoding");
        return true;
    }
}

static bool take_field(struct walk *w)
{
    struct span name = {w->p, 0};
    while (is_token[(unsigned char)*w->p]) /* stops at the CRLF at the end at the latest */
        w->p++;
    name.n = (size_t)(w->p - name.p);
    if (!name.n || *w->p != ':')
        return refuse(w, "a header name is not token characters followed at once by a colon");
    w->p++;
    while (*w->p == ' ' || *w->p == '\t')
        w->p++;
    struct span value = {w->p, 0};
    w->p = control_find(w->p, w->end);
    const char *last = w->p;
    while (last > value.p && (last[-1] == ' ' || last[-1] == '\t'))
        last--;
    value.n = (size_t)(last - value.p);
    if (++w->frame->count > CAP_HEADERS)
        return refuse(w, "more than 100 header fields");
    return take_crlf(w) && note_field(w, name, value);
}

static bool judge(const struct walk *w)
{
    const struct http_frame *f = w->frame;
    if (f->is_chunked && f->has_length)
        return refuse(w, "both Content-Length and Transfer-Encoding");
    if (f->is_chunked && f->is_http10)
        return refuse(w, "Transfer-Encoding in HTTP/1.0");
    if (w->is_request && (w->hosts > 1 || (w->hosts == 0 && !f->is_http10)))
        return refuse(w, "there is not exactly one Host");
    return true;
}

static bool check(struct walk *w, size_t n)
{
    if (n > CAP_HEAD)
        return refuse(w, "the head is longer than 32 KiB");
    if (n < 4 || memcmp(w->end - 4, "\r\n\r\n", 4) != 0)
        return refuse(w, "the head does not end in an empty line");
    if (!(w->is_request ? take_request_line(w) : take_status_line(w)))
        return false;
    while (w->end - w->p > 2)
        if (!take_field(w))
            return false;
    return take_crlf(w) && judge(w);
}

bool http_check_request(const char *head, size_t n, struct http_frame *frame, struct err *err)
{
    *frame = (struct http_frame){0};
    struct walk w = {.p = head, .end = head + n, .is_request = true, .frame = frame, .err = err};
    return check(&w, n);
}

bool http_check_response(const char *head, size_t n, struct http_frame *frame, struct err *err)
{
    *frame = (struct http_frame){0};
    struct walk w = {.p = head, .end = head + n, .frame = frame, .err = err};
    return check(&w, n);
}
