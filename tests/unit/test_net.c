/* tests/unit/test_net.c - sockets: listening, connecting, accepting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "base/str.h"
#include "platform/net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char dir[] = "/tmp/poold-net-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

static void assert_flags(int fd)
{
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static void wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    assert_int_equal(poll(&p, 1, 5000), 1);
}

static int listen_or_fail(const char *address)
{
    struct err err = {0};
    int fd = -1;
    if (!net_listen_tcp(address, &fd, &err))
        fail_msg("%s", err_text(&err));
    return fd;
}

static void a_tcp_listener_takes_a_free_port_and_serves_it(void **state)
{
    (void)state;
    struct err err = {0};
    int server = listen_or_fail("127.0.0.1:0"), client = -1;
    int port = net_port(server);
    assert_true(port > 0);
    assert_flags(server);
    assert_int_equal(net_accept(server), -1);
    assert_int_equal(errno, EAGAIN);

    assert_true(net_connect_loopback(port, &client, &err));
    assert_flags(client);
    wait_for(client, POLLOUT);
    assert_int_equal(net_connect_error(client), 0);
    wait_for(server, POLLIN);
    int accepted = net_accept(server);
    assert_true(accepted >= 0);
    assert_flags(accepted);

    int on = 0;
    socklen_t len = sizeof on;
    net_no_delay(accepted);
    assert_int_equal(getsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_true(on);
    close(accepted);
    close(client);
    close(server);
}

static void a_listener_can_be_had_again_at_once_after_it_served(void **state)
{
    (void)state;
    struct err err = {0};
    int server = listen_or_fail("127.0.0.1:0"), client = -1, again = -1;
    int port = net_port(server);
    assert_true(net_connect_loopback(port, &client, &err));
    wait_for(server, POLLIN);
    int accepted = net_accept(server);
    close(accepted); /* the server's end closes first and stays in TIME_WAIT */
    wait_for(client, POLLIN);
    close(client);
    close(server);
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    assert_true(net_port_is_free(port));
    assert_true(net_listen_tcp(address, &again, &err));
    close(again);
}

static void a_taken_tcp_port_is_an_address_error(void **state)
{
    (void)state;
    struct err err = {0};
    int server = listen_or_fail("127.0.0.1:0"), second = -5;
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%d", net_port(server));
    assert_false(net_port_is_free(net_port(server)));
    assert_false(net_listen_tcp(address, &second, &err));
    assert_int_equal(err.code, ERR_ADDRESS);
    assert_int_equal(err.sys, EADDRINUSE);
    assert_int_equal(second, -5);
    int any = -1, port = net_port(server);
    close(server);
    assert_true(net_port_is_free(port));
    err_clear(&err);
    snprintf(address, sizeof address, "0.0.0.0:%d", port);
    assert_true(net_listen_tcp(address, &any, &err));
    assert_false(net_port_is_free(port));
    close(any);
}

static void ipv6_loopback_is_written_in_brackets(void **state)
{
    (void)state;
    struct err err = {0};
    int fd = -1;
    if (!net_listen_tcp("[::1]:0", &fd, &err)) {
        assert_true(err.sys == EADDRNOTAVAIL || err.sys == EAFNOSUPPORT);
        print_message("no IPv6 here: %s\n", err_text(&err));
        skip();
    }
    assert_true(net_port(fd) > 0);
    close(fd);
}

static void addresses_that_are_not_host_and_port_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",          "127.0.0.1", ":7337",        "localhost:7337",
                                      "::1:7337",  "[::1]",     "127.0.0.1:",   "127.0.0.1:+1",
                                      "1.2.3.4:x", "[]:1",      "1.2.3.4:65536"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = {0};
        int fd = -1;
        if (net_listen_tcp(bad[i], &fd, &err))
            fail_msg("'%s' was taken", bad[i]);
        assert_int_equal(err.code, ERR_ADDRESS);
        assert_int_equal(fd, -1);
    }
}

static void a_refused_connection_says_so(void **state)
{
    (void)state;
    struct err err = {0};
    int server = listen_or_fail("127.0.0.1:0"), client = -1;
    int port = net_port(server);
    close(server);
    if (net_connect_loopback(port, &client, &err)) {
        wait_for(client, POLLOUT);
        assert_int_equal(net_connect_error(client), ECONNREFUSED);
        close(client);
    } else {
        assert_int_equal(err.sys, ECONNREFUSED);
    }
}

static void a_socket_that_met_itself_is_no_connection(void **state)
{
    (void)state;
    int fd = net_socket(AF_INET, SOCK_STREAM);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(net_connect_error(fd), EINPROGRESS); /* not connected, no error */
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    a.sin_port = htons((uint16_t)net_port(fd));
    if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
        assert_int_equal(errno, EINPROGRESS);
    wait_for(fd, POLLOUT);
    assert_int_equal(net_connect_error(fd), ECONNREFUSED);
    close(fd);
}

static void a_unix_listener_is_private_and_serves(void **state)
{
    (void)state;
    struct err err = {0};
    struct stat st;
    int server = -1, client = -1;
    char *path = str_path(dir, "a.sock");
    mode_t before = umask(0);
    assert_true(net_listen_unix(path, &server, &err));
    assert_int_equal(umask(before), 0); /* left as it was */
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_flags(server);
    assert_int_equal(net_port(server), -1);
    assert_true(net_connect_unix(path, &client, &err));
    assert_flags(client);
    int accepted = net_accept(server);
    assert_true(accepted >= 0);
    close(accepted);
    close(client);
    close(server);
    unlink(path);
    free(path);
}

static void a_dead_socket_file_is_replaced_and_a_served_one_is_not(void **state)
{
    (void)state;
    struct err err = {0};
    int first = -1, second = -1;
    char *path = str_path(dir, "b.sock");
    assert_true(net_listen_unix(path, &first, &err));
    assert_false(net_listen_unix(path, &second, &err));
    assert_int_equal(err.code, ERR_ADDRESS);
    assert_int_equal(err.sys, EADDRINUSE);
    close(first);
    err_clear(&err);
    assert_true(net_listen_unix(path, &second, &err));
    int client = -1;
    assert_true(net_connect_unix(path, &client, &err));
    close(client);
    close(second);
    unlink(path);
    free(path);
}

static void a_file_that_is_no_socket_is_never_replaced(void **state)
{
    (void)state;
    struct err err = {0};
    int fd = -1;
    struct stat st;
    char *path = str_path(dir, "precious");
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_false(net_listen_unix(path, &fd, &err));
    assert_int_equal(err.code, ERR_ADDRESS);
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    unlink(path);
    free(path);
}

static void a_unix_path_that_is_too_long_is_refused_with_the_remedy(void **state)
{
    (void)state;
    struct err err = {0};
    int fd = -1;
    char path[NET_UNIX_PATH_MAX + 2];
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    assert_false(net_listen_unix(path, &fd, &err));
    assert_non_null(strstr(err.text, "--run-dir"));
    err_clear(&err);
    assert_false(net_connect_unix(path, &fd, &err));
    assert_int_equal(err.sys, ENAMETOOLONG);
}

static void nobody_at_a_unix_path_means_not_running(void **state)
{
    (void)state;
    struct err err = {0};
    int fd = -1;
    char *path = str_path(dir, "none.sock");
    assert_false(net_connect_unix(path, &fd, &err));
    assert_int_equal(err.code, ERR_NOT_RUNNING);
    assert_int_equal(err.sys, ENOENT);
    assert_true(net_listen_unix(path, &fd, &err));
    close(fd);
    err_clear(&err);
    assert_false(net_connect_unix(path, &fd, &err));
    assert_int_equal(err.code, ERR_NOT_RUNNING);
    assert_int_equal(err.sys, ECONNREFUSED);
    unlink(path);
    free(path);
}

static void a_full_unix_backlog_comes_as_eagain(void **state)
{
    (void)state;
    struct err err = {0};
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char *path = str_path(dir, "full.sock");
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    int server = net_socket(AF_UNIX, SOCK_STREAM), clients[8], count = 0, fd = -1;
    assert_int_equal(bind(server, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(server, 1), 0);
    while (count < 8 && net_connect_unix(path, &fd, &err))
        clients[count++] = fd;
    assert_true(count < 8);
    assert_int_equal(err.sys, EAGAIN);
    assert_int_equal(err.code, ERR_SYSTEM);
    while (count)
        close(clients[--count]);
    close(server);
    unlink(path);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tcp_listener_takes_a_free_port_and_serves_it),
        cmocka_unit_test(a_listener_can_be_had_again_at_once_after_it_served),
        cmocka_unit_test(a_taken_tcp_port_is_an_address_error),
        cmocka_unit_test(ipv6_loopback_is_written_in_brackets),
        cmocka_unit_test(addresses_that_are_not_host_and_port_are_refused),
        cmocka_unit_test(a_refused_connection_says_so),
        cmocka_unit_test(a_socket_that_met_itself_is_no_connection),
        cmocka_unit_test(a_unix_listener_is_private_and_serves),
        cmocka_unit_test(a_dead_socket_file_is_replaced_and_a_served_one_is_not),
        cmocka_unit_test(a_file_that_is_no_socket_is_never_replaced),
        cmocka_unit_test(a_unix_path_that_is_too_long_is_refused_with_the_remedy),
        cmocka_unit_test(nobody_at_a_unix_path_means_not_running),
        cmocka_unit_test(a_full_unix_backlog_comes_as_eagain),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
