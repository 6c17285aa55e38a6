/* bench/parse.c - what reading costs, in nanoseconds: the best of several rounds, since on a busy
 * machine only the best says something about the code. */
#include "base/str.h"
#include "mcp/http_library.h"
#include "mcp/jsonrpc.h"
#include "mcp/sse.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* 415 bytes and 12 fields, as the Python SDK behind a proxy would send it. */
static const char head[] =
    "POST /mcp HTTP/1.1\r\n"
    "Host: 127.0.0.1:7337\r\n"
    "User-Agent: python-httpx/0.28.1\r\n"
    "Accept: application/json, text/event-stream\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Connection: keep-alive\r\n"
    "Content-Type: application/json\r\n"
    "Mcp-Session-Id: 0123456789abcdef0123456789abcdef\r\n"
    "Mcp-Protocol-Version: 2025-06-18\r\n"
    "Content-Length: 185\r\n"
    "X-Poold-Project: /home/user/work/project\r\n"
    "X-Request-Id: 0123456789abcde\r\n"
    "X-Client: bench\r\n\r\n";

static const char call[] =
    "{\"jsonrpc\":\"2.0\",\"id\":42,\"method\":\"tools/call\",\"params\":{\"name\":\"find_symbol\","
    "\"arguments\":{\"name_path\":\"Thing/method\",\"relative_path\":\"src/a.c\",\"depth\":1},"
    "\"_meta\":{\"progressToken\":42}}}";

static const char answer[] = "HTTP/1.1 200 OK\r\ndate: Sun, 22 Nov 2026 21:00:00 GMT\r\n"
                             "server: uvicorn\r\ncache-control: no-cache, no-transform\r\n"
                             "connection: keep-alive\r\ncontent-type: text/event-stream\r\n"
                             "mcp-session-id: 0123456789abcdef0123456789abcdef\r\n"
                             "transfer-encoding: chunked\r\n\r\n";

static struct http_head parsed;
static struct rpc_peek peeked;
static char *stream; /* one SSE event as long as asked for */
static size_t stream_len;
static volatile size_t sink;

static void read_head_length(void)
{
    sink += http_head_length(head, sizeof head - 1);
}

static void read_check(void)
{
    sink += http_head_check(head, sizeof head - 1, NULL);
}

static void read_head(void)
{
    sink += http_request_parse(head, sizeof head - 1, &parsed, NULL);
}

static void read_answer(void)
{
    sink += http_response_parse(answer, sizeof answer - 1, &parsed, NULL);
}

static void read_call(void)
{
    rpc_peek(call, sizeof call - 1, &peeked);
    sink += peeked.kind;
}

static void read_is_response(void)
{
    sink += (size_t)rpc_is_response(call, sizeof call - 1);
}

static void read_stream(void)
{
    struct sse_splitter s = {0};
    sink += sse_split(&s, stream, stream_len);
}

static void read_stream_as_message(void)
{
    rpc_peek(stream, stream_len, &peeked);
    sink += peeked.kind;
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void measure(const char *what, void (*work)(void))
{
    double best = 1e18;
    size_t times = 1;
    for (double took = 0; took < 2e6; times *= 2) { /* at least 2 ms a round */
        double start = now_ns();
        for (size_t i = 0; i < times; i++)
            work();
        took = now_ns() - start;
    }
    for (int round = 0; round < 50; round++) {
        double start = now_ns();
        for (size_t i = 0; i < times; i++)
            work();
        double each = (now_ns() - start) / (double)times;
        best = each < best ? each : best;
    }
    printf("%-44s %12.0f ns\n", what, best);
}

/* A stream of n bytes from start, filler text and stop. */
static void make_stream(size_t n, const char *start, const char *stop)
{
    free(stream);
    stream = xmalloc(n);
    stream_len = n;
    for (size_t i = 0; i < n; i++) /* text with line breaks in it, as JSON writes source code */
        stream[i] = "    return code;\\n"[i % 17];
    size_t before = strlen(start), behind = strlen(stop);
    memcpy(stream, start, before);
    memcpy(stream + n - behind, stop, behind);
    stream[n - behind - 1] = stream[n - behind - 2] = ' '; /* no half escape */
}

int main(void)
{
    static const char message[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"text\":\"";
    static const char event[] = "event: message\r\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"text\":\"";
    printf("parser library: %s\n", http_library_name());
    printf("head %zu bytes, answer's head %zu bytes, call %zu bytes\n", sizeof head - 1,
           sizeof answer - 1, sizeof call - 1);
    measure("http_head_length", read_head_length);
    measure("http_head_check", read_check);
    measure("http_request_parse (check and library)", read_head);
    measure("http_response_parse", read_answer);
    measure("rpc_peek of the call", read_call);
    measure("rpc_is_response of the call", read_is_response);
    for (size_t n = 1024; n <= 1 << 20; n <<= 10) {
        make_stream(n, event, "\"}\r\n\r\n");
        measure(n == 1024 ? "sse_split of 1 KiB" : "sse_split of 1 MiB", read_stream);
        make_stream(n, message, "\"}}");
        measure(n == 1024 ? "rpc_peek of 1 KiB" : "rpc_peek of 1 MiB", read_stream_as_message);
    }
    free(stream);
    return 0;
}
