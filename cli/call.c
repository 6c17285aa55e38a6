/* cli/call.c - see call.h. */
#include "cli/call.h"

#include "api/wire.h"
#include "base/clock.h"
#include "base/str.h"
#include "cli/field.h"

#include <string.h>
#include <time.h>

#define ANSWER_CAP (64 * 1024 * 1024)
#define SYNC_WAIT_MS 5000

char *call_escape(const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    char *out = xmalloc(strlen(text) * 3 + 1), *to = out;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (strchr(plain, *p)) {
            *to++ = (char)*p;
        } else {
            *to++ = '%';
            *to++ = "0123456789ABCDEF"[*p >> 4];
            *to++ = "0123456789ABCDEF"[*p & 15];
        }
    }
    *to = '\0';
    return out;
}

bool call_socket(struct cli *cli, char **path, struct err *err)
{
    const struct dirs *dirs;
    if (!cli_dirs(cli, &dirs, err))
        return false;
    *path = str_path(dirs->run_dir, "api.sock");
    return true;
}

bool call_refused(struct cli *cli, json_t *problem, int status, struct err *err)
{
    enum err_code code = err_by_name(field_text(problem, "code"));
    if (code == ERR_COUNT || code == ERR_OK)
        code = status == 404 ? ERR_NOT_FOUND : status == 405 ? ERR_METHOD : ERR_INTERNAL;
    const char *detail = field_text(problem, "detail");
    if (!*detail)
        detail = field_text(problem, "title");
    if (*detail)
        err_set(err, code, 0, "%s", detail);
    else
        err_set(err, code, 0, "poold answered with status %d", status);
    json_decref(cli->problem);
    cli->problem = json_is_object(problem) ? json_incref(problem) : NULL;
    return false;
}

static bool read_refusal(struct cli *cli, struct client *c, struct err *err)
{
    char *text = NULL;
    if (!client_read_all(c, ANSWER_CAP, &text, err))
        return false;
    json_t *problem = json_loads(text, JSON_DECODE_ANY, NULL);
    call_refused(cli, problem, c->status, err);
    json_decref(problem);
    free(text);
    return false;
}

bool call_stream(struct cli *cli, const char *method, const char *target, const char *accept,
                 json_t *body, int64_t wait_ms, struct client *out, struct err *err)
{
    char *path = NULL, *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    char *whole =
        str_starts(target, API_PREFIX) ? xstrdup(target) : xasprintf(API_PREFIX "%s", target);
    json_decref(body);
    json_decref(cli->problem); /* of an earlier call: it is not about this one */
    cli->problem = NULL;
    bool ok = call_socket(cli, &path, err);
    if (ok) {
        struct client_request request = {.socket_path = path,
                                         .method = method,
                                         .target = whole,
                                         .accept = accept,
                                         .body = text,
                                         .wait_ms = wait_ms};
        ok = client_open(&request, out, err);
    }
    free(path);
    free(text);
    free(whole);
    if (ok && out->status >= 300) {
        ok = read_refusal(cli, out, err);
        client_close(out);
    }
    return ok;
}

bool call_api(struct cli *cli, const char *method, const char *target, json_t *body,
              int64_t wait_ms, json_t **out, struct err *err)
{
    struct client c;
    char *text = NULL;
    if (!call_stream(cli, method, target, NULL, body, wait_ms, &c, err))
        return false;
    bool ok = client_read_all(&c, ANSWER_CAP, &text, err);
    client_close(&c);
    json_t *json = ok && *text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    if (ok && !json && out)
        ok = err_set(err, ERR_PARSE, 0, "poold's answer to %s %s is not JSON", method, target);
    if (ok && out)
        *out = json;
    else
        json_decref(json);
    free(text);
    return ok;
}

bool call_get(struct cli *cli, const char *target, json_t **out, struct err *err)
{
    return call_api(cli, "GET", target, NULL, CALL_WAIT_MS, out, err);
}

bool call_synced(struct cli *cli, json_t **health, struct err *err)
{
    int64_t deadline = clock_ms() + SYNC_WAIT_MS;
    for (;;) {
        json_t *answer = NULL;
        if (!call_get(cli, "/health", &answer, err))
            return false;
        if (!json_is_false(json_object_get(answer, "synced")) || clock_ms() > deadline) {
            if (health)
                *health = answer;
            else
                json_decref(answer);
            return true;
        }
        json_decref(answer);
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
    }
}
