/* bench/stub.c - the cheapest MCP daemon there can be: fixed answers over Streamable HTTP, so that
 * what is measured is the way and not the server.  stub PORT json|sse */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char list[] =
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"find_symbol\",\"description\":\"Finds the "
    "symbols of this name in the project and gives their places, kinds and, if asked, bodies.\",\"inputSchema\":"
    "{\"type\":\"object\",\"properties\":{\"name_path\":{\"type\":\"string\"},\"depth\":{\"type\":\"integer\"},"
    "\"relative_path\":{\"type\":\"string\"},\"include_body\":{\"type\":\"boolean\"}},\"required\":[\"name_path\"]}}]}}";
static const char initialize[] =
    "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\"tools\":{}},"
    "\"serverInfo\":{\"name\":\"stub\",\"version\":\"1\"}}}";

static int answer(const char *request, bool as_sse, char *out, size_t room)
{
    char body[1024];
    const char *id = strstr(request, "\"id\":");
    if (strstr(request, "\"notifications/"))
        return snprintf(out, room, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
    if (strncmp(request, "GET ", 4) == 0)
        return snprintf(out, room, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                   "Transfer-Encoding: chunked\r\n\r\n");
    if (strstr(request, "\"initialize\""))
        snprintf(body, sizeof body, initialize, id ? (int)strcspn(id + 5, ",}") : 4, id ? id + 5 : "null");
    else
        memcpy(body, list, sizeof list);
    if (as_sse) {
        char event[1200];
        int n = snprintf(event, sizeof event, "event: message\r\ndata: %s\r\n\r\n", body);
        return snprintf(out, room, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nMcp-Session-Id: stub\r\n"
                                   "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", n, event);
    }
    return snprintf(out, room, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: stub\r\n"
                               "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    bool as_sse = strcmp(argv[2], "sse") == 0;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), epoll = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])),
                            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 1024))
        return 1;
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener}, ready[64];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
    static char in[65536], out[65536];
    for (;;) {
        int n = epoll_wait(epoll, ready, 64, -1);
        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd;
            if (fd == listener) {
                int c = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                e = (struct epoll_event){.events = EPOLLIN, .data.fd = c};
                epoll_ctl(epoll, EPOLL_CTL_ADD, c, &e);
                continue;
            }
            ssize_t got = recv(fd, in, sizeof in - 1, 0);
            if (got <= 0) {
                close(fd);
                continue;
            }
            in[got] = '\0'; /* a request of the bench always comes whole: it is one small send */
            if (send(fd, out, (size_t)answer(in, as_sse, out, sizeof out), MSG_NOSIGNAL) < 0)
                close(fd);
        }
    }
}
