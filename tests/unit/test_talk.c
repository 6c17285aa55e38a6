/* test_talk.c - pool/talk.c: what the pool itself says to a stdio daemon. */
#include "base/clock.h"
#include "base/str.h"
#include "pool/talk.h"

#include <ev.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct ev_loop *loop;
static struct probe *talk;
static char sent[16][1000]; /* what the daemon was told */
static int sent_count;
static enum err_code refusal; /* of the daemon's pipe */
static size_t unread;
static int settling; /* pings that were sent right after a handshake: in no other count */
static char handshake[1000];
static int sent_at_handshake; /* how much had been said when it was kept */

static struct answer {
    int count;
    enum probe_outcome outcome;
    char text[400];
} got;

static bool take_sent(void *arg, const char *json, size_t n, struct err *err)
{
    (void)arg;
    if (refusal)
        return err_set(err, refusal, 0, "it does not read");
    static const char ping[] = "{\"jsonrpc\":\"2.0\",\"id\":\"poold.pool.settled\"";
    if (n >= sizeof ping && memcmp(json, ping, sizeof ping - 1) == 0) {
        settling++;
        return true;
    }
    snprintf(sent[sent_count++ % 16], sizeof *sent, "%.*s", (int)n, json);
    return true;
}

static size_t get_unread(void *arg)
{
    (void)arg;
    return unread;
}

static void keep(void *arg, const char *json, size_t n)
{
    (void)arg;
    sent_at_handshake = sent_count;
    snprintf(handshake, sizeof handshake, "%.*s", (int)n, json);
}

static void done(void *arg, enum probe_outcome outcome, const char *text)
{
    struct answer *a = arg;
    a->count++;
    a->outcome = outcome;
    snprintf(a->text, sizeof a->text, "%s", text);
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

static int setup(void **state)
{
    (void)state;
    loop = ev_default_loop(0);
    sent_count = 0;
    sent_at_handshake = -1;
    refusal = ERR_OK;
    unread = 0;
    settling = 0;
    handshake[0] = '\0';
    got = (struct answer){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    probe_free(talk);
    talk = NULL;
    return 0;
}

static void begin(struct talk_how how)
{
    how.root = how.root ? how.root : "/home/me/repo";
    how.epoch = 3;
    how.send = take_sent;
    how.unread = get_unread;
    how.on_handshake = keep;
    talk = talk_new(loop, &how);
}

/* The daemon says this; was it the pool's to take? */
static bool says(const char *json)
{
    struct rpc_peek peek;
    rpc_peek(json, strlen(json), &peek);
    return talk_take(talk, &peek, json, strlen(json));
}

#define ANSWER                                                                                     \
    "{\"jsonrpc\":\"2.0\",\"id\":\"poold.pool.initialize\",\"result\":{\"protocolVersion\":"       \
    "\"2025-06-18\",\"capabilities\":{},\"serverInfo\":{\"name\":\"a\",\"version\":\"1\"}}}"
#define INITIALIZED "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}"

static void open_shared(void)
{
    begin((struct talk_how){0});
    probe_handshake(talk, 5000, done, &got);
    assert_true(says(ANSWER));
    UNTIL(got.count == 1);
}

/* --- the handshake --- */

static void the_handshake_declares_roots_only_and_is_kept_before_its_second_half(void **state)
{
    (void)state;
    begin((struct talk_how){0});
    probe_handshake(talk, 5000, done, &got);
    assert_int_equal(sent_count, 1);
    assert_string_equal(sent[0],
                        "{\"jsonrpc\":\"2.0\",\"id\":\"poold.pool.initialize\",\"method\":"
                        "\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\","
                        "\"capabilities\":{\"roots\":{\"listChanged\":false}},\"clientInfo\":"
                        "{\"name\":\"poold\",\"version\":\"" POOLD_VERSION "\"}}}");
    assert_false(probe_is_open(talk));
    assert_true(says(ANSWER));
    assert_string_equal(handshake, ANSWER);
    assert_int_equal(sent_at_handshake, 1);
    assert_string_equal(sent[1], INITIALIZED);
    assert_int_equal(got.count, 0); /* told from the loop */
    UNTIL(got.count == 1);
    assert_int_equal(got.outcome, PROBE_OK);
    assert_true(probe_is_open(talk));
}

static void it_is_ready_when_it_has_had_time_to_ask_for_roots_and_take_them(void **state)
{
    (void)state;
    static const char settled[] =
        "{\"jsonrpc\":\"2.0\",\"id\":\"poold.pool.settled\",\"result\":{}}";
    begin((struct talk_how){0});
    probe_handshake(talk, 5000, done, &got);
    assert_true(says(ANSWER));
    assert_int_equal(settling, 1);
    assert_true(says("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"roots/list\"}"));
    assert_true(says(settled));
    int64_t asked_ms = clock_ms();
    UNTIL(got.count == 1);
    assert_true(clock_ms() - asked_ms >= 90);
    assert_int_equal(got.outcome, PROBE_OK);
    assert_true(says(settled)); /* once more: nobody waits */
}

static void it_is_asked_once_however_long_that_takes(void **state)
{
    (void)state;
    begin((struct talk_how){0});
    probe_handshake(talk, 20, done, &got);
    UNTIL(got.count == 1);
    assert_int_equal(got.outcome, PROBE_SILENT);
    probe_handshake(talk, 5000, done, &got);
    assert_int_equal(sent_count, 1);
    assert_true(says(ANSWER));
    UNTIL(got.count == 2);
    assert_int_equal(got.outcome, PROBE_OK);
    assert_int_equal(sent_count, 2);
}

static void an_answer_that_nobody_waits_for_just_then_counts(void **state)
{
    (void)state;
    begin((struct talk_how){0});
    probe_handshake(talk, 20, done, &got);
    UNTIL(got.count == 1);
    assert_true(says(ANSWER));
    assert_string_equal(sent[1], INITIALIZED);
    probe_handshake(talk, 5000, done, &got);
    UNTIL(got.count == 2);
    assert_int_equal(got.outcome, PROBE_OK);
    assert_int_equal(sent_count, 2);
}

static void an_error_is_a_refusal_for_good(void **state)
{
    (void)state;
    begin((struct talk_how){0});
    probe_handshake(talk, 5000, done, &got);
    assert_true(says("{\"jsonrpc\":\"2.0\",\"id\":\"poold.pool.initialize\",\"error\":"
                     "{\"code\":-32022,\"message\":\"2026-07-28 only\"}}"));
    UNTIL(got.count == 1);
    assert_int_equal(got.outcome, PROBE_REFUSED);
    assert_string_equal(handshake, "");
    probe_handshake(talk, 5000, done, &got);
    UNTIL(got.count == 2);
    assert_int_equal(got.outcome, PROBE_REFUSED);
    assert_non_null(strstr(got.text, "2026-07-28 only"));
    assert_int_equal(sent_count, 1);
}

/* --- a later poold --- */

static void a_later_poold_goes_on_without_a_handshake(void **state)
{
    (void)state;
    begin((struct talk_how){.is_open = true, .given = 7});
    assert_int_equal(sent_count, 0);
    assert_true(probe_is_open(talk));
    probe_ping(talk, 5000, done, &got);
    assert_string_equal(sent[0],
                        "{\"jsonrpc\":\"2.0\",\"id\":\"poold.pool.3.1\",\"method\":\"ping\"}");
    assert_true(says(ANSWER)); /* the earlier one was killed before it could say that it had it */
    assert_string_equal(handshake, "");
    assert_int_equal(sent_count, 1);
}

static void a_later_poold_says_the_second_half_if_that_is_missing(void **state)
{
    (void)state;
    begin((struct talk_how){.is_open = true, .given = 1});
    assert_int_equal(sent_count, 1);
    assert_string_equal(sent[0], INITIALIZED);
}

static void a_later_poold_waits_for_the_answer_to_what_was_asked(void **state)
{
    (void)state;
    begin((struct talk_how){.given = 1});
    probe_handshake(talk, 5000, done, &got);
    assert_int_equal(sent_count, 0);
    assert_true(says(ANSWER));
    assert_string_equal(handshake, ANSWER);
    assert_string_equal(sent[0], INITIALIZED);
    UNTIL(got.count == 1);
    assert_int_equal(got.outcome, PROBE_OK);
}

/* --- pings and calls --- */

static void a_ping_is_answered_by_its_own_id_only(void **state)
{
    (void)state;
    open_shared();
    probe_ping(talk, 5000, done, &got);
    assert_true(says("{\"jsonrpc\":\"2.0\",\"id\":\"poold.pool.2.2\",\"result\":{}}"));
    ev_run(loop, EVRUN_NOWAIT);
    assert_int_equal(got.count, 1);
    assert_true(says("{\"jsonrpc\":\"2.0\",\"id\":\"poold.pool.3.2\",\"result\":{}}"));
    UNTIL(got.count == 2);
    assert_int_equal(got.outcome, PROBE_OK);
}

static void a_call_that_fails_says_why(void **state)
{
    (void)state;
    open_shared();
    probe_call(talk, "find", "{\"a\":1}", 5000, done, &got);
    assert_string_equal(sent[2],
                        "{\"jsonrpc\":\"2.0\",\"id\":\"poold.pool.3.2\",\"method\":"
                        "\"tools/call\",\"params\":{\"name\":\"find\",\"arguments\":{\"a\":1}}}");
    assert_true(says("{\"jsonrpc\":\"2.0\",\"id\":\"poold.pool.3.2\",\"result\":{\"isError\":true,"
                     "\"content\":[{\"type\":\"text\",\"text\":\"no language server\"}]}}"));
    UNTIL(got.count == 2);
    assert_int_equal(got.outcome, PROBE_TOOL_FAILED);
    assert_non_null(strstr(got.text, "no language server"));
}

static void silence_and_a_full_pipe_and_no_pipe_are_told_apart(void **state)
{
    (void)state;
    open_shared();
    probe_ping(talk, 20, done, &got);
    UNTIL(got.count == 2);
    assert_int_equal(got.outcome, PROBE_SILENT);
    refusal = ERR_CONFLICT;
    probe_ping(talk, 5000, done, &got);
    UNTIL(got.count == 3);
    assert_int_equal(got.outcome, PROBE_SILENT);
    refusal = ERR_DAEMON_LOST;
    probe_ping(talk, 5000, done, &got);
    UNTIL(got.count == 4);
    assert_int_equal(got.outcome, PROBE_UNREACHABLE);
}

/* --- what the daemon asks --- */

static void roots_are_the_project_with_every_odd_byte_encoded(void **state)
{
    (void)state;
    begin((struct talk_how){.root = "/home/me/a b%\xc3\xa9#?\""});
    assert_true(says("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"roots/list\"}"));
    assert_string_equal(
        sent[0], "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"roots\":[{\"uri\":"
                 "\"file:///home/me/a%20b%25%C3%A9%23%3F%22\",\"name\":\"a b%\xc3\xa9#?\\\"\"}]}}");
}

static void a_ping_of_the_daemon_is_answered(void **state)
{
    (void)state;
    open_shared();
    assert_true(says("{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":\"ping\"}"));
    assert_string_equal(sent[2], "{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"result\":{}}");
}

static void all_else_is_the_fronts(void **state)
{
    (void)state;
    open_shared();
    assert_false(says("{\"jsonrpc\":\"2.0\",\"id\":\"poold.poo\",\"result\":{}}"));
    assert_false(says("{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}"));
    assert_false(says("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"sampling/createMessage\"}"));
    assert_false(says("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}"));
    assert_int_equal(sent_count, 2);
}

/* --- private ones --- */

static void a_private_one_is_only_pinged_and_an_error_is_an_answer(void **state)
{
    (void)state;
    begin((struct talk_how){.is_private = true});
    probe_handshake(talk, 5000, done, &got);
    assert_string_equal(sent[0],
                        "{\"jsonrpc\":\"2.0\",\"id\":\"poold.pool.3.1\",\"method\":\"ping\"}");
    assert_true(says("{\"jsonrpc\":\"2.0\",\"id\":\"poold.pool.3.1\",\"error\":{\"code\":-32602,"
                     "\"message\":\"not initialized\"}}"));
    UNTIL(got.count == 1);
    assert_int_equal(got.outcome, PROBE_OK);
    assert_int_equal(sent_count, 1);
    assert_string_equal(handshake, "");
}

static void a_private_one_that_answers_no_ping_is_ready_after_a_second(void **state)
{
    (void)state;
    int64_t begun_ms = clock_ms();
    begin((struct talk_how){.is_private = true});
    probe_handshake(talk, 30000, done, &got);
    UNTIL(got.count == 1);
    assert_int_equal(got.outcome, PROBE_OK);
    assert_true(clock_ms() - begun_ms >= 900);
    probe_ping(talk, 20, done, &got); /* silence is nothing new of this one */
    UNTIL(got.count == 2);
    assert_int_equal(got.outcome, PROBE_OK);
    unread = 100;
    probe_ping(talk, 20, done, &got);
    UNTIL(got.count == 3);
    assert_int_equal(got.outcome, PROBE_SILENT);
}

static void what_a_private_one_asks_is_for_its_client(void **state)
{
    (void)state;
    begin((struct talk_how){.is_private = true});
    assert_false(says("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"roots/list\"}"));
    assert_false(says("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\"}"));
    assert_int_equal(sent_count, 0);
}

static void it_may_be_freed_with_questions_open(void **state)
{
    (void)state;
    open_shared();
    probe_ping(talk, 5000, done, &got);
    probe_free(talk);
    talk = NULL;
    ev_run(loop, EVRUN_NOWAIT);
    assert_int_equal(got.count, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_handshake_declares_roots_only_and_is_kept_before_its_second_half),
        CASE(it_is_ready_when_it_has_had_time_to_ask_for_roots_and_take_them),
        CASE(it_is_asked_once_however_long_that_takes),
        CASE(an_answer_that_nobody_waits_for_just_then_counts),
        CASE(an_error_is_a_refusal_for_good),
        CASE(a_later_poold_goes_on_without_a_handshake),
        CASE(a_later_poold_says_the_second_half_if_that_is_missing),
        CASE(a_later_poold_waits_for_the_answer_to_what_was_asked),
        CASE(a_ping_is_answered_by_its_own_id_only),
        CASE(a_call_that_fails_says_why),
        CASE(silence_and_a_full_pipe_and_no_pipe_are_told_apart),
        CASE(roots_are_the_project_with_every_odd_byte_encoded),
        CASE(a_ping_of_the_daemon_is_answered),
        CASE(all_else_is_the_fronts),
        CASE(a_private_one_is_only_pinged_and_an_error_is_an_answer),
        CASE(a_private_one_that_answers_no_ping_is_ready_after_a_second),
        CASE(what_a_private_one_asks_is_for_its_client),
        CASE(it_may_be_freed_with_questions_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
