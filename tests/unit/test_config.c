/* tests/unit/test_config.c - the configuration file: what is read from it, and every mistake with
 * the message a person gets. Most cases are data: tests/data/conf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "config/config.h"
#include "tests/unit/cases.h"
#include "tests/unit/scratch.h"

#include <inttypes.h>
#include <sys/stat.h>

static const char builtin[] =
    "{\"command\": \"${POOLD_SERENA}\", \"args\": [\"start-mcp-server\", \"--project\", "
    "\"${POOLD_PROJECT}\", \"--port\", \"${POOLD_PORT}\"], \"type\": \"http\", \"env\": "
    "{\"SERENA_HOME\": \"${POOLD_SERENA_HOME}\"}, \"warmup\": {\"tool\": \"find_symbol\", "
    "\"arguments\": {\"name_path_pattern\": \"x\"}}}";

/* --- data cases --- */

static bool dump_changed(struct buf *out, const char *indent, const struct settings *s,
                         const struct settings *from)
{
    size_t count;
    bool ok = true;
    const struct setting *rows = setting_rows(&count);
    for (size_t i = 0; i < count; i++) {
        char *is = setting_text(s, &rows[i]), *was = setting_text(from, &rows[i]);
        if (strcmp(is, was) != 0)
            ok = ok && buf_printf(out, "%s%s = %s\n", indent, rows[i].name, is);
        free(is);
        free(was);
    }
    return ok;
}

static bool dump_texts(struct buf *out, const char *name, const struct strv *texts)
{
    bool ok = true;
    for (size_t i = 0; i < texts->count; i++)
        ok = ok && buf_printf(out, "    %s %s\n", name, texts->items[i]);
    return ok;
}

static bool dump_server(struct buf *out, const struct config *c, const struct config_server *s)
{
    static const char *const transports[] = {"http", "sse", "stdio"};
    if (s->is_remote)
        return buf_printf(out, "server %s (line %d) remote %s\n", s->name, s->line, s->url);
    return buf_printf(out, "server %s (line %d)%s %s, share %s, spares %" PRId64 "%s%s\n",
                      s->name, s->line, s->is_builtin ? " built-in" : "",
                      transports[s->transport],
                      s->share == CONFIG_SHARE_SESSION ? "session" : "project", s->spares,
                      s->evict ? "" : ", never evicted", s->lean ? ", lean" : "") &&
           buf_printf(out, "    command %s\n", s->command) && dump_texts(out, "arg", &s->args) &&
           dump_texts(out, "env", &s->env) &&
           (!s->cwd || buf_printf(out, "    cwd %s\n", s->cwd)) &&
           (!s->warmup_tool ||
            buf_printf(out, "    warmup %s %s\n", s->warmup_tool, s->warmup_arguments)) &&
           dump_changed(out, "    ", &s->settings, &c->settings);
}

static bool dump(const char *in, size_t n, struct buf *out, struct err *err)
{
    struct settings defaults;
    struct config *c = config_parse("poold.conf", in, n, builtin, err);
    if (!c)
        return false;
    settings_defaults(&defaults);
    bool ok = dump_changed(out, "", &c->settings, &defaults);
    for (struct config_server **s = c->servers; *s; s++)
        ok = ok && dump_server(out, c, *s);
    for (size_t i = 0; i < c->warnings.count; i++)
        ok = ok && buf_printf(out, "warning: %s\n", c->warnings.items[i]);
    assert_true(ok);
    settings_finish(&defaults);
    config_free(c);
    return true;
}

static void every_case_gives_what_stands_beside_it(void **state)
{
    (void)state;
    cases_run("conf", "", dump);
}

/* --- the rest --- */

static struct config *parsed(const char *text)
{
    struct err err = {0};
    struct config *c = config_parse("poold.conf", text, text ? strlen(text) : 0, builtin, &err);
    if (!c)
        fail_msg("%s", err_text(&err));
    return c;
}

static void no_file_is_the_defaults_with_the_built_in_server(void **state)
{
    (void)state;
    struct err err = {0};
    struct config *c = config_load(scratch_path("poold.conf"), builtin, &err);
    assert_non_null(c);
    assert_false(c->file_exists);
    assert_string_equal(c->file, scratch_path("poold.conf"));
    assert_int_equal(c->settings.idle_s, 1800);
    const struct config_server *s = config_find(c, NULL, &err);
    assert_non_null(s);
    assert_string_equal(s->name, "serena");
    assert_true(s->is_builtin);
    assert_int_equal(s->line, 0);
    assert_int_equal(s->transport, CONFIG_HTTP);
    assert_string_equal(s->warmup_arguments, "{\"name_path_pattern\":\"x\"}");
    assert_int_equal(s->settings.idle_s, 1800);
    assert_int_equal(c->warnings.count, 0);
    config_free(c);
}

static void write_file(const char *path, const char *text, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void a_file_is_read_and_a_mistake_in_it_names_it(void **state)
{
    (void)state;
    struct err err = {0};
    const char *file = scratch_path("poold.conf");
    write_file(file, "{\"idleSeconds\": 7}", 18);
    struct config *c = config_load(file, builtin, &err);
    assert_non_null(c);
    assert_true(c->file_exists);
    assert_int_equal(c->settings.idle_s, 7);
    config_free(c);
    write_file(file, "{\n\"idleSeconds\": \"x\"}", 21);
    assert_null(config_load(file, builtin, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    char *start = xasprintf("%s:2: idleSeconds: expected ", file);
    assert_true(str_starts(err.text, start));
    free(start);
}

static void what_is_no_readable_file_is_a_mistake(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(mkdir(scratch_path("dir"), 0700), 0);
    assert_null(config_load(scratch_path("dir"), builtin, &err));
    assert_non_null(strstr(err.text, "expected a file"));
    err_clear(&err);
    assert_int_equal(mkfifo(scratch_path("fifo"), 0600), 0);
    assert_null(config_load(scratch_path("fifo"), builtin, &err)); /* and does not wait */
    assert_non_null(strstr(err.text, "expected a file"));
    err_clear(&err);
    write_file(scratch_path("file"), "{}", 2);
    assert_null(config_load(scratch_path("file/poold.conf"), builtin, &err));
    assert_int_equal(err.code, ERR_CONFIG);
}

static void a_file_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    struct err err = {0};
    size_t n = 2 << 20;
    char *text = xmalloc(n);
    memset(text, ' ', n);
    write_file(scratch_path("poold.conf"), text, n);
    free(text);
    assert_null(config_load(scratch_path("poold.conf"), builtin, &err));
    assert_non_null(strstr(err.text, "bigger than 1024 KiB"));
}

static void no_descriptor_is_left_behind(void **state)
{
    (void)state;
    struct err err = {0};
    int before = open_descriptors();
    write_file(scratch_path("poold.conf"), "{", 1);
    assert_null(config_load(scratch_path("poold.conf"), builtin, &err));
    write_file(scratch_path("poold.conf"), "{}", 2);
    config_free(config_load(scratch_path("poold.conf"), builtin, NULL));
    assert_null(config_load(scratch, builtin, NULL));
    assert_int_equal(open_descriptors(), before);
}

/* Each file cut short at every byte is a message or a configuration, never a crash; the bytes lie
 * in a block of their own size. */
static void a_file_cut_anywhere_is_survived(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(1 << 20);
    assert_true(case_read("conf", "all-keys", "in", &text));
    for (size_t n = 0; n < text.len; n++) {
        struct err err = {0};
        char *cut = xmalloc(n);
        if (n)
            memcpy(cut, text.data, n);
        struct config *c = config_parse("poold.conf", cut, n, builtin, &err);
        if (!c)
            assert_true(str_starts(err.text, "poold.conf:"));
        config_free(c);
        free(cut);
    }
    buf_release(&text);
}

/* Every byte replaced by each of a few that mean something. */
static void a_file_with_any_byte_changed_is_survived(void **state)
{
    (void)state;
    static const char bytes[] = {'"', '{', '}', '[', ']', ',', ':', '/', '*', '\\', '\n',
                                 '0', '-', 'e', '$', '\0', '\xff'};
    struct buf text = BUF_INIT(1 << 20);
    assert_true(case_read("conf", "all-keys", "in", &text));
    for (size_t i = 0; i < text.len; i++) {
        char was = text.data[i];
        for (size_t k = 0; k < sizeof bytes; k++) {
            struct err err = {0};
            text.data[i] = bytes[k];
            struct config *c = config_parse("poold.conf", text.data, text.len, builtin, &err);
            if (!c)
                assert_true(str_starts(err.text, "poold.conf:"));
            config_free(c);
        }
        text.data[i] = was;
    }
    buf_release(&text);
}

static void a_server_is_found_by_name_and_the_names_are_told(void **state)
{
    (void)state;
    struct err err = {0};
    struct config *c = parsed("{\"mcpServers\": {\"a\": {\"command\": \"x\"}, "
                              "\"far\": {\"url\": \"https://example.com\"}}}");
    assert_string_equal(config_find(c, "a", &err)->command, "x");
    assert_string_equal(config_find(c, NULL, &err)->name, "serena");
    assert_null(config_find(c, "b", &err));
    assert_int_equal(err.code, ERR_NO_SERVER);
    assert_string_equal(err.text, "there is no server \"b\" (configured: a, serena)");
    err_clear(&err);
    assert_null(config_find(c, "far", &err));
    assert_int_equal(err.code, ERR_NO_SERVER);
    assert_non_null(strstr(err.text, "remote"));
    config_free(c);
}

/* The definition of server "a" in this text; the caller frees it. */
static char *definition(const char *text)
{
    struct config *c = parsed(text);
    char *hash = xstrdup(config_find(c, "a", NULL)->definition);
    config_free(c);
    assert_int_equal(strspn(hash, "0123456789abcdef"), 16);
    assert_int_equal(strlen(hash), 16);
    return hash;
}

static void definitions_are(bool same, const char *one, const char *other)
{
    char *a = definition(one), *b = definition(other);
    if (same)
        assert_string_equal(a, b);
    else
        assert_string_not_equal(a, b);
    free(a);
    free(b);
}

#define SERVER_A(entry) "{\"mcpServers\": {\"a\": {" entry "}}}"

static void the_definition_is_all_that_decides_what_is_started(void **state)
{
    (void)state;
    const char *base = SERVER_A("\"command\": \"x\", \"args\": [\"p\", \"q\"], "
                                "\"env\": {\"A\": \"1\", \"B\": \"2\"}");
    definitions_are(true, base,
                    SERVER_A("\"env\": {\"B\": \"2\", \"A\": \"1\"}, \"type\": \"stdio\", "
                             "\"idleSeconds\": 5, \"evict\": false, \"command\": \"x\", "
                             "\"args\": [\"p\", \"q\"], \"warmup\": {\"tool\": \"t\"}"));
    static const char *const others[] = {
        SERVER_A("\"command\": \"y\", \"args\": [\"p\", \"q\"], "
                 "\"env\": {\"A\": \"1\", \"B\": \"2\"}"),
        SERVER_A("\"command\": \"x\", \"args\": [\"q\", \"p\"], "
                 "\"env\": {\"A\": \"1\", \"B\": \"2\"}"),
        SERVER_A("\"command\": \"x\", \"args\": [\"p\", \"q\", \"A=1\"], "
                 "\"env\": {\"B\": \"2\"}"),
        SERVER_A("\"command\": \"x\", \"args\": [\"pq\"], "
                 "\"env\": {\"A\": \"1\", \"B\": \"2\"}"),
        SERVER_A("\"command\": \"x\", \"args\": [\"p\", \"q\"], "
                 "\"env\": {\"A\": \"1\", \"B\": \"3\"}"),
        SERVER_A("\"command\": \"x\", \"args\": [\"p\", \"q\"], \"cwd\": \"/tmp\", "
                 "\"env\": {\"A\": \"1\", \"B\": \"2\"}"),
        SERVER_A("\"command\": \"x\", \"args\": [\"p\", \"q\"], \"type\": \"sse\", "
                 "\"env\": {\"A\": \"1\", \"B\": \"${POOLD_PORT}\"}"),
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        definitions_are(false, base, others[i]);
}

static void what_is_printed_can_be_loaded_again(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(1 << 20);
    assert_true(case_read("conf", "all-keys", "in", &text));
    struct config *c = parsed(buf_text(&text));
    char *printed = config_print(c, true);
    struct config *again = parsed(printed);
    char *printed_again = config_print(again, true);
    assert_string_equal(printed, printed_again);
    for (struct config_server **s = c->servers, **t = again->servers; *s; s++, t++)
        assert_string_equal((*s)->definition, (*t)->definition);
    config_free(c);
    config_free(again);
    free(printed);
    free(printed_again);
    buf_release(&text);
}

static void what_is_printed_hides_secrets(void **state)
{
    (void)state;
    struct config *c = parsed("{\"mcpServers\": {\"a\": {\"command\": \"x\", \"env\": {"
                              "\"API_KEY\": \"hidden1\", \"FROM\": \"${OUTSIDE}\", "
                              "\"OTHER\": \"${OUTSIDE:-hidden2}\", \"TWO\": \"${A}hidden3}\"}}, "
                              "\"far\": {\"url\": "
                              "\"https://me:hidden4@example.com/mcp?key=hidden5\"}}}");
    char *printed = config_print(c, false), *all = config_print(c, true);
    assert_null(strstr(printed, "hidden"));
    assert_non_null(strstr(printed, "\"API_KEY\": \"***\""));
    assert_non_null(strstr(printed, "\"FROM\": \"${OUTSIDE}\""));
    assert_non_null(strstr(printed, "https://***@example.com/mcp?***"));
    for (int i = 1; i <= 5; i++) {
        char word[24];
        snprintf(word, sizeof word, "hidden%d", i);
        assert_non_null(strstr(all, word));
    }
    config_free(c);
    free(printed);
    free(all);
}

static void expands_to(const char *text, const char *expected)
{
    struct strv vars = {0};
    struct err err = {0};
    strv_add(&vars, "HOME=/home/me");
    strv_add(&vars, "EMPTY=");
    strv_add(&vars, "TRICK=${HOME}");
    char *got = config_expand(text, &vars, &err);
    assert_string_equal(got ? got : err.text, expected);
    assert_int_equal(err.code, got ? ERR_OK : ERR_CONFIG);
    free(got);
    strv_finish(&vars);
}

static void references_expand_as_in_clients_files(void **state)
{
    (void)state;
    expands_to("", "");
    expands_to("plain $HOME $ {x} }", "plain $HOME $ {x} }");
    expands_to("${HOME}", "/home/me");
    expands_to("a${HOME}b${HOME}c", "a/home/meb/home/mec");
    expands_to("${NOT:-fallback value}", "fallback value");
    expands_to("${HOME:-x}", "/home/me");
    expands_to("${EMPTY:-x}", "x");
    expands_to("[${EMPTY}]", "[]");
    expands_to("[${NOT:-}]", "[]");
    expands_to("${TRICK}", "${HOME}"); /* once, not again */
    expands_to("${NOT}", "the variable NOT in \"${NOT}\" is not set and has no default");
    expands_to("x ${HOME", "\"${\" without \"}\" in \"x ${HOME\"");
    expands_to("${}", "\"${\" without a variable's name in \"${}\"");
    expands_to("${9A}", "\"${\" without a variable's name in \"${9A}\"");
    expands_to("${A-b}", "a \"${\" that is neither ${VAR} nor ${VAR:-default} in \"${A-b}\"");
}

static void the_caller_may_pass_no_err(void **state)
{
    (void)state;
    assert_null(config_parse("poold.conf", "{", 1, builtin, NULL));
    assert_null(config_parse("poold.conf", "{\"x\": 1}", 8, builtin, NULL));
}

#define FILE_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_gives_what_stands_beside_it),
        FILE_TEST(no_file_is_the_defaults_with_the_built_in_server),
        FILE_TEST(a_file_is_read_and_a_mistake_in_it_names_it),
        FILE_TEST(what_is_no_readable_file_is_a_mistake),
        FILE_TEST(a_file_beyond_the_limit_is_refused),
        FILE_TEST(no_descriptor_is_left_behind),
        cmocka_unit_test(a_file_cut_anywhere_is_survived),
        cmocka_unit_test(a_file_with_any_byte_changed_is_survived),
        cmocka_unit_test(a_server_is_found_by_name_and_the_names_are_told),
        cmocka_unit_test(the_definition_is_all_that_decides_what_is_started),
        cmocka_unit_test(what_is_printed_can_be_loaded_again),
        cmocka_unit_test(what_is_printed_hides_secrets),
        cmocka_unit_test(references_expand_as_in_clients_files),
        cmocka_unit_test(the_caller_may_pass_no_err),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
