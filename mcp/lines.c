/* mcp/lines.c - see lines.h. */
#include "mcp/lines.h"

#include "base/str.h"
#include "mcp/json_scan.h"

#include <jansson.h>
#include <string.h>

bool lines_is_control(struct span line)
{
    struct json_scan scan = json_scan_of(line.p, line.n);
    struct span key;
    return json_enter(&scan, '{') && json_member(&scan, true, &key) == JSON_ITEM &&
           json_text_is(key, "poold");
}

struct span lines_again(struct span line)
{
    return rpc_member(rpc_member(line, "poold"), "again");
}

/* A member that is absent, null or a string. */
static bool take_text(const json_t *hello, const char *name, char **out, struct err *err)
{
    const json_t *value = json_object_get(hello, name);
    if (value && !json_is_null(value) && !json_is_string(value))
        return err_set(err, ERR_BAD_REQUEST, 0, "\"%s\" in the first line must be a string", name);
    const char *text = json_string_value(value);
    *out = text && *text ? xstrdup(text) : NULL;
    return true;
}

bool lines_hello_read(struct span line, struct lines_hello *out, struct err *err)
{
    struct lines_hello hello = {0};
    json_t *root = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, NULL);
    const json_t *content = json_object_get(root, "poold");
    bool ok = json_is_object(content) ||
              err_set(err, ERR_BAD_REQUEST, 0,
                      "the first line is not like {\"poold\":{\"project\":\"/path\"}}");
    ok = ok && take_text(content, "project", &hello.project, err) &&
         take_text(content, "server", &hello.server, err) &&
         take_text(content, "session", &hello.session, err);
    hello.is_lean = json_is_true(json_object_get(content, "lean"));
    json_decref(root);
    if (ok)
        *out = hello;
    else
        lines_hello_finish(&hello);
    return ok;
}

void lines_hello_finish(struct lines_hello *hello)
{
    free(hello->project);
    free(hello->server);
    free(hello->session);
    *hello = (struct lines_hello){0};
}

static bool write_text(struct buf *out, const char *before, const char *text)
{
    return buf_add_str(out, before) && json_write_string(out, text, strlen(text));
}

bool lines_welcome_write(struct buf *out, const struct lines_welcome *w)
{
    return write_text(out, "{\"poold\":{\"session\":", w->session) &&
           buf_add_str(out,
                       w->is_initialized ? ",\"initialized\":true" : ",\"initialized\":false") &&
           (!w->project || (write_text(out, ",\"project\":", w->project) &&
                            write_text(out, ",\"projectKey\":", w->project_key) &&
                            write_text(out, ",\"server\":", w->server))) &&
           buf_add_str(out, "}}");
}

bool lines_refusal_write(struct buf *out, const struct err *err)
{
    return write_text(out, "{\"poold\":{\"error\":{\"code\":", err_row(err->code)->name) &&
           write_text(out, ",\"message\":", err_text(err)) && buf_add_str(out, "}}}");
}
