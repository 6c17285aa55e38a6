/* mcp/http_head.c - heads: where they end, and what the check and the library say of them. */
#include "mcp/http_head.h"

#include "mcp/http_check.h"
#include "mcp/http_library.h"

#include <string.h>

size_t http_head_length(const char *bytes, size_t n)
{
    if (n == 0)
        return 0;
    const char *end = bytes + n;
    for (const char *p = bytes; p < end;) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        if (!lf)
            return 0;
        if (lf - bytes >= 3 && memcmp(lf - 3, "\r\n\r\n", 4) == 0)
            return (size_t)(lf + 1 - bytes);
        p = lf + 1;
    }
    return 0;
}

bool http_head_check(const char *head, size_t n, struct err *err)
{
    struct http_frame frame;
    return http_check_request(head, n, &frame, err);
}

/* Did the check and the library see the same message? They always do; if one day they do not,
 * that is exactly the kind of message that must go no further. */
static bool frames_agree(const struct http_frame *a, const struct http_frame *b, bool is_request)
{
    return (is_request ? a->method == b->method : a->status == b->status) &&
           a->is_http10 == b->is_http10 && a->is_chunked == b->is_chunked &&
           a->has_length == b->has_length && a->length == b->length && a->count == b->count;
}

static void take_frame(struct http_head *out, const struct http_frame *frame, size_t head_len)
{
    out->method = frame->method;
    out->status = frame->status;
    out->is_http10 = frame->is_http10;
    out->is_chunked = frame->is_chunked;
    out->has_length = frame->has_length;
    out->length = frame->length;
    out->keep_alive = !frame->says_close && (!frame->is_http10 || frame->says_keep_alive);
    out->head_len = head_len;
}

bool http_request_parse(const char *head, size_t head_len, struct http_head *out, struct err *err)
{
    struct http_frame ours, theirs;
    if (!http_check_request(head, head_len, &ours, err))
        return false;
    if (!http_library_read(true, head, head_len, out, &theirs) ||
        !frames_agree(&ours, &theirs, true))
        return err_set(err, ERR_BAD_REQUEST, 0, "malformed request: it can be read in two ways");
    take_frame(out, &ours, head_len);
    struct span target = out->target;
    const char *mark = memchr(target.p, '?', target.n);
    out->path = (struct span){target.p, mark ? (size_t)(mark - target.p) : target.n};
    out->query = mark ? (struct span){mark + 1, target.n - out->path.n - 1} : (struct span){0};
    return true;
}

bool http_response_parse(const char *head, size_t head_len, struct http_head *out,
                         struct err *err)
{
    struct http_frame ours, theirs;
    if (!http_check_response(head, head_len, &ours, err))
        return false;
    if (!http_library_read(false, head, head_len, out, &theirs) ||
        !frames_agree(&ours, &theirs, false))
        return err_set(err, ERR_DAEMON_LOST, 0,
                       "malformed answer of the daemon: it can be read in two ways");
    take_frame(out, &ours, head_len);
    out->path = out->query = (struct span){0};
    if (ours.status < 200 || ours.status == 204 || ours.status == 304) {
        out->is_chunked = false;
        out->has_length = true;
        out->length = 0;
    }
    if (!out->has_length && !out->is_chunked)
        out->keep_alive = false; /* its end is the end of the connection */
    return true;
}
