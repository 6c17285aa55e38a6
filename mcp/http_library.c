/* mcp/http_library.c - see http_library.h. What differs between the two libraries stands in the
 * first block, everything below it is the same for both. */
#include "mcp/http_library.h"

#include "base/caps.h"

#if POOLD_LLHTTP
#include <llhttp.h>

typedef llhttp_t parser_type;
typedef llhttp_settings_t settings_type;
#define FLAG_LENGTH F_CONTENT_LENGTH

static bool run(parser_type *parser, bool is_request, const settings_type *settings,
                const char *head, size_t n)
{
    void *data = parser->data; /* init clears it */
    llhttp_init(parser, is_request ? HTTP_REQUEST : HTTP_RESPONSE, settings);
    parser->data = data;
    return llhttp_execute(parser, head, n) == HPE_OK;
}

const char *http_library_name(void)
{
    return "llhttp";
}
#else
#define http_method library_method /* an enum of ours has the same tag */
#include <http_parser.h>
#undef http_method

typedef http_parser parser_type;
typedef http_parser_settings settings_type;
#define FLAG_LENGTH F_CONTENTLENGTH

static bool run(parser_type *parser, bool is_request, const settings_type *settings,
                const char *head, size_t n)
{
    http_parser_init(parser, is_request ? HTTP_REQUEST : HTTP_RESPONSE);
    return http_parser_execute(parser, settings, head, n) == n &&
           HTTP_PARSER_ERRNO(parser) == HPE_OK;
}

const char *http_library_name(void)
{
    return "http_parser";
}
#endif

struct reading {
    struct http_head *head;
    struct http_frame *frame;
    bool complete;
};

static enum http_method method_of(const parser_type *parser)
{
    switch (parser->method) {
    case HTTP_GET: return HTTP_GET_M;
    case HTTP_POST: return HTTP_POST_M;
    case HTTP_PUT: return HTTP_PUT_M;
    case HTTP_DELETE: return HTTP_DELETE_M;
    case HTTP_HEAD: return HTTP_HEAD_M;
    case HTTP_OPTIONS: return HTTP_OPTIONS_M;
    default: return HTTP_OTHER_M;
    }
}

static int on_url(parser_type *parser, const char *at, size_t n)
{
    struct reading *r = parser->data;
    r->head->target = (struct span){at, n};
    return 0;
}

static int on_field(parser_type *parser, const char *at, size_t n)
{
    struct http_head *head = ((struct reading *)parser->data)->head;
    if (head->count == CAP_HEADERS)
        return -1;
    struct http_header *h = &head->headers[head->count++];
    h->name = (struct span){at, n};
    h->value = (struct span){at + n, 0};
    return 0;
}

static int on_value(parser_type *parser, const char *at, size_t n)
{
    struct http_head *head = ((struct reading *)parser->data)->head;
    if (head->count == 0)
        return -1;
    while (n && (at[n - 1] == ' ' || at[n - 1] == '\t'))
        n--;
    head->headers[head->count - 1].value = (struct span){at, n};
    return 0;
}

static int on_complete(parser_type *parser)
{
    struct reading *r = parser->data;
    r->complete = true;
    *r->frame = (struct http_frame){
        .method = method_of(parser),
        .status = parser->status_code,
        .is_http10 = parser->http_minor == 0,
        .is_chunked = parser->flags & F_CHUNKED,
        .has_length = parser->flags & FLAG_LENGTH,
        .length = parser->flags & FLAG_LENGTH ? (int64_t)parser->content_length : 0,
        .count = r->head->count,
    };
    return 0;
}

bool http_library_read(bool is_request, const char *head, size_t n, struct http_head *out,
                       struct http_frame *frame)
{
    static const settings_type settings = {
        .on_url = on_url,
        .on_header_field = on_field,
        .on_header_value = on_value,
        .on_headers_complete = on_complete,
    };
    out->target = (struct span){0};
    out->count = 0;
    struct reading reading = {.head = out, .frame = frame};
    parser_type parser;
    parser.data = &reading;
    return run(&parser, is_request, &settings, head, n) && reading.complete;
}
