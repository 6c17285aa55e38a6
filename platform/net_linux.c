/* platform/net_linux.c - sockets with both flags set in the call that makes them. */
#include "platform/net.h"

#include <errno.h>
#include <sys/socket.h>

int net_socket(int family, int type)
{
    return socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int net_accept(int listen_fd)
{
    int fd;
    /* A client that left while it waited (ECONNABORTED) is no reason to stop accepting. */
    do
        fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    return fd;
}
