/* tests/unit/test_cli_client.c - the client against a server that sends given bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "base/clock.h"
#include "cli/client.h"
#include "platform/net.h"
#include "scratch.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

/* Sends its parts one by one, with a pause between, and then closes or stays. */
struct server {
    int fd;
    const char *const *parts;
    bool stays;
    char asked[4096];
    pthread_t thread;
    int stop[2];
};

static void *serve(void *arg)
{
    struct server *s = arg;
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    poll(&p, 1, 5000);
    int c = net_accept(s->fd);
    for (size_t n = 0; n + 1 < sizeof s->asked && !strstr(s->asked, "\r\n\r\n");) {
        p = (struct pollfd){.fd = c, .events = POLLIN};
        poll(&p, 1, 5000);
        ssize_t got = recv(c, s->asked + n, sizeof s->asked - 1 - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    for (size_t i = 0; s->parts[i]; i++) {
        send(c, s->parts[i], strlen(s->parts[i]), MSG_NOSIGNAL);
        poll(NULL, 0, 5);
    }
    p = (struct pollfd){.fd = s->stop[0], .events = POLLIN};
    if (s->stays)
        poll(&p, 1, 5000);
    close(c);
    return NULL;
}

static void server_start(struct server *s, const char *const *parts, bool stays)
{
    struct err err = {0};
    *s = (struct server){.parts = parts, .stays = stays};
    assert_int_equal(pipe(s->stop), 0);
    assert_true(net_listen_unix(scratch_path("s"), &s->fd, &err));
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_end(struct server *s)
{
    assert_int_equal(write(s->stop[1], "x", 1), 1);
    pthread_join(s->thread, NULL);
    close(s->fd);
    close(s->stop[0]);
    close(s->stop[1]);
    unlink(scratch_path("s"));
}

static bool fetch(const char *const *parts, bool stays, int *status, char **body, struct err *err)
{
    struct server s;
    struct client c;
    struct client_request request = {
        .socket_path = scratch_path("s"), .method = "GET", .target = "/x", .wait_ms = 300};
    *err = (struct err){0};
    server_start(&s, parts, stays);
    bool ok = client_open(&request, &c, err);
    if (ok) {
        *status = c.status;
        ok = client_read_all(&c, 1000, body, err);
        client_close(&c);
    }
    server_end(&s);
    return ok;
}

static void assert_body(const char *const *parts, bool stays, const char *want)
{
    struct err err;
    int status;
    char *body;
    if (!fetch(parts, stays, &status, &body, &err))
        fail_msg("%s", err_text(&err));
    assert_int_equal(status, 200);
    assert_string_equal(body, want);
    free(body);
}

static void assert_fails(const char *const *parts, bool stays, enum err_code code)
{
    struct err err;
    int status;
    char *body;
    assert_false(fetch(parts, stays, &status, &body, &err));
    assert_int_equal(err.code, code);
}

#define PARTS(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static void a_body_with_a_length_is_read_without_waiting_for_the_end(void **state)
{
    (void)state;
    assert_body(PARTS("HTTP/1.1 200 OK\r\nContent-", "Length: 5\r\n\r\nhe", "llo"), true, "hello");
    assert_body(PARTS("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), true, "");
}

static void a_chunked_body_may_be_cut_anywhere(void **state)
{
    (void)state;
    assert_body(PARTS("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r", "\nhel",
                      "lo\r\n1", "\r\n!\r\n0\r\n", "\r\n"),
                true, "hello!");
}

static void a_body_without_a_length_ends_with_the_connection(void **state)
{
    (void)state;
    assert_body(PARTS("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhel", "lo"), false, "hello");
}

static void an_announcement_before_the_answer_is_passed_over(void **state)
{
    (void)state;
    assert_body(PARTS("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"),
                true, "x");
}

static void an_answer_that_is_cut_off_is_an_error(void **state)
{
    (void)state;
    assert_fails(PARTS("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"), false,
                 ERR_NOT_RUNNING);
    assert_fails(PARTS("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
                 false, ERR_NOT_RUNNING);
    assert_fails(PARTS("HTTP/1.1 2"), false, ERR_NOT_RUNNING);
}

static void a_server_that_says_nothing_is_given_up_at_the_deadline(void **state)
{
    (void)state;
    int64_t began = clock_ms();
    assert_fails(PARTS(""), true, ERR_NOT_RUNNING);
    int64_t took = clock_ms() - began;
    assert_true(took >= 295 && took < 4000);
}

static void broken_chunks_and_too_big_bodies_are_errors(void **state)
{
    (void)state;
    assert_fails(PARTS("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), true,
                 ERR_BAD_REQUEST);
    char big[2000] = "";
    memset(big, 'x', sizeof big - 1);
    assert_fails(PARTS("HTTP/1.1 200 OK\r\n\r\n", big), false, ERR_TOO_BIG);
}

static void an_absent_server_is_not_running(void **state)
{
    (void)state;
    struct client c;
    struct err err = {0};
    struct client_request request = {
        .socket_path = scratch_path("nobody"), .method = "GET", .target = "/", .wait_ms = 1000};
    assert_false(client_open(&request, &c, &err));
    assert_int_equal(err.code, ERR_NOT_RUNNING);
}

static void a_quiet_stream_is_told_from_its_end(void **state)
{
    (void)state;
    struct server s;
    struct client c;
    struct err err = {0};
    const char *data;
    size_t n;
    struct client_request request = {.socket_path = scratch_path("s"),
                                     .method = "POST",
                                     .target = "/e",
                                     .accept = "application/x-ndjson",
                                     .body = "{}",
                                     .wait_ms = 2000};
    server_start(
        &s, PARTS("HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n{\"step\":1}\n"),
        true);
    assert_true(client_open(&request, &c, &err));
    assert_true(c.is_ndjson);
    assert_int_equal(client_read(&c, 1000, &data, &n, &err), CLIENT_DATA);
    assert_int_equal(client_read(&c, 20, &data, &n, &err), CLIENT_QUIET);
    assert_non_null(strstr(s.asked, "POST /e HTTP/1.1\r\n"));
    assert_non_null(strstr(s.asked, "Accept: application/x-ndjson\r\n"));
    assert_non_null(strstr(s.asked, "Content-Type: application/json\r\nContent-Length: 2\r\n"));
    client_close(&c);
    server_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_with_a_length_is_read_without_waiting_for_the_end),
        cmocka_unit_test(a_chunked_body_may_be_cut_anywhere),
        cmocka_unit_test(a_body_without_a_length_ends_with_the_connection),
        cmocka_unit_test(an_announcement_before_the_answer_is_passed_over),
        cmocka_unit_test(an_answer_that_is_cut_off_is_an_error),
        cmocka_unit_test(a_server_that_says_nothing_is_given_up_at_the_deadline),
        cmocka_unit_test(broken_chunks_and_too_big_bodies_are_errors),
        cmocka_unit_test(an_absent_server_is_not_running),
        cmocka_unit_test(a_quiet_stream_is_told_from_its_end),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
