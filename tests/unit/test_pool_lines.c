/* test_pool_lines.c - stdio daemons in the pool, with the fake runtime. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/pool_fixture.h"

static char heard[16][400]; /* what came to the front */
static int heard_count, rooms;

static void on_line(void *arg, struct daemon *d, const char *json, size_t n)
{
    (void)arg;
    (void)d;
    snprintf(heard[heard_count++ % 16], sizeof *heard, "%.*s", (int)n, json);
}

static void on_room(void *arg, struct daemon *d)
{
    (void)arg;
    (void)d;
    rooms++;
}

static void listen_too(void)
{
    heard_count = rooms = 0;
    pool_listen(pool, &(struct pool_listener){.on_line = on_line, .on_line_room = on_room});
}

static void lines_begin(const char *settings)
{
    begin(settings);
    listen_too();
}

/* The next pool over the same registry, which finds the daemon again. */
static void found_again(const struct daemon *d, int64_t given, int64_t taken)
{
    static char id[32];
    snprintf(id, sizeof id, "%s", d->id);
    fake.found_id = id;
    fake.found_port = 0;
    fake.found_transport = TRANSPORT_STDIO;
    fake.found_given = given;
    fake.found_taken = taken;
    snprintf(fake.found_project, sizeof fake.found_project, "%s", d->project->root);
    snprintf(fake.found_key, sizeof fake.found_key, "%s", d->project->key);
    snprintf(fake.found_server, sizeof fake.found_server, "%s", d->server);
    snprintf(fake.found_definition, sizeof fake.found_definition, "%s", d->definition);
    end();
    fake.count = fake.line_count = fake.shakes = 0;
}

static void go_on(void)
{
    create();
    listen_too();
    UNTIL(pool_is_synced(pool));
}

/* --- starting --- */

static void it_has_no_port_and_is_ready_after_its_handshake(void **state)
{
    (void)state;
    lines_begin("");
    struct daemon *d = ready("a", "lines");
    assert_int_equal(d->port, 0);
    assert_int_equal(d->transport, TRANSPORT_STDIO);
    assert_int_equal(fake.shakes, 1);
    assert_non_null(strstr(d->handshake, "protocolVersion"));
    assert_true(d->process == LAYER_OK && d->accepts == LAYER_OK && d->mcp == LAYER_OK);
    for (int i = 0; i < STEP_WARM; i++)
        assert_true(d->step_ms[i] >= 0);
    assert_int_equal(heard_count, 0);
}

static void one_that_refuses_has_failed_at_once(void **state)
{
    (void)state;
    lines_begin("");
    fake.is_quiet = true;
    struct daemon *d = slot("a", "lines");
    daemon_want(d, REASON_ENSURE, false);
    UNTIL(fake.line_count == 1);
    fake_line(life(d), "{\"jsonrpc\":\"2.0\",\"id\":\"poold.pool.initialize\",\"error\":{\"code\":"
                       "-32603,\"message\":\"not today\"}}");
    UNTIL(d->state == DAEMON_FAILED);
    assert_int_equal(d->reason, REASON_HANDSHAKE_FAILED);
    assert_non_null(strstr(d->detail, "not today"));
}

static void one_that_says_nothing_is_a_start_timeout(void **state)
{
    (void)state;
    lines_begin("\"startTimeoutSeconds\":1");
    fake.is_quiet = true;
    struct daemon *d = slot("a", "lines");
    daemon_want(d, REASON_ENSURE, false);
    UNTIL(d->state == DAEMON_FAILED);
    assert_int_equal(d->reason, REASON_START_TIMEOUT);
    assert_non_null(strstr(d->detail, "handshake was not answered"));
}

/* --- lines --- */

static void what_is_not_the_pools_own_reaches_the_front(void **state)
{
    (void)state;
    struct err err = {0};
    lines_begin("");
    struct daemon *d = ready("a", "lines");
    fake_line(life(d), "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":{}}\r");
    assert_string_equal(heard[0], "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":{}}");
    fake_line(life(d), "{\"jsonrpc\":\"2.0\",\"id\":\"poold.pool.9\",\"result\":{}}");
    fake_line(life(d), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}");
    fake_line(life(d), "rubbish");
    fake_line(life(d), "[]");
    assert_int_equal(heard_count, 1);
    int before = fake.line_count;
    assert_true(daemon_send_line(d, "{\"a\":1}", 7, &err));
    assert_string_equal(fake.lines[before % FAKE_LINES], "{\"a\":1}");
}

static void one_that_is_not_up_is_given_nothing(void **state)
{
    (void)state;
    struct err err = {0};
    lines_begin("");
    struct daemon *d = slot("a", "lines");
    assert_false(daemon_send_line(d, "{}", 2, &err));
    assert_int_equal(err.code, ERR_DAEMON_LOST);
    err_clear(&err);
    assert_false(daemon_send_line(ready("a", "web"), "{}", 2, &err));
    assert_int_equal(err.code, ERR_DAEMON_LOST);
}

static void room_is_told_to_the_front(void **state)
{
    (void)state;
    struct err err = {0};
    lines_begin("");
    struct daemon *d = ready("a", "lines");
    fake.is_full = true;
    assert_false(daemon_send_line(d, "{}", 2, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    fake.is_full = false;
    fake_say(life(d), RUN_ROOM);
    assert_int_equal(rooms, 1);
}

/* --- health --- */

static void one_that_does_not_read_is_shown_and_started_anew(void **state)
{
    (void)state;
    lines_begin("\"healthSeconds\":1");
    struct daemon *d = ready("a", "lines");
    char first[32];
    snprintf(first, sizeof first, "%s", d->id);
    fake.is_full = true;
    UNTIL(d->accepts == LAYER_FAILED);
    assert_non_null(strstr(d->cause, "does not read its standard input (1000 bytes wait)"));
    UNTIL(d->state == DAEMON_STOPPING);
    fake.is_full = false;
    UNTIL(d->state == DAEMON_READY);
    assert_string_not_equal(d->id, first);
    assert_int_equal(fake.shakes, 2);
}

static void what_it_says_is_a_sign_of_life(void **state)
{
    (void)state;
    lines_begin("\"healthSeconds\":1");
    struct daemon *d = ready("a", "lines");
    fake.is_quiet = true;
    for (int i = 0; i < 30; i++) {
        fake_line(life(d), "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}");
        turn(100);
    }
    assert_int_equal(d->mcp, LAYER_OK);
    UNTIL(d->mcp == LAYER_FAILED);
}

/* --- the next poold --- */

static void the_next_pool_goes_on_with_its_connection(void **state)
{
    (void)state;
    lines_begin("");
    found_again(ready("a", "lines"), 2, 1);
    fake.is_quiet = true;
    go_on();
    struct daemon *d = slot("a", "lines");
    assert_int_equal(d->state, DAEMON_READY);
    assert_non_null(strstr(d->handshake, "protocolVersion"));
    assert_int_equal(fake.shakes, 0);
    UNTIL(fake.line_count == 1);
    assert_non_null(strstr(fake.lines[0], "\"ping\""));
}

static void a_handshake_whose_answer_is_to_come_is_waited_for(void **state)
{
    (void)state;
    lines_begin("");
    fake.is_quiet = true;
    struct daemon *d = slot("a", "lines");
    daemon_want(d, REASON_ENSURE, false);
    UNTIL(fake.line_count == 1);
    found_again(d, 1, 0);
    go_on();
    d = slot("a", "lines");
    assert_int_equal(d->state, DAEMON_STARTING);
    fake_line(life(d), "{\"jsonrpc\":\"2.0\",\"id\":\"poold.pool.initialize\",\"result\":{"
                       "\"protocolVersion\":\"2025-11-25\"}}");
    UNTIL(d->state == DAEMON_READY);
    assert_int_equal(fake.line_count, 1);
    assert_non_null(strstr(fake.lines[0], "notifications/initialized"));
}

static void one_whose_handshake_nobody_knows_is_started_anew(void **state)
{
    (void)state;
    struct err err = {0};
    lines_begin("");
    struct daemon *d = ready("a", "lines");
    struct project *p = d->project;
    char key[128];
    snprintf(key, sizeof key, "%s", p->key);
    found_again(d, 2, 1);
    assert_true(registry_project_forget(registry, key, &err)); /* as a loss of the registry is */
    go_on();
    d = slot("a", "lines");
    assert_int_equal(d->state, DAEMON_STOPPING);
    assert_int_equal(d->reason, REASON_HANDSHAKE_LOST);
    UNTIL(d->state == DAEMON_READY);
    assert_string_not_equal(d->id, fake.found_id);
    assert_int_equal(fake.shakes, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(it_has_no_port_and_is_ready_after_its_handshake),
        CASE(one_that_refuses_has_failed_at_once),
        CASE(one_that_says_nothing_is_a_start_timeout),
        CASE(what_is_not_the_pools_own_reaches_the_front),
        CASE(one_that_is_not_up_is_given_nothing),
        CASE(room_is_told_to_the_front),
        CASE(one_that_does_not_read_is_shown_and_started_anew),
        CASE(what_it_says_is_a_sign_of_life),
        CASE(the_next_pool_goes_on_with_its_connection),
        CASE(a_handshake_whose_answer_is_to_come_is_waited_for),
        CASE(one_whose_handshake_nobody_knows_is_started_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
