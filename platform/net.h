/* platform/net.h - sockets as fds: close-on-exec, non-blocking. The caller closes them.
 *
 * Errors: a listening address that cannot be used is ERR_ADDRESS, a unix socket that nobody serves
 * ERR_NOT_RUNNING, the rest ERR_SYSTEM; err->sys is the errno. */
#pragma once
#include "base/err.h"

/* Longest path of a unix socket in bytes: macOS has room for 103, Linux for 107. */
#define NET_UNIX_PATH_MAX 100

/* Listening TCP socket on "HOST:PORT" (numeric IPv4, or [IPv6]; port 0: any free). */
bool net_listen_tcp(const char *address, int *fd, struct err *err) MUST_CHECK;
/* Listening unix socket with mode 0600 in an existing directory; a dead socket file of an earlier
 * life is replaced, one that is served is ERR_ADDRESS with EADDRINUSE, and what is no socket is
 * never touched. Paths over NET_UNIX_PATH_MAX bytes are refused with the remedy. */
bool net_listen_unix(const char *path, int *fd, struct err *err) MUST_CHECK;
/* The next waiting connection of a listening socket, or -1 with errno (EAGAIN: none waits). */
int net_accept(int listen_fd);
/* The port a TCP socket is bound to, or -1. */
int net_port(int fd);
/* Start a connection to 127.0.0.1:port (may be in progress: wait for writable, then
 * net_connect_error). */
bool net_connect_loopback(int port, int *fd, struct err *err) MUST_CHECK;
/* Connect to a unix socket. A full backlog is err->sys == EAGAIN: nothing is under way then and no
 * event will come, so try again later. */
bool net_connect_unix(const char *path, int *fd, struct err *err) MUST_CHECK;
/* 0 once connected, EINPROGRESS while not yet, else the errno of the connect that was in progress.
 * A socket that has met itself (a connect to an own free port does that) is ECONNREFUSED. */
int net_connect_error(int fd);
/* No Nagle delay on a TCP socket. */
void net_no_delay(int fd);
/* Can 127.0.0.1:port be bound right now? (A look, no reservation.) */
bool net_port_is_free(int port);
/* Also by a program that does not set SO_REUSEADDR: connections of an earlier owner that linger
 * (TIME_WAIT, a minute) are in its way. */
bool net_port_is_free_to_all(int port);

/* A new socket, close-on-exec and non-blocking, or -1 with errno (net_linux.c, net_darwin.c). */
int net_socket(int family, int type);
