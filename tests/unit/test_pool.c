/* test_pool.c - the pool with a fake runtime, a real loop and a registry of its own. */
#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/pool_fixture.h"

/* --- starting --- */

static void a_want_starts_it_and_it_is_ready_after_the_handshake(void **state)
{
    (void)state;
    begin("");
    fake.is_automatic = false;
    struct daemon *d = slot("a", NULL);
    assert_int_equal(d->state, DAEMON_DOWN);
    daemon_want(d, REASON_CALL, false);
    assert_int_equal(d->state, DAEMON_STARTING);
    UNTIL(fake.count == 1);
    assert_true(fake.was_row_there);
    assert_true(strlen(d->id) >= 16);
    assert_true(d->port >= 21000 && d->port <= 21999);
    assert_int_equal(atoi(life(d)->last_arg), d->port);
    fake_say(life(d), RUN_STARTED);
    turn(50);
    assert_int_equal(d->state, DAEMON_STARTING);
    assert_true(d->step_ms[STEP_SPAWNED] >= 0 && d->step_ms[STEP_PORT_OPEN] < 0);
    assert_int_equal(d->process, LAYER_OK);
    fake_say(life(d), RUN_TRY_NOW);
    UNTIL(d->state == DAEMON_READY);
    assert_true(daemon_is_up(d));
    assert_true(d->step_ms[STEP_HANDSHAKE] >= d->step_ms[STEP_PORT_OPEN]);
    assert_int_equal(d->mcp, LAYER_OK);
    assert_int_equal(d->accepts, LAYER_OK);
    assert_int_equal(d->useful, LAYER_UNKNOWN);
    assert_int_equal(history("start", "call"), 1);
    assert_int_equal(history("ready", "call"), 1);
    UNTIL(changes >= 3);
}

static void two_hundred_wants_make_one_daemon(void **state)
{
    (void)state;
    begin("");
    struct daemon *d = slot("a", NULL);
    for (int i = 0; i < 200; i++)
        daemon_want(d, REASON_ENSURE, false);
    UNTIL(d->state == DAEMON_READY);
    for (int i = 0; i < 10; i++)
        daemon_want(d, REASON_ENSURE, true);
    turn(50);
    assert_int_equal(fake.count, 1);
    assert_int_equal(d->generation, 1);
}

static void calls_that_wait_make_it_busy_from_the_start(void **state)
{
    (void)state;
    begin("");
    struct daemon *d = slot("a", NULL);
    daemon_use_begin(d);
    daemon_want(d, REASON_CALL, false);
    UNTIL(daemon_is_up(d));
    assert_int_equal(d->state, DAEMON_BUSY);
    daemon_use_end(d);
    assert_int_equal(d->state, DAEMON_READY);
}

static void starts_at_once_are_bounded(void **state)
{
    (void)state;
    begin("\"maxParallelStarts\":2");
    fake.is_automatic = false;
    struct daemon *d[4];
    const char *const names[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++) {
        d[i] = slot(names[i], NULL);
        daemon_want(d[i], REASON_ENSURE, false);
    }
    turn(50);
    assert_int_equal(fake.count, 2);
    fake_exit(life(d[0]), 1, 0, "");
    UNTIL(fake.count == 3);
    turn(50);
    assert_int_equal(fake.count, 3);
    assert_int_equal(d[3]->state, DAEMON_STARTING);
    assert_int_equal(d[3]->pid, 0);
}

static void a_stop_in_progress_is_waited_for_and_followed_by_a_start(void **state)
{
    (void)state;
    begin("");
    struct daemon *d = ready("a", NULL);
    fake.is_automatic = false;
    struct fake_life *first = life(d);
    daemon_stop(d, REASON_ASKED, false);
    assert_int_equal(d->state, DAEMON_STOPPING);
    assert_int_equal(first->stops, 1);
    daemon_want(d, REASON_CALL, false);
    assert_true(d->is_wanted);
    turn(50);
    assert_int_equal(fake.count, 1);
    fake_exit(first, 0, 0, "");
    UNTIL(fake.count == 2);
    assert_int_equal(d->generation, 2);
    assert_string_not_equal(first->id, life(d)->id);
    assert_int_equal(first->port, life(d)->port);
}

static void a_stop_after_a_want_is_a_stop(void **state)
{
    (void)state;
    begin("");
    struct daemon *d = ready("a", NULL);
    fake.is_automatic = false;
    daemon_stop(d, REASON_ASKED, false);
    daemon_want(d, REASON_CALL, false);
    daemon_stop(d, REASON_ASKED, false);
    fake_exit(life(d), 0, 0, "");
    turn(50);
    assert_int_equal(fake.count, 1);
    assert_int_equal(d->state, DAEMON_DOWN);
}

static void news_of_an_earlier_life_is_ignored(void **state)
{
    (void)state;
    begin("");
    struct daemon *d = ready("a", NULL);
    struct fake_life first = *life(d);
    daemon_restart(d, REASON_ASKED);
    UNTIL(d->generation == 2 && d->state == DAEMON_READY);
    fake_exit(&first, 1, 0, "late");
    turn(20);
    assert_int_equal(d->state, DAEMON_READY);
}

static void stopping_a_queued_start_just_drops_it(void **state)
{
    (void)state;
    begin("\"maxParallelStarts\":1");
    fake.is_automatic = false;
    struct daemon *a = slot("a", NULL), *b = slot("b", NULL);
    daemon_want(a, REASON_ENSURE, false);
    daemon_want(b, REASON_ENSURE, false);
    turn(30);
    daemon_stop(b, REASON_ASKED, false);
    assert_int_equal(b->state, DAEMON_DOWN);
    fake_exit(life(a), 1, 0, "");
    turn(30);
    assert_int_equal(fake.count, 1);
}

/* --- failing --- */

static void a_failed_start_is_remembered_and_backs_off(void **state)
{
    (void)state;
    begin("");
    fake.is_automatic = false;
    struct daemon *d = slot("a", NULL);
    daemon_want(d, REASON_ENSURE, false);
    UNTIL(fake.count == 1);
    fake_say(life(d), RUN_STARTED);
    fake_exit(life(d), 3, 0, "Traceback: no module");
    assert_int_equal(d->state, DAEMON_FAILED);
    assert_int_equal(d->reason, REASON_START_EXITED);
    assert_non_null(strstr(d->detail, "exit status 3"));
    assert_string_equal(d->tail, "Traceback: no module");
    int64_t wait_ms = d->retry_at_ms - clock_ms();
    assert_true(wait_ms > 800 && wait_ms <= 1000);
    daemon_want(d, REASON_CALL, false);
    assert_int_equal(d->state, DAEMON_FAILED);
    daemon_want(d, REASON_ENSURE, true);
    UNTIL(fake.count == 2);
    fake_exit(life(d), 3, 0, "");
    assert_int_equal(d->failures, 2);
    wait_ms = d->retry_at_ms - clock_ms();
    assert_true(wait_ms > 1800 && wait_ms <= 2000);
    assert_int_equal(history("fail", "start-exited"), 2);
    UNTIL(clock_ms() > d->retry_at_ms);
    fake.is_automatic = true;
    daemon_want(d, REASON_CALL, false);
    UNTIL(d->state == DAEMON_READY);
    assert_int_equal(d->failures, 0);
    assert_null(d->detail);
}

static void a_keeper_that_vanishes_during_a_start_is_a_failed_start(void **state)
{
    (void)state;
    begin("");
    fake.is_automatic = false;
    struct daemon *d = slot("a", NULL);
    daemon_want(d, REASON_ENSURE, false);
    UNTIL(fake.count == 1);
    fake_say(life(d), RUN_STARTED);
    fake_say(life(d), RUN_LOST);
    assert_int_equal(d->state, DAEMON_STOPPING);
    fake_exit(life(d), -1, 0, "");
    assert_int_equal(d->state, DAEMON_FAILED);
    assert_int_equal(d->reason, REASON_KEEPER_LOST);
    assert_int_equal(d->failures, 1);
}

static void a_command_that_does_not_exist_is_said_so(void **state)
{
    (void)state;
    begin("");
    fake.is_automatic = false;
    struct daemon *d = slot("a", NULL);
    daemon_want(d, REASON_ENSURE, false);
    UNTIL(fake.count == 1);
    pool_on_run_event(pool, &(struct run_event){.kind = RUN_EXITED,
                                                .daemon_id = d->id,
                                                .generation = d->generation,
                                                .exec_errno = 2,
                                                .exit_code = -1,
                                                .tail = ""});
    assert_int_equal(d->state, DAEMON_FAILED);
    assert_int_equal(d->reason, REASON_EXEC_FAILED);
    assert_non_null(strstr(d->detail, "No such file"));
}

static void a_start_that_cannot_be_prepared_fails_with_its_cause(void **state)
{
    (void)state;
    begin("");
    struct daemon *d = slot("a", "loose");
    daemon_want(d, REASON_ENSURE, false);
    UNTIL(d->state == DAEMON_FAILED);
    assert_non_null(strstr(d->detail, "NO_SUCH_WORD"));
    fake.refuses_start = true;
    d = slot("a", "web");
    daemon_want(d, REASON_ENSURE, false);
    UNTIL(d->state == DAEMON_FAILED);
    assert_string_equal(d->detail, "no more processes");
}

static void a_port_that_never_opens_is_a_start_timeout(void **state)
{
    (void)state;
    begin("\"startTimeoutSeconds\":1");
    fake.is_automatic = false;
    struct daemon *d = slot("a", NULL);
    daemon_want(d, REASON_ENSURE, false);
    UNTIL(fake.count == 1);
    fake_say(life(d), RUN_STARTED);
    UNTIL(d->state == DAEMON_STOPPING);
    daemon_want(d, REASON_CALL, false); /* joins the failure */
    fake_exit(life(d), -1, 15, "still loading");
    assert_int_equal(d->state, DAEMON_FAILED);
    assert_int_equal(d->reason, REASON_START_TIMEOUT);
    assert_non_null(strstr(d->detail, "nothing listened"));
    assert_string_equal(d->tail, "still loading");
}

static void an_open_port_without_handshake_is_a_start_timeout_too(void **state)
{
    (void)state;
    begin("\"startTimeoutSeconds\":1");
    fake.mcp = MCP_IS_SILENT;
    struct daemon *d = slot("a", NULL);
    daemon_want(d, REASON_ENSURE, false);
    UNTIL(d->state == DAEMON_FAILED);
    assert_int_equal(d->reason, REASON_START_TIMEOUT);
    assert_non_null(strstr(d->detail, "handshake was not answered"));
    fake.mcp = MCP_ANSWERS;
}

static void a_strangers_port_is_left_for_another_once(void **state)
{
    (void)state;
    begin("");
    fake.is_automatic = false;
    struct daemon *d = slot("a", NULL);
    daemon_want(d, REASON_ENSURE, false);
    UNTIL(fake.count == 1);
    int first = d->port;
    fake_say(life(d), RUN_STARTED);
    fake_say(life(d), RUN_PORT_TAKEN);
    assert_int_equal(d->state, DAEMON_STOPPING);
    fake_exit(life(d), -1, 15, "");
    UNTIL(fake.count == 2);
    assert_int_equal(d->state, DAEMON_STARTING);
    assert_int_not_equal(d->port, first);
    fake_say(life(d), RUN_PORT_TAKEN);
    fake_exit(life(d), -1, 15, "");
    assert_int_equal(d->state, DAEMON_FAILED);
    assert_int_equal(d->reason, REASON_PORT_TAKEN);
    assert_int_equal(fake.count, 2);
}

static void a_crash_of_a_ready_daemon_is_history_and_the_next_want_starts(void **state)
{
    (void)state;
    begin("");
    struct daemon *d = ready("a", NULL);
    fake_exit(life(d), -1, 9, "last words");
    assert_int_equal(d->state, DAEMON_DOWN);
    assert_int_equal(d->reason, REASON_CRASHED);
    assert_non_null(strstr(d->detail, "signal 9"));
    assert_string_equal(d->tail, "last words");
    assert_int_equal(history("end", "crashed"), 1);
    turn(30);
    assert_int_equal(fake.count, 1);
    daemon_want(d, REASON_CALL, false);
    UNTIL(d->state == DAEMON_READY);
    assert_null(d->tail);
}

static void a_crash_loop_runs_into_the_back_off(void **state)
{
    (void)state;
    begin("");
    struct daemon *d = NULL;
    for (int i = 0; i < 3; i++) {
        d = ready("a", NULL);
        fake_exit(life(d), -1, 11, "");
        assert_int_equal(d->state, i < 2 ? DAEMON_DOWN : DAEMON_FAILED);
    }
    int64_t wait_ms = d->retry_at_ms - clock_ms();
    assert_true(wait_ms > 800 && wait_ms <= 1000);
    daemon_want(d, REASON_ENSURE, true);
    UNTIL(d->state == DAEMON_READY);
    fake_exit(life(d), -1, 11, "");
    assert_int_equal(d->state, DAEMON_FAILED);
    assert_true(d->retry_at_ms - clock_ms() > 1800);
}

static void a_lost_keeper_means_ended_and_started_anew(void **state)
{
    (void)state;
    begin("");
    struct daemon *d = ready("a", NULL);
    fake_say(life(d), RUN_LOST);
    assert_int_equal(d->state, DAEMON_STOPPING);
    assert_false(daemon_is_up(d));
    fake_exit(life(d), -1, 0, "");
    UNTIL(d->state == DAEMON_READY);
    assert_int_equal(d->generation, 2);
    assert_int_equal(history("end", "keeper-lost"), 1);
    assert_int_equal(history("start", "revived"), 1);
}

static void a_dying_daemon_is_given_nothing_and_followed_by_the_next_when_it_is_gone(void **state)
{
    (void)state;
    begin("");
    struct daemon *d = ready("a", NULL);
    fake_say(life(d), RUN_ENDING);
    assert_int_equal(d->state, DAEMON_STOPPING);
    assert_false(daemon_is_up(d));
    daemon_want(d, REASON_CALL, false);
    assert_int_equal(fake.count, 1);
    fake_exit(life(d), -1, 9, "");
    UNTIL(d->state == DAEMON_READY);
    assert_int_equal(d->generation, 2);
    assert_int_equal(history("end", "crashed"), 1);
}

/* --- going --- */

static void an_idle_daemon_goes_after_its_time_and_not_before(void **state)
{
    (void)state;
    begin("\"idleSeconds\":1");
    struct daemon *d = ready("a", NULL);
    daemon_use_begin(d);
    turn(1300);
    assert_int_equal(d->state, DAEMON_BUSY);
    daemon_use_end(d);
    int64_t rest_ms = clock_ms();
    const char *why;
    int64_t left_ms = daemon_evict_in_ms(d, &why);
    assert_true(left_ms > 900 && left_ms <= 1000);
    UNTIL(d->state == DAEMON_DOWN);
    assert_true(clock_ms() - rest_ms >= 990);
    assert_int_equal(d->reason, REASON_IDLE);
    assert_int_equal(daemon_evict_in_ms(d, &why), -1);
    assert_string_equal(why, "down");
}

static void a_pinned_or_kept_daemon_does_not_go_by_idleness(void **state)
{
    (void)state;
    begin("\"idleSeconds\":1");
    struct err err = {0};
    struct daemon *pinned = ready("a", NULL), *kept = ready("b", "kept");
    assert_true(daemon_pin(pinned, true, &err));
    turn(1300);
    assert_int_equal(pinned->state, DAEMON_READY);
    assert_int_equal(kept->state, DAEMON_READY);
    assert_true(daemon_pin(pinned, false, &err));
    UNTIL(pinned->state == DAEMON_DOWN);
}

static bool is_held_by_test;
static bool is_held(void *arg, const struct daemon *d)
{
    (void)arg;
    (void)d;
    return is_held_by_test;
}

static void a_pin_before_the_first_start_outlives_poold(void **state)
{
    (void)state;
    begin("\"idleSeconds\":1");
    struct err err = {0};
    struct daemon *d = slot("a", NULL);
    assert_true(daemon_pin(d, true, &err));
    assert_int_equal(d->state, DAEMON_DOWN);
    end();
    create();
    UNTIL(pool_is_synced(pool));
    assert_true(slot("a", NULL)->is_pinned);
    assert_int_equal(history("end", "gone-while-away"), 0);
    d = ready("a", NULL);
    turn(1200);
    assert_int_equal(d->state, DAEMON_READY);
    assert_int_equal(d->generation, 1);
}

static void how_long_a_start_usually_takes_is_remembered(void **state)
{
    (void)state;
    begin("");
    struct daemon *d = slot("a", NULL);
    struct err err = {0};
    const int64_t took[] = {90, 2000, 100, 110, 95};
    for (int i = 0; i < 5; i++) {
        const struct history_row row = {.project_key = d->project->key,
                                        .server = "web",
                                        .daemon_id = "x",
                                        .event = "ready",
                                        .reason = "call",
                                        .detail = "",
                                        .took_ms = took[i]};
        assert_true(registry_history_add(registry, &row, 100, &err));
    }
    fake.is_automatic = false;
    daemon_want(d, REASON_CALL, false);
    UNTIL(fake.count == 1);
    assert_int_equal(d->usual_start_ms, 100);
}

static void a_subscription_holds_it(void **state)
{
    (void)state;
    begin("\"idleSeconds\":1");
    pool_listen(pool, &(struct pool_listener){.is_held = is_held});
    is_held_by_test = true;
    struct daemon *d = ready("a", NULL);
    const char *why;
    assert_int_equal(daemon_evict_in_ms(d, &why), -1);
    assert_string_equal(why, "held by a subscription");
    turn(1200);
    assert_int_equal(d->state, DAEMON_READY);
    is_held_by_test = false;
}

static void a_full_pool_lets_the_least_recently_used_idle_one_go(void **state)
{
    (void)state;
    begin("\"maxDaemons\":2");
    struct daemon *a = ready("a", NULL), *b = ready("b", NULL), *c = slot("c", NULL);
    turn(5);
    daemon_touch(a);
    daemon_want(c, REASON_CALL, false);
    UNTIL(c->state == DAEMON_READY);
    assert_int_equal(b->state, DAEMON_DOWN);
    assert_int_equal(b->reason, REASON_POOL_FULL);
    assert_int_equal(a->state, DAEMON_READY);
}

static void a_full_pool_of_busy_daemons_lets_the_start_wait(void **state)
{
    (void)state;
    begin("\"maxDaemons\":2");
    struct daemon *a = ready("a", NULL), *b = ready("b", NULL), *c = slot("c", NULL);
    struct err err = {0};
    daemon_use_begin(a);
    assert_true(daemon_pin(b, true, &err));
    daemon_want(c, REASON_CALL, false);
    UNTIL(c->detail != NULL);
    assert_non_null(strstr(c->detail, "pool is full"));
    turn(50);
    assert_int_equal(c->state, DAEMON_STARTING);
    assert_int_equal(fake.count, 2);
    daemon_use_end(a);
    UNTIL(c->state == DAEMON_READY);
    assert_null(c->detail);
    assert_int_equal(a->state, DAEMON_DOWN);
    assert_int_equal(b->state, DAEMON_READY);
}

static void above_the_memory_budget_idle_ones_go(void **state)
{
    (void)state;
    begin("\"memoryBudgetMiB\":100");
    struct daemon *a = ready("a", NULL), *b = ready("b", NULL);
    daemon_use_begin(a);
    fake.memory_bytes = 60 * 1024 * 1024;
    UNTIL(b->state == DAEMON_DOWN);
    assert_int_equal(b->reason, REASON_MEMORY);
    assert_int_equal(a->state, DAEMON_BUSY);
    assert_int_equal(a->memory_bytes, fake.memory_bytes);
}

static void a_stop_that_was_asked_for_waits_for_calls(void **state)
{
    (void)state;
    begin("");
    struct daemon *d = ready("a", NULL);
    daemon_use_begin(d);
    daemon_stop(d, REASON_ASKED, false);
    assert_int_equal(d->state, DAEMON_DRAINING);
    assert_false(daemon_is_up(d));
    daemon_use_begin(d); /* one that waits for the next life */
    daemon_want(d, REASON_CALL, false);
    turn(50);
    assert_int_equal(d->state, DAEMON_DRAINING);
    daemon_use_end(d);
    UNTIL(d->generation == 2 && daemon_is_up(d));
    assert_int_equal(d->state, DAEMON_BUSY);
    assert_int_equal(history("end", "asked"), 1);
    daemon_use_end(d);
}

static void draining_ends_after_its_time(void **state)
{
    (void)state;
    begin("\"drainSeconds\":1");
    struct daemon *d = ready("a", NULL);
    daemon_use_begin(d);
    daemon_stop(d, REASON_ASKED, false);
    assert_int_equal(d->state, DAEMON_DRAINING);
    UNTIL(d->state == DAEMON_DOWN);
    assert_int_equal(d->reason, REASON_ASKED);
    daemon_use_end(d);
    assert_int_equal(d->in_flight, 0);
}

static void done(void *arg)
{
    *(bool *)arg = true;
}

static void stop_all_ends_everything_and_says_when(void **state)
{
    (void)state;
    begin("");
    struct daemon *a = ready("a", NULL), *b = ready("b", NULL);
    bool is_done = false;
    pool_stop_all(pool, REASON_SHUTDOWN, done, &is_done);
    daemon_want(a, REASON_CALL, false);
    UNTIL(is_done);
    assert_int_equal(a->state, DAEMON_DOWN);
    assert_int_equal(b->state, DAEMON_DOWN);
    daemon_want(b, REASON_CALL, false);
    assert_int_equal(b->state, DAEMON_DOWN);
}

static void a_forgotten_project_is_gone_with_its_daemons(void **state)
{
    (void)state;
    begin("");
    struct err err = {0};
    struct daemon *d = ready("a", NULL);
    struct project *p = d->project;
    char *key = xstrdup(p->key);
    struct fake_life *l = life(d);
    assert_true(pool_forget(pool, p, &err));
    assert_null(pool_project_by_key(pool, key));
    UNTIL(!l->is_running);
    turn(20);
    assert_null(pool_daemon_by_id(pool, l->id));
    d = ready("a", NULL); /* and may come again */
    assert_string_equal(d->project->key, key);
    free(key);
}

/* --- another definition --- */

static void another_definition_restarts_it_when_it_is_idle(void **state)
{
    (void)state;
    begin("");
    struct daemon *d = ready("a", NULL), *busy = ready("b", NULL);
    daemon_use_begin(busy);
    struct config *old = config;
    config = configure("", "\"mcpServers\":{\"web\":{\"command\":\"web\",\"args\":[\"-v\","
                           "\"${POOLD_PORT}\"],\"type\":\"http\"}}");
    pool_reconfigure(pool, config);
    config_free(old);
    UNTIL(d->generation == 2 && d->state == DAEMON_READY);
    assert_int_equal(history("end", "definition-changed"), 1);
    assert_int_equal(busy->generation, 1);
    daemon_use_end(busy);
    UNTIL(busy->generation == 2 && busy->state == DAEMON_READY);
}

static void a_server_that_is_no_longer_configured_only_stops(void **state)
{
    (void)state;
    begin("");
    struct daemon *d = ready("a", "kept");
    struct config *old = config;
    config = configure("", "\"mcpServers\":{\"web\":{\"command\":\"web\",\"args\":["
                           "\"${POOLD_PORT}\"],\"type\":\"http\"}}");
    pool_reconfigure(pool, config);
    config_free(old);
    UNTIL(d->state == DAEMON_DOWN);
    turn(30);
    assert_int_equal(fake.count, 1);
}

static void trust_changes_only_what_runs_on_our_serena(void **state)
{
    (void)state;
    struct err err = {0};
    config = configure("", "\"mcpServers\":{\"web\":{\"command\":\"web\",\"args\":["
                           "\"${POOLD_PORT}\"],\"type\":\"http\"},\"own\":{\"command\":"
                           "\"own\",\"args\":[\"${POOLD_PORT}\"],\"env\":{\"HOME_OF_IT\":"
                           "\"${POOLD_SERENA_HOME}\"},\"type\":\"http\"}}");
    mkdir(scratch_path("kit"), 0700);
    mkdir(scratch_path("kit/bin"), 0700);
    int fd = open(scratch_path("kit/bin/serena"), O_CREAT | O_WRONLY | O_CLOEXEC, 0700);
    assert_true(fd >= 0);
    close(fd);
    setenv("POOLD_SERENA_DIR", scratch_path("kit"), 1);
    create();
    UNTIL(pool_is_synced(pool));
    struct daemon *web = ready("a", "web"), *own = ready("a", "own");
    assert_false(own->project->is_trusted);
    assert_true(pool_trust(pool, own->project, true, NULL, &err));
    UNTIL(own->generation == 2 && own->state == DAEMON_READY);
    assert_int_equal(web->generation, 1);
    assert_int_equal(history("end", "definition-changed"), 1);
    assert_true(own->project->is_trusted);
    unsetenv("POOLD_SERENA_DIR");
}

/* --- adoption --- */

static void a_daemon_of_the_last_poold_is_ready_at_once(void **state)
{
    (void)state;
    begin("");
    struct daemon *d = ready("a", NULL);
    char id[32];
    snprintf(id, sizeof id, "%s", d->id);
    fake.found_id = id;
    fake.found_port = d->port;
    snprintf(fake.found_project, sizeof fake.found_project, "%s", d->project->root);
    snprintf(fake.found_key, sizeof fake.found_key, "%s", d->project->key);
    snprintf(fake.found_server, sizeof fake.found_server, "%s", d->server);
    snprintf(fake.found_definition, sizeof fake.found_definition, "%s", d->definition);
    end();
    fake.count = 0;
    fake.mcp = MCP_IS_SILENT; /* it is busy, say: no reason to wait */
    create();
    UNTIL(pool_is_synced(pool));
    d = slot("a", NULL);
    assert_int_equal(d->state, DAEMON_READY);
    assert_string_equal(d->id, id);
    assert_int_equal(d->generation, 7);
    assert_int_equal(d->reason, REASON_ADOPTED);
    assert_int_equal(history("adopt", "adopted"), 1);
    fake.mcp = MCP_ANSWERS;
}

static void after_a_loss_of_the_registry_all_is_rebuilt_from_what_runs(void **state)
{
    (void)state;
    mkdir(scratch_path("a"), 0700);
    fake.found_id = "abcdefghijklmnop";
    fake.found_port = 21777;
    snprintf(fake.found_project, sizeof fake.found_project, "%s", scratch_path("a"));
    snprintf(fake.found_key, sizeof fake.found_key, "a-key");
    snprintf(fake.found_server, sizeof fake.found_server, "web");
    begin("");
    struct daemon *d = pool_daemon_by_id(pool, "abcdefghijklmnop");
    assert_non_null(d);
    assert_string_equal(d->project->root, scratch_path("a"));
    UNTIL(fake.shakes > 0);
    assert_int_equal(registry_lease_of(registry, d->project->key, "web"), 21777);
    /* Its definition is unknown: it is replaced by what is configured, on the same port. */
    UNTIL(d->generation == 8 && d->state == DAEMON_READY);
    assert_int_equal(d->port, 21777);
}

static void a_daemon_that_is_not_found_again_is_gone_while_away(void **state)
{
    (void)state;
    begin("");
    ready("a", NULL);
    end();
    fake.count = 0;
    create();
    UNTIL(pool_is_synced(pool));
    struct daemon *d = slot("a", NULL);
    assert_int_equal(d->state, DAEMON_DOWN);
    assert_int_equal(d->reason, REASON_GONE_WHILE_AWAY);
    assert_int_equal(history("end", "gone-while-away"), 1);
    daemon_want(d, REASON_CALL, false);
    UNTIL(d->state == DAEMON_READY);
    assert_int_equal(d->generation, 2);
}

static void a_want_before_adoption_is_complete_waits_for_it(void **state)
{
    (void)state;
    config = configure("", NULL);
    create();
    struct daemon *d = slot("a", NULL);
    daemon_want(d, REASON_CALL, false);
    assert_int_equal(fake.count, 0);
    UNTIL(d->state == DAEMON_READY);
    assert_true(pool_is_synced(pool));
    assert_int_equal(fake.count, 1);
}

/* --- health --- */

static void the_warm_up_shows_whether_tools_work(void **state)
{
    (void)state;
    begin("");
    fake.mcp = MCP_TOOL_FAILS;
    struct daemon *d = ready("a", "warm");
    UNTIL(d->useful == LAYER_FAILED);
    assert_true(str_starts(d->cause, "Error executing tool find: no language server"));
    assert_int_equal(d->mcp, LAYER_OK);
    assert_int_equal(d->state, DAEMON_READY);
    fake.mcp = MCP_ANSWERS;
    daemon_warm(d);
    UNTIL(d->useful == LAYER_OK);
    assert_null(d->cause);
    assert_int_equal(fake.calls, 2);
    daemon_warm(d);
    turn(30);
    assert_int_equal(fake.calls, 2);
}

static void the_warm_up_never_delays_a_call(void **state)
{
    (void)state;
    begin("");
    struct daemon *d = slot("a", "warm");
    daemon_use_begin(d);
    daemon_want(d, REASON_CALL, false);
    UNTIL(d->state == DAEMON_BUSY);
    turn(50);
    assert_int_equal(fake.calls, 0);
    daemon_use_end(d);
    UNTIL(d->useful == LAYER_OK);
    assert_int_equal(fake.calls, 1);
}

static void see_mcp(void *arg, struct daemon *d)
{
    *(enum layer *)arg = d->mcp;
}

static void a_listing_shows_a_stopped_process_at_once(void **state)
{
    (void)state;
    begin("");
    enum layer mcp;
    ready("a", NULL);
    pool_daemons_each(pool, see_mcp, &mcp);
    assert_int_equal(mcp, LAYER_OK);
    fake.is_stopped = true;
    pool_daemons_each(pool, see_mcp, &mcp);
    assert_int_equal(mcp, LAYER_FAILED);
}

static void a_stopped_process_is_shown_with_the_way_out(void **state)
{
    (void)state;
    begin("\"healthSeconds\":1");
    struct daemon *d = ready("a", NULL);
    fake.is_stopped = true;
    UNTIL(d->mcp == LAYER_FAILED);
    assert_non_null(strstr(d->cause, "SIGSTOP"));
    assert_non_null(strstr(d->cause, "kill -CONT 4711"));
    assert_int_equal(d->accepts, LAYER_OK);
    assert_int_equal(d->state, DAEMON_READY);
    fake.is_stopped = false;
    UNTIL(d->mcp == LAYER_OK);
    assert_null(d->cause);
}

static void a_daemon_that_cannot_be_reached_is_started_anew(void **state)
{
    (void)state;
    begin("");
    struct daemon *d = ready("a", NULL);
    fake.mcp = MCP_UNREACHABLE;
    daemon_suspect(d);
    UNTIL(d->accepts == LAYER_FAILED);
    UNTIL(d->state != DAEMON_READY);
    fake.mcp = MCP_ANSWERS;
    UNTIL(d->generation == 2 && d->state == DAEMON_READY);
    assert_int_equal(history("end", "unresponsive"), 1);
    assert_int_equal(history("start", "revived"), 1);
}

static void one_with_a_call_in_flight_is_not_given_up(void **state)
{
    (void)state;
    begin("");
    struct daemon *d = ready("a", NULL);
    daemon_use_begin(d);
    fake.mcp = MCP_UNREACHABLE;
    daemon_suspect(d);
    UNTIL(slot_of(d)->pings_lost > 3);
    assert_int_equal(d->state, DAEMON_BUSY);
    assert_int_equal(d->generation, 1);
    fake.mcp = MCP_ANSWERS;
    UNTIL(d->mcp == LAYER_OK);
    daemon_use_end(d);
}

/* --- environment --- */

static void the_environment_is_the_same_whoever_asks(void **state)
{
    (void)state;
    setenv("STRAY_VARIABLE", "1", 1);
    setenv("LC_TIME", "C", 1);
    begin("");
    struct daemon *d = ready("a", NULL);
    struct strv argv = {0}, env = {0};
    struct err err = {0};
    char *cwd = NULL;
    assert_true(daemon_describe(d, &argv, &env, &cwd, &err));
    assert_string_equal(argv.items[0], "web");
    assert_int_equal(atoi(argv.items[1]), d->port);
    assert_string_equal(cwd, d->project->root);
    assert_string_equal(strv_env_get(&env, "POOLD_PROJECT"), d->project->root);
    assert_string_equal(strv_env_get(&env, "POOLD_PROJECT_KEY"), d->project->key);
    assert_string_equal(strv_env_get(&env, "POOLD_SERVER"), "web");
    assert_string_equal(strv_env_get(&env, "LC_TIME"), "C");
    assert_non_null(strv_env_get(&env, "PATH"));
    assert_null(strv_env_get(&env, "STRAY_VARIABLE"));
    strv_finish(&argv);
    strv_finish(&env);
    free(cwd);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_want_starts_it_and_it_is_ready_after_the_handshake),
        CASE(two_hundred_wants_make_one_daemon),
        CASE(calls_that_wait_make_it_busy_from_the_start),
        CASE(starts_at_once_are_bounded),
        CASE(a_stop_in_progress_is_waited_for_and_followed_by_a_start),
        CASE(a_stop_after_a_want_is_a_stop),
        CASE(news_of_an_earlier_life_is_ignored),
        CASE(stopping_a_queued_start_just_drops_it),
        CASE(a_failed_start_is_remembered_and_backs_off),
        CASE(a_keeper_that_vanishes_during_a_start_is_a_failed_start),
        CASE(a_command_that_does_not_exist_is_said_so),
        CASE(a_start_that_cannot_be_prepared_fails_with_its_cause),
        CASE(a_port_that_never_opens_is_a_start_timeout),
        CASE(an_open_port_without_handshake_is_a_start_timeout_too),
        CASE(a_strangers_port_is_left_for_another_once),
        CASE(a_crash_of_a_ready_daemon_is_history_and_the_next_want_starts),
        CASE(a_crash_loop_runs_into_the_back_off),
        CASE(a_lost_keeper_means_ended_and_started_anew),
        CASE(a_dying_daemon_is_given_nothing_and_followed_by_the_next_when_it_is_gone),
        CASE(an_idle_daemon_goes_after_its_time_and_not_before),
        CASE(a_pinned_or_kept_daemon_does_not_go_by_idleness),
        CASE(a_pin_before_the_first_start_outlives_poold),
        CASE(how_long_a_start_usually_takes_is_remembered),
        CASE(a_subscription_holds_it),
        CASE(a_full_pool_lets_the_least_recently_used_idle_one_go),
        CASE(a_full_pool_of_busy_daemons_lets_the_start_wait),
        CASE(above_the_memory_budget_idle_ones_go),
        CASE(a_stop_that_was_asked_for_waits_for_calls),
        CASE(draining_ends_after_its_time),
        CASE(stop_all_ends_everything_and_says_when),
        CASE(a_forgotten_project_is_gone_with_its_daemons),
        CASE(another_definition_restarts_it_when_it_is_idle),
        CASE(a_server_that_is_no_longer_configured_only_stops),
        CASE(trust_changes_only_what_runs_on_our_serena),
        CASE(a_daemon_of_the_last_poold_is_ready_at_once),
        CASE(after_a_loss_of_the_registry_all_is_rebuilt_from_what_runs),
        CASE(a_daemon_that_is_not_found_again_is_gone_while_away),
        CASE(a_want_before_adoption_is_complete_waits_for_it),
        CASE(the_warm_up_shows_whether_tools_work),
        CASE(the_warm_up_never_delays_a_call),
        CASE(a_listing_shows_a_stopped_process_at_once),
        CASE(a_stopped_process_is_shown_with_the_way_out),
        CASE(a_daemon_that_cannot_be_reached_is_started_anew),
        CASE(one_with_a_call_in_flight_is_not_given_up),
        CASE(the_environment_is_the_same_whoever_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
