/* mcp/lean.c - see lean.h. */
#include "mcp/lean.h"

#include "base/caps.h"
#include "base/str.h"
#include "mcp/json_scan.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FOUND_MOST 10 /* tools that a search shows unless the client says otherwise */
#define SAID_MOST 160 /* bytes of a tool's description in a search */

static const char search_name[] = "search_tools", describe_name[] = "describe_tool",
                  call_name[] = "call_tool";

static const char list_result[] =
    "{\"tools\":["
    "{\"name\":\"search_tools\",\"description\":\"Find this server's tools. Words of the task or "
    "of a tool's name; without a query all tools are named. Call this first.\","
    "\"inputSchema\":{\"type\":\"object\",\"properties\":{\"query\":{\"type\":\"string\"},"
    "\"limit\":{\"type\":\"integer\",\"minimum\":1}}},"
    "\"annotations\":{\"readOnlyHint\":true}},"
    "{\"name\":\"describe_tool\",\"description\":\"The whole definition of one tool: what it does "
    "and the JSON Schema of its arguments.\","
    "\"inputSchema\":{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"}},"
    "\"required\":[\"name\"]},\"annotations\":{\"readOnlyHint\":true}},"
    "{\"name\":\"call_tool\",\"description\":\"Call one of this server's tools by its name.\","
    "\"inputSchema\":{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},"
    "\"arguments\":{\"type\":\"object\"}},\"required\":[\"name\"]}}"
    "]}";

enum lean_tool lean_tool_of(struct span raw_name)
{
    return rpc_text_is(raw_name, search_name)     ? LEAN_SEARCH
           : rpc_text_is(raw_name, describe_name) ? LEAN_DESCRIBE
           : rpc_text_is(raw_name, call_name)     ? LEAN_CALL
                                                  : LEAN_NONE;
}

bool lean_write_list(struct buf *out, struct span id)
{
    return rpc_write_result(out, id, list_result);
}

static bool write_text(struct buf *out, struct span id, const char *text, bool is_error)
{
    return buf_add_str(out, "{\"jsonrpc\":\"2.0\",\"id\":") && buf_add(out, id.p, id.n) &&
           buf_add_str(out, ",\"result\":{\"content\":[{\"type\":\"text\",\"text\":") &&
           json_write_string(out, text, strlen(text)) && buf_add_str(out, "}]") &&
           buf_add_str(out, is_error ? ",\"isError\":true}}" : "}}");
}

bool lean_write_failure(struct buf *out, struct span id, const char *text)
{
    return write_text(out, id, text, true);
}

/* --- search --- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* How well do the words of query fit? 0: not at all. */
static int score(const json_t *tool, const char *query)
{
    static const char blanks[] = " \t\r\n,;:.\"'()/";
    int sum = 0;
    for (const char *at = query + strspn(query, blanks); *at; at += strspn(at, blanks)) {
        size_t n = strcspn(at, blanks);
        char *word = xstrndup(at, n);
        const char *name = text_of(tool, "name");
        sum += strcasecmp(name, word) == 0                               ? 8
               : strcasestr(name, word)                                  ? 4
               : strcasestr(text_of(tool, "title"), word)                ? 2
               : n > 2 && strcasestr(text_of(tool, "description"), word) ? 1
                                                                         : 0;
        free(word);
        at += n;
    }
    return sum;
}

/* "- name(a, b?): what it does" */
static bool say_tool(struct buf *out, const json_t *tool)
{
    const json_t *schema = json_object_get(tool, "inputSchema");
    const json_t *required = json_object_get(schema, "required");
    const char *key, *before = "";
    json_t *value;
    bool ok = buf_printf(out, "- %s(", text_of(tool, "name"));
    json_object_foreach(json_object_get(schema, "properties"), key, value)
    {
        bool is_required = false;
        for (size_t i = 0; i < json_array_size(required); i++)
            is_required |= str_equal(json_string_value(json_array_get(required, i)), key);
        ok = ok && buf_printf(out, "%s%s%s", before, key, is_required ? "" : "?");
        before = ", ";
    }
    const char *said = text_of(tool, "description");
    size_t n = strcspn(said, "\r\n");
    bool is_cut = n > SAID_MOST;
    if (is_cut)
        for (n = SAID_MOST; n && ((unsigned char)said[n] & 0xc0) == 0x80;)
            n--; /* whole characters only */
    return ok && buf_printf(out, ")%s%.*s%s\n", n ? ": " : "", (int)n, said, is_cut ? "..." : "");
}

struct hit {
    const json_t *tool;
    int score;
    size_t at; /* in the server's order */
};

static int by_score(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;
    return x->score != y->score ? y->score - x->score : (x->at > y->at) - (x->at < y->at);
}

static bool search(struct buf *out, const json_t *tools, const json_t *arguments)
{
    const char *query = text_of(arguments, "query");
    bool is_all = query[strspn(query, " \t\r\n*")] == '\0';
    json_int_t limit = json_integer_value(json_object_get(arguments, "limit"));
    size_t count = json_array_size(tools), found = 0;
    struct hit *hits = xcalloc(count + 1, sizeof *hits);
    for (size_t i = 0; i < count; i++) {
        const json_t *tool = json_array_get(tools, i);
        int points = is_all ? 1 : score(tool, query);
        if (points)
            hits[found++] = (struct hit){tool, points, i};
    }
    qsort(hits, found, sizeof *hits, by_score);
    size_t most = limit > 0 ? (size_t)limit : is_all ? count : FOUND_MOST;
    size_t shown = found < most ? found : most;
    bool ok = found ? buf_printf(out, "%zu of %zu tools%s:\n", shown, count,
                                 shown < found ? " (the best; raise limit for more)" : "")
                    : buf_printf(out,
                                 "None of the %zu tools fits. Search with other words, or without "
                                 "a query for all names.",
                                 count);
    for (size_t i = 0; ok && i < shown; i++)
        ok = say_tool(out, hits[i].tool);
    free(hits);
    return ok;
}

/* --- describe --- */

static bool describe(struct buf *out, const json_t *tools, const char *name, bool *is_error)
{
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *tool = json_array_get(tools, i);
        if (strcmp(text_of(tool, "name"), name) != 0)
            continue;
        char *text = json_dumps(tool, JSON_COMPACT);
        bool ok = text && buf_add_str(out, text);
        free(text);
        return ok;
    }
    *is_error = true;
    return buf_printf(out, "There is no tool \"%.200s\". search_tools finds the names.", name);
}

bool lean_write_answer(struct buf *out, enum lean_tool tool, struct span id, struct span params,
                       struct span tools)
{
    json_t *root = json_loadb(params.p ? params.p : "", params.n, 0, NULL);
    json_t *list = json_loadb(tools.p ? tools.p : "", tools.n, 0, NULL);
    const json_t *arguments = json_object_get(root, "arguments");
    const json_t *result = json_object_get(list, "result");
    const json_t *array = json_object_get(result ? result : list, "tools");
    struct buf text = BUF_INIT(CAP_MESSAGE);
    bool is_error = false;
    bool ok = tool == LEAN_SEARCH ? search(&text, array, arguments)
                                  : describe(&text, array, text_of(arguments, "name"), &is_error);
    ok = ok && buf_add(&text, "", 1) && write_text(out, id, text.data, is_error);
    buf_release(&text);
    json_decref(root);
    json_decref(list);
    return ok;
}

/* --- call --- */

/* The raw values of two members of an object, empty where absent. */
static bool find_two(struct span object, const char *one, struct span *first, const char *two,
                     struct span *second)
{
    struct json_scan scan = json_scan_of(object.p, object.n);
    struct span key, value;
    enum json_step step;
    *first = *second = (struct span){0};
    if (!json_enter(&scan, '{'))
        return false;
    for (bool at_first = true; (step = json_member(&scan, at_first, &key)) == JSON_ITEM;
         at_first = false) {
        if (!json_take(&scan, &value))
            return false;
        if (json_text_is(key, one))
            *first = value;
        else if (json_text_is(key, two))
            *second = value;
    }
    return step == JSON_END;
}

/* Some models write the arguments as a string that holds JSON: new string, or NULL. */
static char *object_in_string(struct span raw)
{
    json_t *text = json_loadb(raw.p, raw.n, JSON_DECODE_ANY, NULL);
    json_t *inner = json_string_value(text) ? json_loads(json_string_value(text), 0, NULL) : NULL;
    char *out = json_is_object(inner) ? json_dumps(inner, JSON_COMPACT) : NULL;
    json_decref(text);
    json_decref(inner);
    return out;
}

static bool write_call(struct buf *out, struct span body, struct span name, struct span wrapper,
                       struct span tool, struct span arguments)
{
    const char *end = body.p + body.n;
    bool name_first = name.p < wrapper.p;
    struct span a = name_first ? name : wrapper, b = name_first ? wrapper : name;
    struct span for_a = name_first ? tool : arguments, for_b = name_first ? arguments : tool;
    return buf_add(out, body.p, (size_t)(a.p - body.p)) && buf_add(out, for_a.p, for_a.n) &&
           buf_add(out, a.p + a.n, (size_t)(b.p - (a.p + a.n))) && buf_add(out, for_b.p, for_b.n) &&
           buf_add(out, b.p + b.n, (size_t)(end - (b.p + b.n)));
}

bool lean_unwrap(struct buf *out, struct span body, const struct rpc_peek *peek, struct span *name,
                 struct err *err)
{
    struct span own_name, wrapper, tool, arguments;
    size_t before = out->len;
    if (!find_two(peek->params, "name", &own_name, "arguments", &wrapper) || !wrapper.n ||
        wrapper.p[0] != '{' || !find_two(wrapper, "name", &tool, "arguments", &arguments) ||
        tool.n < 3 || tool.p[0] != '"')
        return err_set(
            err, ERR_USAGE, 0,
            "call_tool needs the arguments {\"name\": a tool, \"arguments\": an object}; "
            "search_tools finds the names");
    char *parsed = NULL;
    if (arguments.n && arguments.p[0] == '"' && (parsed = object_in_string(arguments)))
        arguments = (struct span){parsed, strlen(parsed)};
    bool is_object = !arguments.n || arguments.p[0] == '{';
    if (!arguments.n)
        arguments = (struct span){"{}", 2};
    bool ok = is_object && write_call(out, body, own_name, wrapper, tool, arguments);
    free(parsed);
    if (!is_object)
        return err_set(err, ERR_USAGE, 0, "\"arguments\" of call_tool must be an object");
    if (!ok) {
        out->len = before;
        return err_set(err, ERR_TOO_BIG, 0, "the call is too large");
    }
    struct rpc_peek inner; /* the name as it stands in out */
    rpc_peek(out->data + before, out->len - before, &inner);
    *name = inner.tool;
    return true;
}
