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
    assert_int_equal(fake.line_count, 2); /* initialized, and the ping behind it */
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

/* --- private daemons --- */

static struct daemon *session_of(const char *name, const char *server)
{
    struct err err = {0};
    struct daemon *d = pool_slot_private(pool, project(name), server, &err);
    if (!d)
        fail_msg("%s", err_text(&err));
    daemon_sessions_add(d, 1);
    return d;
}

static void start_session(struct daemon *d)
{
    daemon_want(d, REASON_CALL, false);
    UNTIL(d->state == DAEMON_READY);
}

static void end_session(struct daemon *d)
{
    daemon_sessions_add(d, -1);
    daemon_release(d);
}

struct tally {
    int slots, spares, up;
};

static void tally_one(void *arg, struct daemon *d)
{
    struct tally *t = arg;
    t->slots++;
    t->spares += daemon_is_spare(d);
    t->up += daemon_is_up(d);
}

static struct tally tally(void)
{
    struct tally t = {0};
    pool_daemons_each(pool, tally_one, &t);
    return t;
}

static struct daemon *spare_found;

static void find_spare(void *arg, struct daemon *d)
{
    (void)arg;
    if (daemon_is_spare(d))
        spare_found = d;
}

/* Some spare, or NULL. */
static struct daemon *a_spare(void)
{
    spare_found = NULL;
    pool_daemons_each(pool, find_spare, NULL);
    return spare_found;
}

static void each_session_has_its_own(void **state)
{
    (void)state;
    lines_begin("");
    struct daemon *a = session_of("a", "own"), *b = session_of("a", "own");
    assert_ptr_not_equal(a, b);
    assert_true(a->is_private && b->is_private);
    assert_int_equal(a->instance, 1);
    assert_int_equal(b->instance, 2);
    assert_int_equal(a->state, DAEMON_DOWN);
    start_session(a);
    start_session(b);
    assert_int_equal(fake.count, 2);
    assert_int_equal(fake.shakes, 0); /* that is the client's */
    assert_null(a->handshake);
    assert_string_not_equal(daemon_log_path(a), daemon_log_path(b));
    fake_line(life(a), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"roots/list\"}");
    assert_int_equal(heard_count, 1);
}

static void the_shared_ones_are_not_for_one_session(void **state)
{
    (void)state;
    struct err err = {0};
    lines_begin("");
    assert_null(pool_slot_private(pool, project("a"), "lines", &err));
    assert_int_equal(err.code, ERR_CONFLICT);
}

static void it_goes_with_its_session_and_its_row_too(void **state)
{
    (void)state;
    lines_begin("");
    struct daemon *a = session_of("a", "own"), *b = session_of("a", "own");
    start_session(a);
    start_session(b);
    daemon_use_begin(a);
    end_session(a);
    assert_int_equal(a->state, DAEMON_STOPPING);
    daemon_want(a, REASON_CALL, true); /* too late */
    UNTIL(a->state == DAEMON_DOWN);
    turn(20);
    assert_int_equal(tally().slots, 2); /* its last flight has not been counted off */
    daemon_use_end(a);
    pool_wake(pool, NULL);
    UNTIL(tally().slots == 1);
    assert_int_equal(history("end", "session-over"), 1);
    assert_int_equal(session_of("a", "own")->instance, 1);
    end_session(b);
    UNTIL(tally().slots == 1);
}

static void one_that_never_started_goes_too(void **state)
{
    (void)state;
    lines_begin("");
    struct daemon *a = session_of("a", "own");
    turn(20);
    assert_int_equal(tally().slots, 1);
    end_session(a);
    UNTIL(tally().slots == 0);
}

static void after_its_idle_time_it_is_down_and_the_next_call_starts_it(void **state)
{
    (void)state;
    lines_begin("\"idleSeconds\":1");
    struct daemon *a = session_of("a", "own");
    start_session(a);
    UNTIL(a->state == DAEMON_DOWN);
    assert_int_equal(a->reason, REASON_IDLE);
    turn(50);
    start_session(a);
    assert_int_equal(fake.count, 2);
}

static void spares_are_made_when_a_session_has_its_own_and_not_before(void **state)
{
    (void)state;
    lines_begin("");
    struct daemon *a = session_of("a", "spared");
    turn(50);
    assert_int_equal(fake.count, 0); /* a health check is no reason */
    start_session(a);
    UNTIL(tally().up == 3);
    assert_int_equal(tally().spares, 2);
    assert_int_equal(history("start", "spare"), 2);
    assert_int_equal(fake.calls, 0); /* no warm-up before the client's handshake */
}

static void a_new_session_takes_a_warm_spare_and_another_is_made(void **state)
{
    (void)state;
    lines_begin("");
    start_session(session_of("a", "spared"));
    UNTIL(tally().up == 3);
    struct daemon *b = session_of("a", "spared");
    assert_int_equal(b->state, DAEMON_READY);
    assert_int_equal(tally().spares, 2);
    UNTIL(tally().up == 4);
    assert_int_equal(fake.count, 4);
    struct daemon *other = session_of("b", "spared"); /* of another project */
    assert_int_equal(other->state, DAEMON_DOWN);
}

static void nobody_goes_for_a_spare(void **state)
{
    (void)state;
    lines_begin("\"maxDaemons\":2");
    struct daemon *other = ready("b", "web"), *a = session_of("a", "spared");
    start_session(a);
    turn(50);
    assert_int_equal(fake.count, 2);
    assert_int_equal(other->state, DAEMON_READY);
}

static void a_spare_goes_for_anybody(void **state)
{
    (void)state;
    lines_begin("\"maxDaemons\":3");
    ready("b", "web");
    start_session(session_of("a", "spared"));
    UNTIL(tally().up == 3);
    struct daemon *c = slot("c", "web");
    daemon_want(c, REASON_CALL, false);
    UNTIL(c->state == DAEMON_READY);
    assert_int_equal(tally().spares, 0);
    assert_int_equal(tally().up, 3);
    assert_null(a_spare());
}

static void a_start_that_somebody_waits_for_goes_before_a_spare(void **state)
{
    (void)state;
    lines_begin("\"maxParallelStarts\":1");
    struct daemon *a = session_of("a", "spared"), *b = slot("b", "web"), *c = slot("c", "web");
    start_session(a);
    fake.is_automatic = false;
    UNTIL(fake.count == 2); /* one spare is starting, the other one waits */
    daemon_want(b, REASON_CALL, false);
    daemon_want(c, REASON_CALL, false);
    struct fake_life *spare = &fake.lives[1];
    assert_string_equal(spare->server, "spared");
    fake_say(spare, RUN_STARTED);
    UNTIL(fake.count == 3);
    assert_string_equal(fake.lives[2].server, "web");
    fake_exit(&fake.lives[2], 1, 0, "");
    UNTIL(fake.count == 4);
    assert_string_equal(fake.lives[3].server, "web");
    fake_exit(&fake.lives[3], 1, 0, "");
    UNTIL(fake.count == 5);
    assert_string_equal(fake.lives[4].server, "spared");
}

static void a_memory_budget_is_kept_before_spares_are_made(void **state)
{
    (void)state;
    lines_begin("\"memoryBudgetMiB\":100");
    fake.memory_bytes = (int64_t)60 * 1024 * 1024;
    struct daemon *a = session_of("a", "spared");
    a->memory_bytes = fake.memory_bytes; /* as of its last life */
    start_session(a);
    turn(50);
    assert_int_equal(fake.count, 1);
}

static void a_spare_that_does_not_start_is_not_tried_for_ever(void **state)
{
    (void)state;
    lines_begin("");
    struct daemon *a = session_of("a", "spared");
    start_session(a);
    UNTIL(tally().up == 3);
    fake.refuses_start = true;
    session_of("a", "spared");
    turn(100);
    assert_int_equal(history("fail", "exec-failed"), 1);
}

static void spares_stay_as_long_as_their_sessions_are_used(void **state)
{
    (void)state;
    lines_begin("\"idleSeconds\":1");
    struct daemon *a = session_of("a", "spared");
    start_session(a);
    UNTIL(tally().up == 3);
    for (int i = 0; i < 15; i++) {
        daemon_touch(a);
        turn(100);
    }
    assert_int_equal(tally().up, 3);
    UNTIL(tally().up == 0);
    UNTIL(tally().slots == 1); /* the session's stays */
    assert_int_equal(history("end", "idle"), 3);
}

static void ensure_of_a_private_server_is_a_spare_for_the_next_session(void **state)
{
    (void)state;
    lines_begin("");
    struct daemon *d = ready("a", "own");
    assert_int_equal(d->instance, 0);
    assert_true(daemon_is_spare(d));
    assert_ptr_equal(session_of("a", "own"), d);
    assert_false(daemon_is_spare(d));
    end_session(d);
    UNTIL(d->state == DAEMON_DOWN);
    UNTIL(daemon_is_spare(d)); /* its slot stays, for the next ensure */
    assert_int_equal(tally().slots, 1);
}

static void the_next_pool_gives_it_back_to_its_session_only(void **state)
{
    (void)state;
    lines_begin("");
    struct daemon *a = session_of("a", "own");
    start_session(a);
    fake.found_instance = 1;
    found_again(a, 5, 4);
    go_on();
    char id[32];
    snprintf(id, sizeof id, "%s", fake.found_id);
    struct daemon *other = session_of("a", "own");
    assert_string_not_equal(other->id, id);
    assert_null(pool_slot_private_of(pool, project("a"), "spared", id));
    assert_null(pool_slot_private_of(pool, project("b"), "own", id));
    struct daemon *again = pool_slot_private_of(pool, project("a"), "own", id);
    assert_non_null(again);
    assert_int_equal(again->state, DAEMON_READY);
    assert_int_equal(fake.shakes, 0);
    assert_null(pool_slot_private_of(pool, project("a"), "own", id)); /* it has it already */
}

static void one_that_no_session_came_back_for_goes_after_its_idle_time(void **state)
{
    (void)state;
    lines_begin("\"idleSeconds\":1");
    struct daemon *a = session_of("a", "own");
    start_session(a);
    fake.found_instance = 1;
    found_again(a, 5, 4);
    go_on();
    assert_int_equal(tally().up, 1);
    UNTIL(tally().slots == 0);
}

static void one_whose_session_nobody_knows_is_ended(void **state)
{
    (void)state;
    struct err err = {0};
    lines_begin("");
    struct daemon *a = session_of("a", "own");
    start_session(a);
    char key[128];
    snprintf(key, sizeof key, "%s", a->project->key);
    fake.found_instance = 1;
    found_again(a, 5, 4);
    assert_true(registry_project_forget(registry, key, &err));
    go_on();
    UNTIL(tally().slots == 0);
    assert_int_equal(fake.count, 1); /* only the one that was found */
    assert_int_equal(history("end", "handshake-lost"), 1);
}

static void another_definition_is_no_spare(void **state)
{
    (void)state;
    lines_begin("");
    struct daemon *spare = ready("a", "own");
    struct config *old = config;
    config = configure("", "\"mcpServers\":{\"web\":{\"command\":\"web\"},"
                           "\"own\":{\"command\":\"other\",\"share\":\"session\"}}");
    fake.is_automatic = false;
    pool_reconfigure(pool, config);
    config_free(old);
    struct daemon *d = session_of("a", "own");
    assert_ptr_not_equal(d, spare);
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
        CASE(each_session_has_its_own),
        CASE(the_shared_ones_are_not_for_one_session),
        CASE(it_goes_with_its_session_and_its_row_too),
        CASE(one_that_never_started_goes_too),
        CASE(after_its_idle_time_it_is_down_and_the_next_call_starts_it),
        CASE(spares_are_made_when_a_session_has_its_own_and_not_before),
        CASE(a_new_session_takes_a_warm_spare_and_another_is_made),
        CASE(nobody_goes_for_a_spare),
        CASE(a_spare_goes_for_anybody),
        CASE(a_start_that_somebody_waits_for_goes_before_a_spare),
        CASE(a_memory_budget_is_kept_before_spares_are_made),
        CASE(a_spare_that_does_not_start_is_not_tried_for_ever),
        CASE(spares_stay_as_long_as_their_sessions_are_used),
        CASE(ensure_of_a_private_server_is_a_spare_for_the_next_session),
        CASE(the_next_pool_gives_it_back_to_its_session_only),
        CASE(one_that_no_session_came_back_for_goes_after_its_idle_time),
        CASE(one_whose_session_nobody_knows_is_ended),
        CASE(another_definition_is_no_spare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
