/* tests/unit/test_registry.c - the rows of the registry and its transactions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "base/caps.h"
#include "registry/registry.h"
#include "tests/unit/scratch.h"

#include <errno.h>
#include <sys/stat.h>

static struct registry *reg;

static struct registry *open_at(const char *file)
{
    struct registry *r = NULL;
    char *damaged = NULL;
    struct err err = {0};
    if (!registry_open(file, &r, &damaged, &err))
        fail_msg("%s", err_text(&err));
    assert_null(damaged);
    return r;
}

static int open_new(void **state)
{
    int rc = scratch_make(state);
    reg = rc ? NULL : open_at(scratch_path("registry.db"));
    return rc;
}

static int close_all(void **state)
{
    registry_close(reg);
    reg = NULL;
    return scratch_remove(state);
}

static void reopen(void)
{
    registry_close(reg);
    reg = open_at(scratch_path("registry.db"));
}

/* The call passes &why as its err. */
#define WORKS(call)                                                                              \
    do {                                                                                         \
        struct err why = {0};                                                                    \
        if (!(call))                                                                             \
            fail_msg("%s: %s", #call, err_text(&why));                                           \
    } while (0)

static void put_project(const char *key, const char *root)
{
    WORKS(registry_project_put(reg,
                               &(struct project_row){.key = key, .root = root,
                                                     .first_unix_ms = 10, .last_unix_ms = 20},
                               &why));
}

struct seen {
    int count;
    struct project_row project;
    struct daemon_row daemon;
    char texts[2000];
};

static void see_project(void *arg, const struct project_row *row)
{
    struct seen *seen = arg;
    seen->count++;
    seen->project = *row;
    size_t n = strlen(seen->texts);
    snprintf(seen->texts + n, sizeof seen->texts - n, "%s=%s ", row->key, row->root);
}

static struct seen projects(void)
{
    struct seen seen = {0};
    WORKS(registry_projects(reg, see_project, &seen, &why));
    return seen;
}

static void a_project_is_kept_over_a_restart(void **state)
{
    (void)state;
    put_project("b-2", "/b");
    put_project("a-1", "/a");
    reopen();
    struct seen seen = projects();
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.texts, "a-1=/a b-2=/b ");
    assert_int_equal(seen.project.first_unix_ms, 10);
    assert_int_equal(seen.project.last_unix_ms, 20);
}

static void a_second_put_changes_last_use_but_not_trust(void **state)
{
    (void)state;
    put_project("a-1", "/a");
    WORKS(registry_project_trust(reg, "/a", true, "abc", &why));
    struct project_row again = {.key = "a-1", .root = "/a", .first_unix_ms = 70,
                                .last_unix_ms = 80};
    WORKS(registry_project_put(reg, &again, &why));
    struct seen seen = projects();
    assert_int_equal(seen.count, 1);
    assert_true(seen.project.is_trusted);
    assert_int_equal(seen.project.first_unix_ms, 10);
    assert_int_equal(seen.project.last_unix_ms, 80);
}

static void trust_does_not_move_to_another_directory(void **state)
{
    (void)state;
    put_project("a-1", "/a");
    WORKS(registry_project_trust(reg, "/a", true, "abc", &why));
    put_project("a-1", "/elsewhere");
    assert_false(projects().project.is_trusted);
}

static void trust_in_an_unknown_project_is_not_found(void **state)
{
    (void)state;
    struct err err = {0};
    assert_false(registry_project_trust(reg, "/nowhere", true, "abc", &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    err_clear(&err);
    assert_false(registry_project_forget(reg, "nothing", &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static struct daemon_row daemon_of(const char *project, const char *id)
{
    return (struct daemon_row){
        .id = id, .project_key = project, .server = "serena", .generation = 3, .state = "ready",
        .transport = "http", .definition = "0123456789abcdef", .port = 21005, .pid = 77,
        .keeper_pid = 76, .started_unix_ms = 100, .ready_unix_ms = 200, .ended_unix_ms = 0,
        .reason = "call", .detail = "in words", .handshake = "{}", .is_pinned = true};
}

static void see_daemon(void *arg, const struct daemon_row *row)
{
    struct seen *seen = arg;
    seen->count++;
    seen->daemon = *row;
    snprintf(seen->texts, sizeof seen->texts, "%s %s %s %s %s %s %s %s%s", row->id,
             row->project_key, row->server, row->state, row->transport, row->definition,
             row->reason, row->detail, row->handshake);
}

static void a_daemon_row_comes_back_as_it_was_put(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct daemon_row row = daemon_of("a-1", "life-3");
    put_project("a-1", "/a");
    WORKS(registry_daemon_put(reg, &row, &why));
    reopen();
    WORKS(registry_daemons(reg, see_daemon, &seen, &why));
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.texts,
                        "life-3 a-1 serena ready http 0123456789abcdef call in words{}");
    assert_int_equal(seen.daemon.generation, 3);
    assert_int_equal(seen.daemon.port, 21005);
    assert_int_equal(seen.daemon.pid, 77);
    assert_int_equal(seen.daemon.keeper_pid, 76);
    assert_int_equal(seen.daemon.started_unix_ms, 100);
    assert_int_equal(seen.daemon.ready_unix_ms, 200);
    assert_int_equal(seen.daemon.ended_unix_ms, 0);
    assert_true(seen.daemon.is_pinned);
}

static void several_instances_have_rows_of_their_own_until_they_are_dropped(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct daemon_row row = daemon_of("a-1", "life-1");
    put_project("a-1", "/a");
    WORKS(registry_daemon_put(reg, &row, &why));
    row.id = "life-2";
    row.instance = 2;
    row.is_taken = true;
    WORKS(registry_daemon_put(reg, &row, &why));
    WORKS(registry_daemons(reg, see_daemon, &seen, &why));
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.daemon.instance, 2);
    assert_true(seen.daemon.is_taken);
    row.is_taken = false;
    WORKS(registry_daemon_put(reg, &row, &why));
    seen.count = 0;
    WORKS(registry_daemons(reg, see_daemon, &seen, &why));
    assert_false(seen.daemon.is_taken);
    WORKS(registry_daemon_drop(reg, "a-1", "serena", 2, &why));
    seen.count = 0;
    WORKS(registry_daemons(reg, see_daemon, &seen, &why));
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.daemon.instance, 0);
}

static void the_next_life_takes_the_place_of_the_last(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct daemon_row row = daemon_of("a-1", "life-3");
    put_project("a-1", "/a");
    WORKS(registry_daemon_put(reg, &row, &why));
    row.id = "life-4";
    row.generation = 4;
    row.is_pinned = false;
    row.detail = NULL;
    WORKS(registry_daemon_put(reg, &row, &why));
    WORKS(registry_daemons(reg, see_daemon, &seen, &why));
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.daemon.generation, 4);
    assert_false(seen.daemon.is_pinned);
    assert_string_equal(seen.texts, "life-4 a-1 serena ready http 0123456789abcdef call {}");
}

static void a_state_that_is_none_and_an_unknown_project_are_refused(void **state)
{
    (void)state;
    struct err err = {0};
    struct daemon_row row = daemon_of("a-1", "life-3");
    assert_false(registry_daemon_put(reg, &row, &err));
    assert_int_equal(err.code, ERR_REGISTRY);
    put_project("a-1", "/a");
    row.state = "walking";
    err_clear(&err);
    assert_false(registry_daemon_put(reg, &row, &err));
    assert_int_equal(err.code, ERR_REGISTRY);
    assert_false(registry_is_damaged(reg));
}

static void a_lease_stays_with_its_project_and_moves_with_it(void **state)
{
    (void)state;
    char *key = NULL, *server = NULL;
    put_project("a-1", "/a");
    assert_int_equal(registry_lease_of(reg, "a-1", "serena"), 0);
    WORKS(registry_lease_put(reg, 21001, "a-1", "serena", &why));
    WORKS(registry_lease_put(reg, 21001, "a-1", "serena", &why));
    WORKS(registry_lease_put(reg, 21002, "a-1", "serena", &why));
    reopen();
    assert_int_equal(registry_lease_of(reg, "a-1", "serena"), 21002);
    assert_false(registry_lease_holder(reg, 21001, &key, &server));
    assert_true(registry_lease_holder(reg, 21002, &key, &server));
    assert_string_equal(key, "a-1");
    assert_string_equal(server, "serena");
    free(key);
    free(server);
    WORKS(registry_lease_drop(reg, 21002, &why));
    assert_int_equal(registry_lease_of(reg, "a-1", "serena"), 0);
}

static void a_port_leased_to_another_is_a_conflict(void **state)
{
    (void)state;
    struct err err = {0};
    put_project("a-1", "/a");
    put_project("b-2", "/b");
    WORKS(registry_lease_put(reg, 21001, "a-1", "serena", &why));
    assert_false(registry_lease_put(reg, 21001, "b-2", "serena", &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_non_null(strstr(err.text, "a-1"));
    assert_int_equal(registry_lease_of(reg, "a-1", "serena"), 21001);
    assert_int_equal(registry_lease_of(reg, "b-2", "serena"), 0);
}

static struct session_row session_of(const char *id, int64_t created)
{
    return (struct session_row){.id = id, .project_key = "a-1", .server = "serena",
                                .protocol = "2025-11-25", .client = "tester 1",
                                .initialize = "{\"capabilities\":{}}", .upstream_daemon = "life-3",
                                .upstream_session = "up", .transport = "http", .level = "error",
                                .subscriptions = "[\"file:///a\"]",
                                .created_unix_ms = created};
}

static void see_session(void *arg, const struct session_row *row)
{
    struct seen *seen = arg;
    seen->count++;
    size_t n = strlen(seen->texts);
    snprintf(seen->texts + n, sizeof seen->texts - n, "%s %s %s %s %s %s %s %s %s %s%s%d %d;",
             row->id, row->project_key, row->server, row->protocol, row->client,
             row->initialize, row->upstream_daemon, row->upstream_session, row->transport,
             row->level, row->subscriptions, (int)row->created_unix_ms, (int)row->ended_unix_ms);
}

static bool session_is_there(const char *id, struct seen *seen)
{
    bool found = false;
    *seen = (struct seen){0};
    WORKS(registry_session_get(reg, id, see_session, seen, &found, &why));
    assert_int_equal(seen->count, found);
    return found;
}

static int living_sessions(void)
{
    struct seen seen = {0};
    WORKS(registry_sessions(reg, see_session, &seen, &why));
    return seen.count;
}

static void a_session_comes_back_until_it_ends_and_then_is_a_tombstone(void **state)
{
    (void)state;
    struct seen seen;
    struct session_row row = session_of("s1", 5);
    assert_false(session_is_there("s1", &seen));
    WORKS(registry_session_put(reg, &row, &why));
    reopen();
    assert_true(session_is_there("s1", &seen));
    assert_string_equal(seen.texts, "s1 a-1 serena 2025-11-25 tester 1 {\"capabilities\":{}} "
                                    "life-3 up http error[\"file:///a\"]5 0;");
    WORKS(registry_session_end(reg, "s1", 9, &why));
    assert_int_equal(living_sessions(), 0);
    assert_true(session_is_there("s1", &seen));
    assert_string_equal(seen.texts, "s1 a-1 serena 2025-11-25 tester 1    http 5 9;");
    WORKS(registry_session_put(reg, &row, &why)); /* a late save does not wake it */
    assert_true(session_is_there("s1", &seen));
    assert_non_null(strstr(seen.texts, " 5 9;"));
}

static int sessions_of(const char *daemon_id)
{
    struct seen seen = {0};
    WORKS(registry_sessions_of_daemon(reg, daemon_id, see_session, &seen, &why));
    return seen.count;
}

static void the_sessions_for_which_a_daemon_keeps_something_are_found(void **state)
{
    (void)state;
    struct session_row linked = session_of("linked", 5), not_linked = session_of("not", 5),
                       ended = session_of("ended", 5);
    not_linked.upstream_daemon = not_linked.upstream_session = "";
    WORKS(registry_session_put(reg, &linked, &why));
    WORKS(registry_session_put(reg, &not_linked, &why));
    WORKS(registry_session_put(reg, &ended, &why));
    assert_int_equal(sessions_of("life-3"), 2);
    WORKS(registry_session_end(reg, "ended", 9, &why));
    assert_int_equal(sessions_of("life-3"), 1);
    assert_int_equal(sessions_of("life-4"), 0);
    assert_int_equal(sessions_of(""), 0);
    WORKS(registry_session_drop(reg, "linked", &why));
    assert_int_equal(sessions_of("life-3"), 0);
}

static void the_end_of_a_session_that_was_lost_is_kept(void **state)
{
    (void)state;
    struct seen seen;
    WORKS(registry_session_end(reg, "lost", 9, &why));
    assert_true(session_is_there("lost", &seen));
    assert_non_null(strstr(seen.texts, " 9 9;"));
}

static void old_sessions_and_tombstones_are_pruned_but_used_ones_stay(void **state)
{
    (void)state;
    struct seen seen;
    struct session_row old = session_of("old", 5), used = session_of("used", 5),
                       young = session_of("young", 50);
    used.last_unix_ms = 60;
    WORKS(registry_session_put(reg, &old, &why));
    WORKS(registry_session_put(reg, &used, &why));
    WORKS(registry_session_put(reg, &young, &why));
    WORKS(registry_session_end(reg, "ended early", 7, &why));
    WORKS(registry_session_end(reg, "ended late", 70, &why));
    WORKS(registry_sessions_prune(reg, 40, &why));
    assert_false(session_is_there("old", &seen));
    assert_false(session_is_there("ended early", &seen));
    assert_true(session_is_there("used", &seen));
    assert_true(session_is_there("young", &seen));
    assert_true(session_is_there("ended late", &seen));
}

static void more_sessions_than_can_ever_live_are_bounded(void **state)
{
    (void)state;
    struct seen seen;
    char id[32];
    WORKS(registry_begin(reg, &why));
    for (int i = 0; i < 20010; i++) {
        snprintf(id, sizeof id, "s%d", i);
        WORKS(registry_session_end(reg, id, 1000 + i, &why));
    }
    WORKS(registry_commit(reg, &why));
    WORKS(registry_sessions_prune(reg, 0, &why));
    assert_false(session_is_there("s9", &seen));
    assert_true(session_is_there("s10", &seen));
    assert_true(session_is_there("s20009", &seen));
}

static struct known_row known_of(const char *kind, const char *hash, int64_t seen)
{
    return (struct known_row){.project_key = "a-1", .server = "serena", .definition = "def",
                              .era = "legacy", .protocol = "2025-06-18", .hash = hash,
                              .kind = kind, .result = "{\"a\":1}", .seen_unix_ms = seen};
}

static void see_known(void *arg, const struct known_row *row)
{
    struct seen *seen = arg;
    if (seen->count++ > 4)
        return;
    size_t n = strlen(seen->texts);
    snprintf(seen->texts + n, sizeof seen->texts - n, "%s %s %s %s %s %s %s %s %d;",
             row->project_key, row->server, row->definition, row->era, row->protocol, row->hash,
             row->kind, row->result, (int)row->seen_unix_ms);
}

static struct seen known(const char *project, const char *server)
{
    struct seen seen = {0};
    WORKS(registry_known(reg, project, server, see_known, &seen, &why));
    return seen;
}

static void put_known(const struct known_row *row)
{
    WORKS(registry_known_put(reg, row, &why));
}

static void forgetting_a_project_takes_what_hangs_on_it(void **state)
{
    (void)state;
    struct seen seen = {0}, session;
    struct daemon_row row = daemon_of("a-1", "life-3");
    struct session_row lives = session_of("lives", 5);
    put_project("a-1", "/a");
    WORKS(registry_daemon_put(reg, &row, &why));
    WORKS(registry_lease_put(reg, 21001, "a-1", "serena", &why));
    struct known_row answer = known_of("tools", "h1", 5);
    put_known(&answer);
    WORKS(registry_session_put(reg, &lives, &why));
    WORKS(registry_session_end(reg, "ended", 7, &why));
    WORKS(registry_project_forget(reg, "a-1", &why));
    assert_int_equal(projects().count, 0);
    WORKS(registry_daemons(reg, see_daemon, &seen, &why));
    assert_int_equal(seen.count, 0);
    assert_int_equal(registry_lease_of(reg, "a-1", "serena"), 0);
    assert_int_equal(known("a-1", "serena").count, 0);
    assert_false(session_is_there("lives", &session));
    assert_true(session_is_there("ended", &session)); /* its id stays refused */
}

static void an_answer_is_remembered_over_a_restart_newest_first(void **state)
{
    (void)state;
    struct known_row one = known_of("handshake", "h1", 5), two = known_of("tools", "h1", 6);
    put_project("a-1", "/a");
    put_known(&one);
    put_known(&two);
    reopen();
    assert_string_equal(known("a-1", "serena").texts,
                        "a-1 serena def legacy 2025-06-18 h1 tools {\"a\":1} 6;"
                        "a-1 serena def legacy 2025-06-18 h1 handshake {\"a\":1} 5;");
    assert_int_equal(known("b-2", "serena").count, 0);
    assert_int_equal(known("a-1", "other").count, 0);
}

static void a_later_answer_to_the_same_takes_the_place_of_the_first(void **state)
{
    (void)state;
    struct known_row row = known_of("tools", "h1", 5);
    put_project("a-1", "/a");
    put_known(&row);
    row.result = "{}";
    row.seen_unix_ms = 9;
    put_known(&row);
    assert_string_equal(known("a-1", "serena").texts,
                        "a-1 serena def legacy 2025-06-18 h1 tools {} 9;");
}

static void what_another_definition_answered_goes(void **state)
{
    (void)state;
    struct known_row old = known_of("tools", "h1", 5), new = known_of("handshake", "h2", 6),
                     other = known_of("tools", "h1", 7);
    put_project("a-1", "/a");
    put_known(&old);
    other.server = "other";
    put_known(&other);
    new.definition = "new";
    put_known(&new);
    assert_string_equal(known("a-1", "serena").texts,
                        "a-1 serena new legacy 2025-06-18 h2 handshake {\"a\":1} 6;");
    assert_int_equal(known("a-1", "other").count, 1);
}

static void what_is_remembered_of_a_server_is_bounded(void **state)
{
    (void)state;
    struct err err = {0};
    char hash[16];
    put_project("a-1", "/a");
    for (int i = 0; i < 70; i++) {
        snprintf(hash, sizeof hash, "h%d", i);
        struct known_row row = known_of("tools", hash, 100 + i);
        put_known(&row);
    }
    assert_int_equal(known("a-1", "serena").count, 64);
    assert_non_null(strstr(known("a-1", "serena").texts, " h69 "));
    char *huge = calloc(1, CAP_HANDSHAKE + 2);
    assert_non_null(huge);
    memset(huge, ' ', CAP_HANDSHAKE + 1);
    struct known_row row = known_of("prompts", "h1", 999);
    row.result = huge;
    assert_false(registry_known_put(reg, &row, &err));
    free(huge);
    assert_null(strstr(known("a-1", "serena").texts, "prompts"));
}

static void one_kind_or_all_that_is_remembered_can_be_dropped(void **state)
{
    (void)state;
    struct known_row one = known_of("handshake", "h1", 5), two = known_of("tools", "h1", 6);
    put_project("a-1", "/a");
    put_known(&one);
    put_known(&two);
    WORKS(registry_known_drop(reg, "a-1", "serena", "tools", &why));
    assert_int_equal(known("a-1", "serena").count, 1);
    assert_non_null(strstr(known("a-1", "serena").texts, "handshake"));
    WORKS(registry_known_drop(reg, "a-1", "serena", "", &why));
    assert_int_equal(known("a-1", "serena").count, 0);
}

static void see_history(void *arg, const struct history_row *row)
{
    struct seen *seen = arg;
    seen->count++;
    size_t n = strlen(seen->texts);
    snprintf(seen->texts + n, sizeof seen->texts - n, "%d:%s:%s:%s:%s:%s:%s:%d ",
             (int)row->at_unix_ms, row->project_key, row->server, row->daemon_id, row->event,
             row->reason, row->detail, (int)row->took_ms);
}

static struct seen history(const char *project, int64_t limit)
{
    struct seen seen = {0};
    WORKS(registry_history(reg, project, limit, see_history, &seen, &why));
    return seen;
}

static void history_is_newest_first_and_bounded(void **state)
{
    (void)state;
    struct history_row row = {.project_key = "a-1", .server = "serena", .daemon_id = "d",
                              .event = "start", .reason = reason_word(REASON_CALL),
                              .detail = "x", .took_ms = -1};
    for (int i = 1; i <= 120; i++) {
        row.at_unix_ms = i;
        row.project_key = i % 2 ? "a-1" : "b-2";
        WORKS(registry_history_add(reg, &row, 100, &why));
    }
    assert_int_equal(history(NULL, 1000).count, 100);
    assert_int_equal(history("a-1", 1000).count, 50);
    assert_string_equal(history(NULL, 2).texts, "120:b-2:serena:d:start:call:x:-1 "
                                                "119:a-1:serena:d:start:call:x:-1 ");
    assert_string_equal(history("a-1", 1).texts, "119:a-1:serena:d:start:call:x:-1 ");
    WORKS(registry_history_add(reg, &row, 3, &why)); /* a smaller bound holds at once */
    assert_int_equal(history(NULL, 1000).count, 3);
}

static void every_reason_has_one_word_that_leads_back(void **state)
{
    (void)state;
    for (int i = REASON_NONE + 1; i < REASON_COUNT; i++) {
        assert_true(*reason_word((enum reason)i));
        assert_int_equal(reason_from(reason_word((enum reason)i)), i);
    }
    assert_string_equal(reason_word(REASON_NONE), "");
    assert_int_equal(reason_from("because"), REASON_NONE);
    assert_int_equal(reason_from(""), REASON_NONE);
    assert_int_equal(reason_from(NULL), REASON_NONE);
}

static void nested_transactions_commit_once_and_roll_back_whole(void **state)
{
    (void)state;
    WORKS(registry_begin(reg, &why));
    put_project("a-1", "/a");
    WORKS(registry_begin(reg, &why));
    put_project("b-2", "/b");
    WORKS(registry_commit(reg, &why));
    WORKS(registry_commit(reg, &why));
    reopen();
    assert_int_equal(projects().count, 2);

    struct err problem = {0};
    WORKS(registry_begin(reg, &why));
    put_project("c-3", "/c");
    WORKS(registry_begin(reg, &why));
    registry_rollback(reg);
    assert_false(registry_commit(reg, &problem));
    assert_int_equal(problem.code, ERR_REGISTRY);
    assert_int_equal(projects().count, 2);
    put_project("d-4", "/d"); /* and it goes on */
    assert_int_equal(projects().count, 3);
    err_clear(&problem);
    assert_false(registry_commit(reg, &problem));
}

static void use_again_in_callback(void *arg, const struct project_row *row)
{
    struct seen inner = {0};
    WORKS(registry_projects(reg, see_project, &inner, &why));
    assert_int_equal(inner.count, 3);
    WORKS(registry_project_trust(reg, row->root, true, "abc", &why));
    ++*(int *)arg;
}

static void a_callback_may_use_the_registry(void **state)
{
    (void)state;
    int rows = 0;
    put_project("a-1", "/a");
    put_project("b-2", "/b");
    put_project("c-3", "/c");
    WORKS(registry_projects(reg, use_again_in_callback, &rows, &why));
    assert_int_equal(rows, 3);
}

static void without_a_registry_every_call_fails_and_nothing_breaks(void **state)
{
    (void)state;
    struct err err = {0};
    struct seen seen = {0};
    struct project_row row = {.key = "a-1", .root = "/a"};
    char *key, *server;
    assert_false(registry_project_put(NULL, &row, &err));
    assert_int_equal(err.code, ERR_REGISTRY);
    assert_false(registry_begin(NULL, NULL));
    assert_false(registry_commit(NULL, NULL));
    assert_false(registry_projects(NULL, see_project, &seen, NULL));
    assert_int_equal(registry_lease_of(NULL, "a-1", "serena"), 0);
    assert_false(registry_lease_holder(NULL, 1, &key, &server));
    assert_false(registry_is_damaged(NULL));
    registry_rollback(NULL);
    registry_tick(NULL, 0);
    registry_close(NULL);
}

static void the_file_is_private_and_so_are_its_companions(void **state)
{
    (void)state;
    static const char *const names[] = {"registry.db", "registry.db-wal", "registry.db-shm"};
    struct stat st;
    registry_close(reg);
    assert_int_equal(chmod(scratch_path("registry.db"), 0644), 0);
    reg = open_at(scratch_path("registry.db"));
    put_project("a-1", "/a");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(stat(scratch_path(names[i]), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
}

static void a_clean_close_leaves_one_file(void **state)
{
    (void)state;
    put_project("a-1", "/a");
    registry_close(reg);
    reg = NULL;
    assert_int_equal(scratch_count("registry.db", NULL, 0), 1);
}

static void reading_only_sees_all_and_changes_nothing(void **state)
{
    (void)state;
    struct registry *reader = NULL;
    struct seen seen = {0};
    struct err err = {0};
    put_project("a-1", "/a");
    WORKS(registry_open_readonly(scratch_path("registry.db"), &reader, &why));
    WORKS(registry_projects(reader, see_project, &seen, &why));
    assert_int_equal(seen.count, 1);
    assert_false(registry_project_forget(reader, "a-1", &err));
    assert_int_equal(err.code, ERR_REGISTRY);
    put_project("b-2", "/b");
    registry_close(reader);
    assert_int_equal(projects().count, 2);
}

static void reading_a_file_that_is_not_there_says_so(void **state)
{
    (void)state;
    struct registry *reader = NULL;
    struct err err = {0};
    assert_false(registry_open_readonly(scratch_path("none.db"), &reader, &err));
    assert_int_equal(err.code, ERR_REGISTRY);
    assert_int_equal(err.sys, ENOENT);
    assert_int_equal(scratch_count("none.db", NULL, 0), 0);
}

#define ROWS_TEST(test) cmocka_unit_test_setup_teardown(test, open_new, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROWS_TEST(a_project_is_kept_over_a_restart),
        ROWS_TEST(a_second_put_changes_last_use_but_not_trust),
        ROWS_TEST(trust_does_not_move_to_another_directory),
        ROWS_TEST(trust_in_an_unknown_project_is_not_found),
        ROWS_TEST(a_daemon_row_comes_back_as_it_was_put),
        ROWS_TEST(the_next_life_takes_the_place_of_the_last),
        ROWS_TEST(several_instances_have_rows_of_their_own_until_they_are_dropped),
        ROWS_TEST(a_state_that_is_none_and_an_unknown_project_are_refused),
        ROWS_TEST(a_lease_stays_with_its_project_and_moves_with_it),
        ROWS_TEST(a_port_leased_to_another_is_a_conflict),
        ROWS_TEST(a_session_comes_back_until_it_ends_and_then_is_a_tombstone),
        ROWS_TEST(the_sessions_for_which_a_daemon_keeps_something_are_found),
        ROWS_TEST(the_end_of_a_session_that_was_lost_is_kept),
        ROWS_TEST(old_sessions_and_tombstones_are_pruned_but_used_ones_stay),
        ROWS_TEST(more_sessions_than_can_ever_live_are_bounded),
        ROWS_TEST(forgetting_a_project_takes_what_hangs_on_it),
        ROWS_TEST(an_answer_is_remembered_over_a_restart_newest_first),
        ROWS_TEST(a_later_answer_to_the_same_takes_the_place_of_the_first),
        ROWS_TEST(what_another_definition_answered_goes),
        ROWS_TEST(what_is_remembered_of_a_server_is_bounded),
        ROWS_TEST(one_kind_or_all_that_is_remembered_can_be_dropped),
        ROWS_TEST(history_is_newest_first_and_bounded),
        cmocka_unit_test(every_reason_has_one_word_that_leads_back),
        ROWS_TEST(nested_transactions_commit_once_and_roll_back_whole),
        ROWS_TEST(a_callback_may_use_the_registry),
        cmocka_unit_test(without_a_registry_every_call_fails_and_nothing_breaks),
        ROWS_TEST(the_file_is_private_and_so_are_its_companions),
        ROWS_TEST(a_clean_close_leaves_one_file),
        ROWS_TEST(reading_only_sees_all_and_changes_nothing),
        ROWS_TEST(reading_a_file_that_is_not_there_says_so),
    };
    return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
