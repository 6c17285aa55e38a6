/* test_probe.c - pool/probe.c and pool/exchange.c: the small MCP client against a scripted peer. */
#include "base/clock.h"
#include "base/str.h"
#include "pool/probe.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* The peer's ends of the connections that were dialed, in order. */
static int ends[16];
static int dialed;
static bool refuses;
static struct ev_loop *loop;

static bool dial(void *arg, int *fd, struct err *err)
{
    (void)arg;
    int pair[2];
    if (refuses)
        return err_set(err, ERR_DAEMON_LOST, ECONNREFUSED, "nothing listens");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    ends[dialed++] = pair[1];
    *fd = pair[0];
    return true;
}

static void on_guard(struct ev_loop *l, struct ev_timer *t, int events)
{
    (void)l;
    (void)t;
    (void)events;
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        struct ev_timer guard;                                                                     \
        int64_t limit_ms = clock_ms() + 10000;                                                     \
        ev_timer_init(&guard, on_guard, 0.01, 0.01);                                               \
        ev_timer_start(loop, &guard);                                                              \
        while (!(condition) && clock_ms() < limit_ms)                                              \
            ev_run(loop, EVRUN_ONCE);                                                              \
        ev_timer_stop(loop, &guard);                                                               \
        if (!(condition))                                                                          \
            fail_msg("never came: %s", #condition);                                                \
    } while (0)

static char said[8192]; /* what the peer read on a connection */

static bool has_request(int end)
{
    ssize_t n = recv(end, said, sizeof said - 1, MSG_PEEK);
    said[n > 0 ? n : 0] = '\0';
    char *body = strstr(said, "\r\n\r\n"), *length = strstr(said, "Content-Length: ");
    return body && (!length || strlen(body + 4) >= (size_t)atoi(length + 16));
}

/* Wait for the request on connection i; it is in `said` then. */
static void hear(int i)
{
    UNTIL(dialed > i && has_request(ends[i]));
}

static void say(int i, const char *bytes)
{
    assert_int_equal(send(ends[i], bytes, strlen(bytes), MSG_NOSIGNAL), (ssize_t)strlen(bytes));
}

static struct answer {
    int count;
    enum probe_outcome outcome;
    char text[400];
} got;

static void done(void *arg, enum probe_outcome outcome, const char *text)
{
    struct answer *a = arg;
    a->count++;
    a->outcome = outcome;
    snprintf(a->text, sizeof a->text, "%s", text);
}

static int setup(void **state)
{
    (void)state;
    loop = ev_default_loop(0);
    dialed = 0;
    refuses = false;
    got = (struct answer){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < dialed; i++)
        close(ends[i]);
    return 0;
}

#define JSON_HEAD(n)                                                                               \
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " n "\r\n"
#define ACCEPTED "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"

static char kept_session[64]; /* that a later probe would go on with */

static void keep_session(void *arg, const char *session)
{
    (void)arg;
    snprintf(kept_session, sizeof kept_session, "%s", session);
}

static struct probe *probe_to(enum transport transport, int port, const char *session)
{
    return probe_new(loop, &(struct probe_how){.transport = transport,
                                               .port = port,
                                               .session = session,
                                               .dial = dial,
                                               .on_session = keep_session});
}

/* A probe over HTTP whose handshake is done. */
static struct probe *open_http(void)
{
    struct probe *p = probe_to(TRANSPORT_HTTP, 21000, NULL);
    probe_handshake(p, 5000, done, &got);
    hear(0);
    say(0, JSON_HEAD("36") "Mcp-Session-Id: abc\r\n\r\n"
                           "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
    UNTIL(got.count == 1);
    assert_int_equal(got.outcome, PROBE_OK);
    assert_true(probe_is_open(p));
    hear(1);
    assert_non_null(strstr(said, "notifications/initialized"));
    assert_non_null(strstr(said, "Mcp-Session-Id: abc\r\n"));
    assert_non_null(strstr(said, "MCP-Protocol-Version: 2025-11-25\r\n"));
    got = (struct answer){0};
    return p;
}

static void the_handshake_keeps_a_session_and_pings_use_it(void **state)
{
    (void)state;
    struct probe *p = open_http();
    say(1, ACCEPTED);
    probe_ping(p, 5000, done, &got);
    hear(2);
    assert_true(str_starts(said, "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:21000\r\n"));
    assert_non_null(strstr(said, "\"method\":\"ping\""));
    assert_non_null(strstr(said, "Mcp-Session-Id: abc\r\n"));
    say(2, JSON_HEAD("36") "\r\n{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}");
    UNTIL(got.count == 1);
    assert_int_equal(got.outcome, PROBE_OK);
    probe_free(p);
}

static void nothing_is_asked_before_initialized_was_taken(void **state)
{
    (void)state;
    struct probe *p = open_http();
    probe_ping(p, 5000, done, &got);
    for (int i = 0; i < 5; i++)
        ev_run(loop, EVRUN_NOWAIT);
    assert_int_equal(dialed, 2);
    say(1, ACCEPTED);
    hear(2);
    probe_free(p);
}

static void an_answer_may_be_a_chunked_event_stream_in_pieces(void **state)
{
    (void)state;
    struct probe *p = open_http();
    say(1, ACCEPTED);
    probe_call(p, "find", "{\"a\":1}", 5000, done, &got);
    hear(2);
    assert_non_null(strstr(said, "\"name\":\"find\",\"arguments\":{\"a\":1}"));
    say(2, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Enc");
    ev_run(loop, EVRUN_NOWAIT);
    say(2, "oding: chunked\r\n\r\n8\r\n: ping\n\n\r\n12\r\nevent: message\ndat\r\n");
    ev_run(loop, EVRUN_NOWAIT);
    say(2, "51\r\na: {\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"content\":[{\"type\":\"text\","
           "\"text\":\"fine\"}]}}\n\r\n1\r\n\n\r\n");
    UNTIL(got.count == 1);
    assert_int_equal(got.outcome, PROBE_OK);
    probe_free(p);
}

static void a_forgotten_session_is_an_answer_and_ends_it(void **state)
{
    (void)state;
    struct probe *p = open_http();
    say(1, ACCEPTED);
    probe_ping(p, 5000, done, &got);
    hear(2);
    say(2, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    UNTIL(got.count == 1);
    assert_int_equal(got.outcome, PROBE_REFUSED);
    assert_string_equal(got.text, "HTTP status 404");
    assert_false(probe_is_open(p));
    probe_free(p);
}

static void silence_a_cut_and_a_refused_connect_are_told_apart(void **state)
{
    (void)state;
    struct probe *p = probe_to(TRANSPORT_HTTP, 1, NULL);
    probe_handshake(p, 100, done, &got);
    hear(0);
    UNTIL(got.count == 1);
    assert_int_equal(got.outcome, PROBE_SILENT);
    probe_handshake(p, 5000, done, &got);
    hear(1);
    shutdown(ends[1], SHUT_RDWR);
    UNTIL(got.count == 2);
    assert_int_equal(got.outcome, PROBE_UNREACHABLE);
    refuses = true;
    probe_handshake(p, 5000, done, &got);
    assert_int_equal(got.count, 2);
    UNTIL(got.count == 3);
    assert_int_equal(got.outcome, PROBE_UNREACHABLE);
    assert_non_null(strstr(got.text, "nothing listens"));
    probe_free(p);
}

static void a_stateless_server_is_asked_to_discover(void **state)
{
    (void)state;
    struct probe *p = probe_to(TRANSPORT_HTTP, 1, NULL);
    probe_handshake(p, 5000, done, &got);
    hear(0);
    say(0,
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 69\r\n\r\n"
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32022,\"message\":\"too new\"}} ");
    hear(1);
    assert_non_null(strstr(said, "\"method\":\"server/discover\""));
    assert_non_null(strstr(said, "Mcp-Method: server/discover\r\n"));
    assert_non_null(strstr(said, "MCP-Protocol-Version: 2026-07-28\r\n"));
    say(1, JSON_HEAD("36") "\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
    UNTIL(got.count == 1);
    assert_int_equal(got.outcome, PROBE_OK);
    probe_ping(p, 5000, done, &got);
    hear(2);
    assert_non_null(strstr(said, "\"method\":\"server/discover\""));
    probe_free(p);
}

#define DISCOVERED                                                                                 \
    JSON_HEAD("70")                                                                                \
    "\r\n{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"supportedVersions\":[\"2026-07-28\"]}}"

static void a_later_probe_goes_on_with_the_session_of_an_earlier_one(void **state)
{
    (void)state;
    struct probe *p = open_http();
    assert_string_equal(kept_session, "abc");
    probe_free(p);
    int next = dialed;
    p = probe_to(TRANSPORT_HTTP, 1, "kept");
    assert_true(probe_is_open(p));
    probe_ping(p, 5000, done, &got);
    hear(next);
    assert_non_null(strstr(said, "Mcp-Session-Id: kept\r\n"));
    assert_non_null(strstr(said, "MCP-Protocol-Version: 2025-11-25\r\n"));
    say(next, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    UNTIL(got.count == 1);
    assert_false(probe_is_open(p)); /* the next look makes another */
    probe_free(p);
}

static void the_other_era_is_asked_for_within_the_session(void **state)
{
    (void)state;
    struct probe *p = open_http();
    say(1, ACCEPTED);
    probe_discover(p, 5000, done, &got);
    hear(2);
    assert_non_null(strstr(said, "Mcp-Session-Id: abc\r\n"));
    assert_non_null(strstr(said, "MCP-Protocol-Version: 2026-07-28\r\n"));
    assert_non_null(strstr(said, "Mcp-Method: server/discover\r\n"));
    assert_non_null(strstr(said, "io.modelcontextprotocol/clientCapabilities"));
    say(2, DISCOVERED);
    UNTIL(got.count == 1);
    assert_int_equal(got.outcome, PROBE_OK);
    assert_false(probe_is_modern_only(p));
    probe_ping(p, 5000, done, &got);
    hear(3);
    assert_non_null(strstr(said, "\"method\":\"ping\""));
    probe_free(p);
}

static void a_refusal_of_the_other_era_leaves_the_session_as_it_is(void **state)
{
    (void)state;
    static const char *const refusals[] = {
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        JSON_HEAD("63") "\r\n{\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-32601,"
                        "\"message\":\"no\"}}",
        JSON_HEAD("36") "\r\n{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}",
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        teardown(NULL);
        setup(NULL);
        struct probe *p = open_http();
        say(1, ACCEPTED);
        probe_discover(p, 5000, done, &got);
        hear(2);
        say(2, refusals[i]);
        UNTIL(got.count == 1);
        assert_int_equal(got.outcome, PROBE_REFUSED);
        assert_true(probe_is_open(p));
        probe_free(p);
    }
}

static void over_http_and_sse_answers_come_on_the_stream(void **state)
{
    (void)state;
    struct probe *p = probe_to(TRANSPORT_SSE, 21001, NULL);
    probe_handshake(p, 5000, done, &got);
    hear(0);
    assert_true(str_starts(said, "GET /sse HTTP/1.1\r\nHost: 127.0.0.1:21001\r\n"));
    say(0, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
           "event: endpoint\r\ndata: /messages/?session_id=77\r\n\r\n");
    hear(1);
    assert_true(str_starts(said, "POST /messages/?session_id=77 HTTP/1.1\r\n"));
    say(1, "HTTP/1.1 202 Accepted\r\nContent-Length: 8\r\n\r\nAccepted");
    say(0, "event: message\r\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\r\n\r\n");
    UNTIL(got.count == 1);
    assert_int_equal(got.outcome, PROBE_OK);
    hear(2);
    assert_non_null(strstr(said, "notifications/initialized"));
    say(2, ACCEPTED);
    probe_ping(p, 5000, done, &got);
    hear(3);
    shutdown(ends[0], SHUT_RDWR);
    UNTIL(got.count == 2);
    assert_int_equal(got.outcome, PROBE_REFUSED);
    assert_false(probe_is_open(p));
    probe_free(p);
}

static void a_probe_may_be_freed_with_questions_open(void **state)
{
    (void)state;
    struct probe *p = open_http();
    probe_ping(p, 5000, done, &got);
    probe_call(p, "find", NULL, 5000, done, &got);
    probe_free(p);
    ev_run(loop, EVRUN_NOWAIT);
    assert_int_equal(got.count, 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_handshake_keeps_a_session_and_pings_use_it),
        CASE(nothing_is_asked_before_initialized_was_taken),
        CASE(an_answer_may_be_a_chunked_event_stream_in_pieces),
        CASE(a_forgotten_session_is_an_answer_and_ends_it),
        CASE(silence_a_cut_and_a_refused_connect_are_told_apart),
        CASE(a_stateless_server_is_asked_to_discover),
        CASE(a_later_probe_goes_on_with_the_session_of_an_earlier_one),
        CASE(the_other_era_is_asked_for_within_the_session),
        CASE(a_refusal_of_the_other_era_leaves_the_session_as_it_is),
        CASE(over_http_and_sse_answers_come_on_the_stream),
        CASE(a_probe_may_be_freed_with_questions_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
