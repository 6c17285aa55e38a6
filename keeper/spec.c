/* keeper/spec.c - see spec.h. */
#include "keeper/spec.h"

#include "base/buf.h"
#include "keeper/wire.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define ID_MAX 64 /* it is part of a unix socket's path, and those are short */

static const struct text_key {
    const char *name;
    size_t offset;
} text_keys[] = {
    {"id", offsetof(struct spec, id)},
    {"project", offsetof(struct spec, project)},
    {"project_key", offsetof(struct spec, project_key)},
    {"server", offsetof(struct spec, server)},
    {"definition", offsetof(struct spec, definition)},
    {"transport", offsetof(struct spec, transport)},
    {"run_dir", offsetof(struct spec, run_dir)},
    {"log", offsetof(struct spec, log)},
    {"cwd", offsetof(struct spec, cwd)},
};

static const struct number_key {
    const char *name;
    size_t offset;
    int64_t min, max;
} number_keys[] = {
    {"generation", offsetof(struct spec, generation), 0, INT64_MAX},
    {"port", offsetof(struct spec, port), 0, 65535},
    {"instance", offsetof(struct spec, instance), 0, INT32_MAX},
    {"log_max_bytes", offsetof(struct spec, log_max_bytes), 4096, INT64_MAX},
    {"orphan_ms", offsetof(struct spec, orphan_ms), 0, INT64_MAX / 4},
    {"grace_ms", offsetof(struct spec, grace_ms), 0, INT64_MAX / 4},
    {"epoch", offsetof(struct spec, epoch), 0, INT64_MAX},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static char **text_slot(struct spec *spec, const struct text_key *key)
{
    return (char **)(void *)((char *)spec + key->offset);
}

/* Put one pair where it belongs. */
static bool take(struct spec *spec, const char *key, const char *value, struct err *err)
{
    for (size_t i = 0; i < COUNT(text_keys); i++)
        if (strcmp(key, text_keys[i].name) == 0) {
            str_replace(text_slot(spec, &text_keys[i]), value);
            return true;
        }
    for (size_t i = 0; i < COUNT(number_keys); i++) {
        const struct number_key *k = &number_keys[i];
        if (strcmp(key, k->name) == 0)
            return str_to_int(value, k->min, k->max,
                              (int64_t *)(void *)((char *)spec + k->offset)) ||
                   err_set(err, ERR_USAGE, 0, "spec: %s is no number in its range: %.40s", key,
                           value);
    }
    if (strcmp(key, "arg") == 0)
        strv_add(&spec->argv, value);
    if (strcmp(key, "env") == 0)
        strv_add(&spec->env, value);
    return true;
}

static bool is_id(const char *id)
{
    size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    return n > 0 && n <= ID_MAX && !id[n] && id[0] != '.';
}

static bool check(struct spec *spec, struct err *err)
{
    for (size_t i = 0; i < COUNT(text_keys); i++)
        if (!*text_slot(spec, &text_keys[i]) && strcmp(text_keys[i].name, "cwd") != 0)
            return err_set(err, ERR_USAGE, 0, "spec: %s is missing", text_keys[i].name);
    if (!spec->cwd)
        spec->cwd = xstrdup(spec->project);
    if (!is_id(spec->id))
        return err_set(err, ERR_USAGE, 0, "spec: this id cannot be a file name: %.80s", spec->id);
    if (spec->run_dir[0] != '/' || spec->log[0] != '/' || spec->cwd[0] != '/')
        return err_set(err, ERR_USAGE, 0, "spec: run_dir, log and cwd must be absolute paths");
    if (!spec->log_max_bytes)
        return err_set(err, ERR_USAGE, 0, "spec: log_max_bytes is missing");
    if (!spec->argv.count || !spec->argv.items[0][0])
        return err_set(err, ERR_USAGE, 0, "spec: arg is missing");
    spec->is_stdio = strcmp(spec->transport, "stdio") == 0;
    if (!spec->is_stdio && strcmp(spec->transport, "http") != 0 &&
        strcmp(spec->transport, "sse") != 0)
        return err_set(err, ERR_USAGE, 0, "spec: transport is none of http, sse, stdio: %.40s",
                       spec->transport);
    return true;
}

bool spec_parse(const char *text, size_t n, struct spec *out, struct err *err)
{
    struct spec spec = {0};
    const char *at = text;
    char *key, *value;
    bool ok = true;
    while (ok && wire_text_next(&at, text + n, &key, &value)) {
        ok = take(&spec, key, value, err);
        free(key);
        free(value);
    }
    if (ok && at != text + n)
        ok = err_set(err, ERR_USAGE, 0, "spec: the last line has no end");
    if (!ok || !check(&spec, err)) {
        spec_finish(&spec);
        return false;
    }
    *out = spec;
    return true;
}

bool spec_read(int fd, struct spec *out, struct err *err)
{
    struct buf text = BUF_INIT(SPEC_MAX);
    for (;;) {
        char *to = buf_reserve(&text, 4096);
        if (!to) {
            buf_release(&text);
            return err_set(err, ERR_TOO_BIG, 0, "spec: more than %d bytes", SPEC_MAX);
        }
        ssize_t n = read(fd, to, 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            buf_release(&text);
            return err_set(err, ERR_SYSTEM, errno, "unable to read the spec");
        }
        if (n == 0)
            break;
        buf_commit(&text, (size_t)n);
    }
    bool ok = spec_parse(buf_text(&text), text.len, out, err);
    buf_release(&text);
    return ok;
}

void spec_forget_command(struct spec *spec)
{
    strv_finish(&spec->argv);
    strv_finish(&spec->env);
}

void spec_finish(struct spec *spec)
{
    spec_forget_command(spec);
    for (size_t i = 0; i < COUNT(text_keys); i++)
        free(*text_slot(spec, &text_keys[i]));
    *spec = (struct spec){0};
}
