/* tests/unit/test_cli_tools.c - tools on the command line: arguments, definitions, content. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first */
#include <cmocka.h>

#include "cli/tool_arguments.h"
#include "cli/tool_content.h"
#include "cli/tool_list.h"
#include "scratch.h"

static const char schema_text[] =
    "{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\"},"
    "\"depth\":{\"type\":\"integer\"},\"names\":{\"type\":\"array\"},"
    "\"limit\":{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"null\"}]},"
    "\"either\":{\"type\":[\"integer\",\"string\"]},\"deep\":{\"type\":\"boolean\"}}}";

/* The arguments that these words are, as compact JSON with sorted keys; or the error's text. New.
 */
static char *arguments_of(const char *const *words)
{
    json_t *schema = json_loads(schema_text, 0, NULL), *arguments = NULL;
    struct err err = {0};
    size_t count = 0;
    while (words[count])
        count++;
    bool ok =
        tool_arguments_read((char *const *)(const void *)words, count, schema, &arguments, &err);
    char *text = ok ? json_dumps(arguments, JSON_COMPACT | JSON_SORT_KEYS) : xstrdup(err.text);
    assert_true(ok || err.code == ERR_USAGE);
    json_decref(arguments);
    json_decref(schema);
    return text;
}

#define ASSERT_ARGUMENTS(want, ...)                                                                \
    do {                                                                                           \
        char *got = arguments_of((const char *[]){__VA_ARGS__, NULL});                             \
        assert_string_equal(got, want);                                                            \
        free(got);                                                                                 \
    } while (0)

static void one_word_that_begins_with_a_brace_is_the_whole_object(void **state)
{
    (void)state;
    ASSERT_ARGUMENTS("{\"a\":[1,2]}", " {\"a\": [1, 2]}");
    ASSERT_ARGUMENTS("'{\"a\": 1' is not JSON (at character 7): '}' expected near end of file",
                     "{\"a\": 1");
}

static void a_value_is_read_as_its_schema_says(void **state)
{
    (void)state;
    ASSERT_ARGUMENTS("{\"deep\":true,\"depth\":3,\"path\":\"7\"}", "path=7", "depth=3",
                     "deep=true");
    ASSERT_ARGUMENTS("{\"names\":[\"a\"]}", "names=[\"a\"]");
    ASSERT_ARGUMENTS("{\"limit\":null}", "limit=null");
    ASSERT_ARGUMENTS("{\"either\":\"5\"}", "either=5");
    ASSERT_ARGUMENTS("{\"unknown\":\"5\"}", "unknown=5");
    ASSERT_ARGUMENTS("{\"path\":\"a=b\"}", "path=a=b");
    /* what is no integer is passed on: the server says it better */
    ASSERT_ARGUMENTS("{\"depth\":\"deep\"}", "depth=deep");
}

static void colon_equals_is_always_json(void **state)
{
    (void)state;
    ASSERT_ARGUMENTS("{\"path\":{\"x\":1}}", "path:={\"x\":1}");
    ASSERT_ARGUMENTS("'path:=x' is not JSON (at character 1): invalid token near 'x'", "path:=x");
}

static void words_that_are_no_arguments_are_named(void **state)
{
    (void)state;
    ASSERT_ARGUMENTS("'a.c' is neither a JSON object nor key=value (or key:=JSON)", "a.c");
    ASSERT_ARGUMENTS("the argument 'path' is given twice", "path=1", "path=2");
    ASSERT_ARGUMENTS("':=1' names no argument", ":=1");
}

static const char tools_text[] =
    "[{\"name\":\"find\",\"description\":\"Finds.\",\"inputSchema\":{\"type\":\"object\","
    "\"properties\":{\"q\":{\"type\":\"string\"}}},\"annotations\":{\"readOnlyHint\":true}},"
    "{\"name\":\"now\",\"inputSchema\":{\"type\":\"object\"}}]";

static char *formatted(const char *format)
{
    json_t *tools = json_loads(tools_text, 0, NULL), *out = NULL;
    struct err err = {0};
    bool ok = tool_list_format(tools, format, &out, &err);
    char *text = ok ? json_dumps(out, JSON_COMPACT) : xstrdup(err.text);
    json_decref(out);
    json_decref(tools);
    return text;
}

static void definitions_come_in_the_shapes_that_services_take(void **state)
{
    (void)state;
    char *mcp = formatted("mcp"), *anthropic = formatted("anthropic"),
         *openai = formatted("openai");
    assert_string_equal(mcp, tools_text);
    assert_string_equal(
        anthropic,
        "[{\"name\":\"find\",\"description\":\"Finds.\",\"input_schema\":{\"type\":\"object\","
        "\"properties\":{\"q\":{\"type\":\"string\"}}}},"
        "{\"name\":\"now\",\"input_schema\":{\"type\":\"object\",\"properties\":{}}}]");
    assert_string_equal(
        openai,
        "[{\"type\":\"function\",\"function\":{\"name\":\"find\",\"description\":\"Finds.\","
        "\"parameters\":{\"type\":\"object\",\"properties\":{\"q\":{\"type\":\"string\"}}}}},"
        "{\"type\":\"function\",\"function\":{\"name\":\"now\",\"parameters\":{\"type\":"
        "\"object\",\"properties\":{}}}}]");
    free(mcp);
    free(anthropic);
    free(openai);
    char *other = formatted("xml");
    assert_string_equal(other, "--format is mcp, anthropic or openai, not 'xml'");
    free(other);
}

static void names_that_services_refuse_are_known(void **state)
{
    (void)state;
    assert_true(tool_name_is_callable("find_symbol-2"));
    assert_false(tool_name_is_callable("find.symbol"));
    assert_false(tool_name_is_callable(""));
    assert_false(
        tool_name_is_callable("a234567890123456789012345678901234567890123456789012345678901234x"));
}

/* What is written of this result into a stream; files go to the scratch directory. New. */
static char *written(const char *result_text, bool *ok)
{
    json_t *result = json_loads(result_text, 0, NULL);
    struct err err = {0};
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(result);
    *ok = tool_content_write(result, "../shot", scratch, out, &err);
    fclose(out);
    json_decref(result);
    return text;
}

static void texts_are_lines_and_pictures_are_files(void **state)
{
    (void)state;
    bool ok;
    char *text = written("{\"content\":[{\"type\":\"text\",\"text\":\"hello\"},"
                         "{\"type\":\"image\",\"mimeType\":\"image/png\",\"data\":\"iVBORw==\"},"
                         "{\"type\":\"resource\",\"resource\":{\"uri\":\"x:1\",\"blob\":\"AAEC\"}},"
                         "{\"type\":\"resource_link\",\"uri\":\"file:///a\"}]}",
                         &ok);
    char *want =
        xasprintf("hello\n%s/_./shot-1.png\n%s/_./shot-2.bin\nfile:///a\n", scratch, scratch);
    for (char *p = want; (p = strstr(p, "_./shot"));) /* no path leads out of the directory */
        memcpy(p, "_._shot", 7);
    assert_true(ok);
    assert_string_equal(text, want);
    free(want);
    free(text);
    FILE *file = fopen(scratch_path("_._shot-2.bin"), "rb");
    unsigned char bytes[8];
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, sizeof bytes, file), 3);
    assert_memory_equal(bytes, "\0\1\2", 3);
    fclose(file);
}

static void what_is_there_is_never_written_over(void **state)
{
    (void)state;
    static const char result[] = "{\"content\":[{\"type\":\"audio\",\"mimeType\":\"audio/wav\","
                                 "\"data\":\"AAEC\"}]}";
    bool ok;
    char *first = written(result, &ok), *second = written(result, &ok);
    assert_true(ok);
    assert_non_null(strstr(first, "-1.wav"));
    assert_non_null(strstr(second, "-2.wav"));
    free(first);
    free(second);
}

static void broken_base64_is_an_error_and_leaves_no_file(void **state)
{
    (void)state;
    bool ok;
    char *text = written("{\"content\":[{\"type\":\"image\",\"data\":\"!!\"}]}", &ok);
    assert_false(ok);
    assert_string_equal(text, "");
    free(text);
    assert_int_equal(access(scratch_path("_._shot-1.bin"), F_OK), -1);
}

static void structured_content_stands_in_for_none(void **state)
{
    (void)state;
    bool ok;
    char *text = written("{\"content\":[],\"structuredContent\":{\"n\":1}}", &ok);
    assert_string_equal(text, "{\n  \"n\": 1\n}\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_word_that_begins_with_a_brace_is_the_whole_object),
        cmocka_unit_test(a_value_is_read_as_its_schema_says),
        cmocka_unit_test(colon_equals_is_always_json),
        cmocka_unit_test(words_that_are_no_arguments_are_named),
        cmocka_unit_test(definitions_come_in_the_shapes_that_services_take),
        cmocka_unit_test(names_that_services_refuse_are_known),
        cmocka_unit_test_setup_teardown(texts_are_lines_and_pictures_are_files, scratch_make,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(what_is_there_is_never_written_over, scratch_make,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(broken_base64_is_an_error_and_leaves_no_file, scratch_make,
                                        scratch_remove),
        cmocka_unit_test(structured_content_stands_in_for_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
