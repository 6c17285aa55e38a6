/* bench/forward.c - a bare byte forwarder, the floor that poold is compared with.  forward PORT TO_PORT */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int partner[65536];

static struct sockaddr_in loopback(const char *port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), epoll = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in here = loopback(argv[1]), there = loopback(argv[2]);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 1024))
        return 1;
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener}, ready[64];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
    static char bytes[65536];
    for (;;) {
        int n = epoll_wait(epoll, ready, 64, -1);
        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd;
            if (fd == listener) {
                int c = accept(listener, NULL, NULL), up = socket(AF_INET, SOCK_STREAM, 0);
                if (connect(up, (struct sockaddr *)&there, sizeof there))
                    return 1;
                setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                setsockopt(up, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                partner[c] = up;
                partner[up] = c;
                e.events = EPOLLIN;
                e.data.fd = c;
                epoll_ctl(epoll, EPOLL_CTL_ADD, c, &e);
                e.data.fd = up;
                epoll_ctl(epoll, EPOLL_CTL_ADD, up, &e);
                continue;
            }
            ssize_t got = recv(fd, bytes, sizeof bytes, 0);
            if (got > 0)
                got = send(partner[fd], bytes, (size_t)got, MSG_NOSIGNAL);
            if (got <= 0 && partner[fd] >= 0) {
                int other = partner[fd];
                partner[fd] = partner[other] = -1;
                close(other);
                close(fd);
            }
        }
    }
}
