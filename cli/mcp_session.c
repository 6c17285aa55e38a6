/* cli/mcp_session.c - see mcp_session.h. */
#include "cli/mcp_session.h"

#include "base/caps.h"
#include "base/str.h"
#include "cli/field.h"
#include "cli/start_poold.h"

#include <string.h>

#define PROTOCOL "2025-11-25"

/* --- lines --- */

static bool send_message(struct mcp_session *s, json_t *message, struct err *err)
{
    char *text = json_dumps(message, JSON_COMPACT); /* escapes what could end a line */
    json_decref(message);
    if (!text)
        return err_set(err, ERR_INTERNAL, 0, "the request could not be written");
    size_t n = strlen(text);
    text[n] = '\n';
    bool ok = channel_send(&s->channel, text, n + 1, err);
    free(text);
    return ok;
}

/* The next message; new reference. */
static bool read_message(struct mcp_session *s, json_t **out, struct err *err)
{
    struct buf *in = &s->channel.in;
    size_t looked_at = 0;
    for (;;) {
        char *end =
            in->len > looked_at ? memchr(in->data + looked_at, '\n', in->len - looked_at) : NULL;
        if (end) {
            size_t n = (size_t)(end - in->data);
            *out = json_loadb(in->data, n, JSON_ALLOW_NUL, NULL);
            buf_consume(in, n + 1);
            return *out || err_set(err, ERR_PARSE, 0, "a line of the answer is not JSON");
        }
        looked_at = in->len;
        bool ready, ended;
        if (!channel_fill(&s->channel, -1, &ready, &ended, err))
            return false;
        if (ended)
            return err_set(err, ERR_NOT_RUNNING, 0, "poold went away before it answered");
    }
}

/* --- messages --- */

/* Poold's own kinds of errors have codes that no server uses; the others mean what their server
 * says they do. */
static enum err_code kind_of(const json_t *error)
{
    int64_t rpc = field_number(error, "code", 0);
    for (int code = 0; rpc <= -31000 && rpc > -32000 && code < ERR_COUNT; code++)
        if (err_row((enum err_code)code)->rpc == rpc)
            return (enum err_code)code;
    return ERR_DEGRADED;
}

static bool take_error(const json_t *error, struct err *err)
{
    enum err_code code = kind_of(error);
    const char *message = field_text(error, "message");
    return err_set(err, code, 0, "%s",
                   *message ? message : "the server gave an error without text");
}

/* What the server asks of a client that declared nothing. */
static bool answer_server(struct mcp_session *s, const json_t *request, struct err *err)
{
    json_t *answer =
        json_pack("{s:s, s:O}", "jsonrpc", "2.0", "id", json_object_get(request, "id"));
    if (strcmp(field_text(request, "method"), "ping") == 0)
        json_object_set_new(answer, "result", json_object());
    else
        json_object_set_new(answer, "error",
                            json_pack("{s:i, s:s}", "code", -32601, "message",
                                      "poolctl answers no requests of servers"));
    return send_message(s, answer, err);
}

static void tell_progress(const json_t *message, mcp_progress_fn *on_progress, void *arg)
{
    const json_t *params = json_object_get(message, "params");
    if (on_progress && strcmp(field_text(message, "method"), "notifications/progress") == 0)
        on_progress(arg, field_text(params, "message"),
                    json_number_value(json_object_get(params, "progress")),
                    json_number_value(json_object_get(params, "total")));
}

/* Read on until the answer to this id has come. */
static bool wait_answer(struct mcp_session *s, int id, mcp_progress_fn *on_progress, void *arg,
                        json_t **result, struct err *err)
{
    for (;;) {
        json_t *message;
        if (!read_message(s, &message, err))
            return false;
        const json_t *of = json_object_get(message, "id"), *error;
        bool has_method = json_object_get(message, "method") != NULL, ok = true;
        bool is_it = !has_method && json_is_integer(of) && json_integer_value(of) == id;
        if (has_method && of)
            ok = answer_server(s, message, err);
        else if (has_method)
            tell_progress(message, on_progress, arg);
        else if (is_it && (error = json_object_get(message, "error")))
            ok = take_error(error, err);
        else if (is_it)
            *result = json_incref(json_object_get(message, "result"));
        json_decref(message);
        if (is_it || !ok)
            return ok;
    }
}

bool mcp_session_request(struct mcp_session *s, const char *method, json_t *params,
                         mcp_progress_fn *on_progress, void *arg, json_t **result, struct err *err)
{
    int id = ++s->last_id;
    json_t *request = json_pack("{s:s, s:i, s:s}", "jsonrpc", "2.0", "id", id, "method", method);
    if (on_progress && !params)
        params = json_object();
    if (on_progress)
        json_object_set_new(params, "_meta", json_pack("{s:i}", "progressToken", id));
    if (params)
        json_object_set_new(request, "params", params);
    return send_message(s, request, err) && wait_answer(s, id, on_progress, arg, result, err);
}

/* --- opening --- */

static bool greet(struct mcp_session *s, const char *project, const char *server, struct err *err)
{
    json_t *hello = json_pack("{s:s}", "project", project), *answer = NULL;
    if (server)
        json_object_set_new(hello, "server", json_string(server));
    if (!send_message(s, json_pack("{s:o}", "poold", hello), err) || !read_message(s, &answer, err))
        return false;
    const json_t *error = json_object_get(answer, "error");
    bool ok = !error || take_error(error, err);
    json_decref(answer);
    return ok;
}

static bool shake_hands(struct mcp_session *s, struct err *err)
{
    json_t *result = NULL;
    json_t *params =
        json_pack("{s:s, s:{}, s:{s:s, s:s}}", "protocolVersion", PROTOCOL, "capabilities",
                  "clientInfo", "name", "poolctl", "version", POOLD_VERSION);
    if (!mcp_session_request(s, "initialize", params, NULL, NULL, &result, err))
        return false;
    json_decref(result);
    return send_message(
        s, json_pack("{s:s, s:s}", "jsonrpc", "2.0", "method", "notifications/initialized"), err);
}

bool mcp_session_open(struct cli *cli, const char *project, const char *server, int64_t wait_ms,
                      struct mcp_session *out, struct err *err)
{
    const struct dirs *dirs;
    struct mcp_session s = {0};
    if (!cli_dirs(cli, &dirs, err) || !poold_start(cli, err))
        return false;
    char *path = str_path(dirs->run_dir, "mcp.sock");
    bool ok = channel_open(&s.channel, path, wait_ms, CAP_MESSAGE + CHANNEL_READ_SIZE, err);
    free(path);
    ok = ok && greet(&s, project, server, err) && shake_hands(&s, err);
    if (ok)
        *out = s;
    else
        mcp_session_close(&s);
    return ok;
}

void mcp_session_close(struct mcp_session *s)
{
    channel_close(&s->channel);
}
