/* platform/net_darwin.c - sockets where flags are set afterwards, and SIGPIPE is per socket. */
#include "platform/net.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static int with_flags(int fd)
{
    int on = 1;
    if (fd < 0)
        return -1;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        int sys = errno;
        close(fd);
        errno = sys;
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
    return fd;
}

int net_socket(int family, int type)
{
    return with_flags(socket(family, type, 0));
}

int net_accept(int listen_fd)
{
    int fd;
    do
        fd = accept(listen_fd, NULL, NULL);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    return with_flags(fd);
}
