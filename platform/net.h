/* platform/net.h - sockets as fds: close-on-exec, non-blocking. The caller closes them. */
#pragma once
#include "base/err.h"

/* Listening TCP socket on "HOST:PORT" (numeric IPv4, or [IPv6]; port 0: any free). */
bool net_listen_tcp(const char *address, int *fd, struct err *err) MUST_CHECK;
/* Listening unix socket with mode 0600 in an existing directory; a dead socket file of an earlier
 * life is replaced. Paths over 100 bytes are refused with the remedy. */
bool net_listen_unix(const char *path, int *fd, struct err *err) MUST_CHECK;
/* The port a TCP socket is bound to, or -1. */
int net_port(int fd);
/* Start a connection to 127.0.0.1:port (may be in progress: wait for writable, then net_connected). */
bool net_connect_loopback(int port, int *fd, struct err *err) MUST_CHECK;
/* Connect to a unix socket. EAGAIN (full backlog) comes as err->sys == EAGAIN. */
bool net_connect_unix(const char *path, int *fd, struct err *err) MUST_CHECK;
/* 0 once connected, else the errno of a connect that was in progress. */
int net_connect_error(int fd);
/* No Nagle delay on a TCP socket. */
void net_no_delay(int fd);
/* Can 127.0.0.1:port be bound right now? (A look, no reservation.) */
bool net_port_is_free(int port);
