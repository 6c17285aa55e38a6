/* bench/load.c - a closed-loop MCP client: N keep-alive connections, one call each at a time.
 * load PORT PATH CONNECTIONS CALLS SESSION...  (sessions are used in turn, one per connection; "-": none)
 * Prints: calls per second, p50 and p99 in microseconds. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct client {
    int fd, request_n;
    char request[1024], answer[65536];
    size_t got;
    int64_t sent_ns;
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Has the whole answer come? */
static int is_whole(struct client *c)
{
    c->answer[c->got] = '\0';
    char *end = strstr(c->answer, "\r\n\r\n"), *length = strstr(c->answer, "Content-Length: ");
    if (!end)
        return 0;
    if (length && length < end)
        return c->got >= (size_t)(end + 4 - c->answer) + (size_t)atol(length + 16);
    return c->got > 5 && memcmp(c->answer + c->got - 5, "0\r\n\r\n", 5) == 0;
}

static void ask(struct client *c)
{
    c->got = 0;
    c->sent_ns = now_ns();
    if (send(c->fd, c->request, (size_t)c->request_n, MSG_NOSIGNAL) != c->request_n)
        exit(1);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    int count = atoi(argv[3]), one = 1, epoll = epoll_create1(0);
    int64_t calls = atoll(argv[4]), sent = 0, done = 0;
    struct client *clients = calloc((size_t)count, sizeof *clients);
    int64_t *took = calloc((size_t)calls + 1, sizeof *took);
    static const char body[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"find_symbol\","
                               "\"arguments\":{\"name_path\":\"main\",\"depth\":0,\"relative_path\":\"src\"},"
                               "\"_meta\":{\"progressToken\":1}}}";
    for (int i = 0; i < count; i++) {
        struct client *c = &clients[i];
        const char *session = argv[5 + i % (argc - 5)];
        char header[512] = "";
        if (strcmp(session, "-") != 0)
            snprintf(header, sizeof header, "Mcp-Session-Id: %s\r\n", session);
        c->request_n = snprintf(c->request, sizeof c->request,
                                "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nContent-Type: application/json\r\n"
                                "Accept: application/json, text/event-stream\r\nUser-Agent: bench/1\r\n"
                                "MCP-Protocol-Version: 2025-06-18\r\n%sContent-Length: %zu\r\n\r\n%s",
                                argv[2], argv[1], header, sizeof body - 1, body);
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
        c->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(c->fd, (struct sockaddr *)&a, sizeof a))
            return 1;
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e);
    }
    int64_t start = now_ns();
    for (int i = 0; i < count && sent < calls; i++, sent++)
        ask(&clients[i]);
    while (done < calls) {
        struct epoll_event ready[64];
        int n = epoll_wait(epoll, ready, 64, 10000);
        if (n <= 0)
            return 1;
        for (int i = 0; i < n; i++) {
            struct client *c = ready[i].data.ptr;
            ssize_t got = recv(c->fd, c->answer + c->got, sizeof c->answer - 1 - c->got, 0);
            if (got <= 0)
                return 1;
            c->got += (size_t)got;
            if (!is_whole(c))
                continue;
            if (strncmp(c->answer, "HTTP/1.1 200", 12) != 0 || !strstr(c->answer, "\"result\"")) {
                fprintf(stderr, "%.600s\n", c->answer);
                return 1;
            }
            took[done++] = now_ns() - c->sent_ns;
            if (sent < calls) {
                sent++;
                ask(c);
            }
        }
    }
    double seconds = (double)(now_ns() - start) / 1e9;
    qsort(took, (size_t)done, sizeof *took, by_size);
    printf("%.0f %.1f %.1f\n", (double)done / seconds, (double)took[done / 2] / 1e3,
           (double)took[done * 99 / 100] / 1e3);
}
