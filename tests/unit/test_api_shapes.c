/* tests/unit/test_api_shapes.c - the table of shapes: well-formed, and the same members as
 * json_views.c writes, both ways. (The e2e tests hold every answer of a real poold against it.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "api/json_views.h"
#include "api/routes.h"
#include "api/shapes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "pool/serena.h"
#include "pool/slot.h"
#include "tests/unit/scratch.h"

#include <ctype.h>
#include <sys/stat.h>

/* --- the table --- */

/* "Daemon" of "[Daemon]?"; NULL: it is no shape. Borrowed from text. */
static const struct shape *shape_in(const char *type)
{
    char name[64];
    size_t n = 0;
    while (*type == '[' || *type == '{')
        type++;
    while (isalnum((unsigned char)type[n]) && n + 1 < sizeof name)
        n++;
    snprintf(name, sizeof name, "%.*s", (int)n, type);
    return isupper((unsigned char)*name) ? shape_named(name) : NULL;
}

static bool is_simple(const char *type)
{
    static const char *const words[] = {"text",   "path",   "url",   "time",  "number",  "count",
                                        "bool",   "any",    "@state", "@layer", "@step", "@reason",
                                        "@code", "@change"};
    char bare[64];
    while (*type == '[' || *type == '{')
        type++;
    snprintf(bare, sizeof bare, "%s", type);
    bare[strcspn(bare, "]}?")] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(bare, words[i]) == 0)
            return true;
    return *bare == '(';
}

static void every_type_is_known_and_every_member_named_once(void **state)
{
    (void)state;
    size_t count;
    const struct shape *rows = shape_rows(&count);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(shape_named(rows[i].name), &rows[i]);
        for (const struct shape_member *m = rows[i].members; m->name; m++) {
            if (!shape_in(m->type) && !is_simple(m->type))
                fail_msg("%s.%s has the type %s", rows[i].name, m->name, m->type);
            char *name = xstrndup(m->name, strcspn(m->name, "?"));
            assert_ptr_equal(shape_member_named(&rows[i], name), m);
            free(name);
            assert_true(m->help[0]);
        }
    }
}

static void every_route_answers_with_a_known_shape_or_media_type(void **state)
{
    (void)state;
    size_t count;
    const struct route *rows = route_rows(&count);
    for (size_t i = 0; i < count; i++)
        if (!strchr(rows[i].shape, '/') && !shape_in(rows[i].shape) && !is_simple(rows[i].shape))
            fail_msg("%s answers with %s", rows[i].name, rows[i].shape);
}

static void a_schema_says_null_lists_words_and_references(void **state)
{
    (void)state;
    static const struct {
        const char *type, *schema;
    } cases[] = {
        {"text", "{\"type\":\"string\"}"},
        {"count?", "{\"type\":[\"integer\",\"null\"],\"minimum\":0}"},
        {"any", "{}"},
        {"(a|bc)", "{\"type\":\"string\",\"enum\":[\"a\",\"bc\"]}"},
        {"(a)?", "{\"type\":[\"string\",\"null\"],\"enum\":[\"a\",null]}"},
        {"@state", "{\"$ref\":\"#/components/schemas/State\"}"},
        {"Health?", "{\"anyOf\":[{\"$ref\":\"#/components/schemas/Health\"},{\"type\":\"null\"}]}"},
        {"[text]?", "{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"string\"}}"},
        {"{Setting}", "{\"type\":\"object\",\"additionalProperties\":"
                      "{\"$ref\":\"#/components/schemas/Setting\"}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *made = shape_type_schema(cases[i].type);
        json_t *wanted = json_loads(cases[i].schema, 0, NULL);
        assert_non_null(wanted);
        if (!json_equal(made, wanted))
            fail_msg("%s: %s", cases[i].type, json_dumps(made, 0));
        json_decref(made);
        json_decref(wanted);
    }
}

/* --- what is written --- */

static struct pool *pool;
static struct registry *registry;
static struct config *config;
static struct api api;

static char *front_url(void *arg, const struct project *project, const char *server)
{
    (void)arg;
    return xasprintf("http://127.0.0.1:1/p/%s/s/%s/mcp", project->key, server);
}

static void sessions_each(void *arg, void (*each)(void *each_arg, const struct api_session *s),
                          void *each_arg)
{
    (void)arg;
    const struct api_session s = {.project_key = arg, .server = "web", .client = "c 1",
                                  .transport = "http", .pid = 1, .cwd = "/", .program = "c",
                                  .route = "path", .oldest_call_ms = -1};
    each(each_arg, &s);
}

static int setup(void **state)
{
    static const char text[] = "{\"defaultServer\":\"web\",\"mcpServers\":{\"web\":{\"command\":"
                               "\"web\",\"args\":[\"${POOLD_PORT}\"],\"type\":\"http\"}}}";
    struct err err = {0};
    char *damaged = NULL;
    if (scratch_make(state))
        return -1;
    log_set_level(LOG_ERROR);
    config = config_parse("test.conf", text, strlen(text), serena_builtin_json(), &err);
    if (!config || !registry_open(scratch_path("registry.db"), &registry, &damaged, &err))
        return -1;
    const struct pool_places places = {scratch, scratch, scratch, "none"};
    pool = pool_create_with(ev_default_loop(0), &places, config, registry, 1, &err);
    if (!pool)
        return -1;
    api = (struct api){.pool = pool, .registry = registry,
                       .host = {.front_url = front_url, .sessions_each = sessions_each}};
    return 0;
}

static int teardown(void **state)
{
    pool_destroy(pool);
    registry_close(registry);
    config_free(config);
    return scratch_remove(state);
}

/* value has the members of shape and no others, all the way down. */
static void assert_shape(const char *where, const struct shape *shape, const json_t *value)
{
    const char *name;
    json_t *member;
    if (!json_is_object(value))
        fail_msg("%s is no object", where);
    json_object_foreach((json_t *)value, name, member)
    {
        const struct shape_member *m = shape_member_named(shape, name);
        if (!m)
            fail_msg("%s: \"%s\" is written, but not in the table of shapes", where, name);
        const struct shape *inner = shape_in(m->type);
        size_t n = json_is_array(member) ? json_array_size(member) : 0;
        for (size_t i = 0; inner && i < n; i++)
            assert_shape(name, inner, json_array_get(member, i));
        if (inner && !json_is_array(member) && !json_is_null(member))
            assert_shape(name, inner, member);
        if (json_is_null(member) && m->type[strlen(m->type) - 1] != '?')
            fail_msg("%s: \"%s\" is null, which the table does not allow", where, name);
    }
    for (const struct shape_member *m = shape->members; m->name; m++)
        if (!shape_member_is_optional(m) && !json_object_get(value, m->name))
            fail_msg("%s: \"%s\" is in the table of shapes, but not written", where, m->name);
}

static void assert_view(const char *shape, json_t *value)
{
    assert_shape(shape, shape_named(shape), value);
    json_decref(value);
}

static struct daemon *make_daemon(void)
{
    struct err err = {0};
    char how[64];
    char *root = xasprintf("%s/repo", scratch);
    mkdir(root, 0700);
    struct project *project = pool_project_make(pool, root, how, &err);
    free(root);
    assert_non_null(project);
    api.host.arg = project->key;
    struct daemon *d = pool_slot(pool, project, NULL, &err);
    assert_non_null(d);
    return d;
}

static void what_is_written_is_in_the_table_and_the_reverse(void **state)
{
    (void)state;
    struct err err = {0};
    struct daemon *d = make_daemon();
    const struct history_row row = {.at_unix_ms = 5, .project_key = d->project->key,
                                    .server = "web", .daemon_id = "x", .event = "end", .reason = "asked",
                                    .detail = "", .took_ms = -1};
    assert_true(registry_history_add(registry, &row, 100, &err));
    assert_view("Daemon", view_daemon(&api, d));
    json_t *full = view_daemon_full(&api, d);
    assert_int_equal(json_array_size(json_object_get(full, "clients")), 1);
    assert_int_equal(json_array_size(json_object_get(full, "lastExits")), 1);
    assert_view("DaemonDetail", full);
    json_t *project = view_project(&api, d->project);
    assert_int_equal(json_array_size(json_object_get(project, "daemons")), 1);
    assert_view("Project", project);
    assert_view("History", view_history(&row, NULL));
    err_set(&err, ERR_START_FAILED, 0, "why");
    json_t *more = json_pack("{s:n, s:o}", "tail", "daemon", view_daemon(&api, d));
    assert_view("Problem", view_problem(502, &err, more));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_known_and_every_member_named_once),
        cmocka_unit_test(every_route_answers_with_a_known_shape_or_media_type),
        cmocka_unit_test(a_schema_says_null_lists_words_and_references),
        cmocka_unit_test_setup_teardown(what_is_written_is_in_the_table_and_the_reverse, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
