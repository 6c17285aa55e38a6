/* config/expand.c - ${VAR} and ${VAR:-default} in a server's texts, as clients do it. */
#include "config/reader.h"

#include "base/buf.h"
#include "base/caps.h"

#include <ctype.h>
#include <string.h>

/* One reference, from "${" on. */
struct reference {
    char *name;
    char *standard; /* NULL: none */
    size_t length;  /* of the whole, with "${" and "}" */
};

static void reference_finish(struct reference *ref)
{
    free(ref->name);
    free(ref->standard);
}

/* Read the one that text begins with; NULL, or what is wrong with it. */
static const char *reference_read(const char *text, struct reference *ref)
{
    const char *end = strchr(text, '}');
    if (!end)
        return "\"${\" without \"}\"";
    const char *name = text + 2;
    size_t n = 0;
    while (isalnum((unsigned char)name[n]) || name[n] == '_')
        n++;
    if (n == 0 || isdigit((unsigned char)*name))
        return "\"${\" without a variable's name";
    bool has_default = strncmp(name + n, ":-", 2) == 0;
    if (!has_default && name[n] != '}')
        return "a \"${\" that is neither ${VAR} nor ${VAR:-default}";
    ref->name = xstrndup(name, n);
    const char *standard = name + n + 2;
    ref->standard = has_default ? xstrndup(standard, (size_t)(end - standard)) : NULL;
    ref->length = (size_t)(end - text) + 1;
    return NULL;
}

const char *expand_fault(const char *text)
{
    for (const char *at = text; (at = strstr(at, "${"));) {
        struct reference ref;
        const char *fault = reference_read(at, &ref);
        if (fault)
            return fault;
        at += ref.length;
        reference_finish(&ref);
    }
    return NULL;
}

bool expand_uses(const char *text, const char *name)
{
    bool found = false;
    for (const char *at = text; !found && (at = strstr(at, "${"));) {
        struct reference ref;
        if (reference_read(at, &ref))
            return false;
        at += ref.length;
        found = strcmp(ref.name, name) == 0;
        reference_finish(&ref);
    }
    return found;
}

/* Append what a reference stands for. */
static bool value_add(struct buf *out, const struct reference *ref, const char *text,
                      const struct strv *vars, struct err *err)
{
    const char *value = strv_env_get(vars, ref->name);
    if (!value || (!*value && ref->standard)) /* as in sh: ":-" is for empty ones too */
        value = ref->standard;
    if (!value)
        return err_set(err, ERR_CONFIG, 0, "the variable %s in \"%s\" is not set and has no "
                       "default", ref->name, text);
    return buf_add_str(out, value) ? true
                                   : err_set(err, ERR_CONFIG, 0, "\"%.80s\" expands to too much",
                                             text);
}

char *config_expand(const char *text, const struct strv *vars, struct err *err)
{
    struct buf out = BUF_INIT(CAP_CONFIG);
    bool ok = true;
    for (const char *at = text; ok && *at;) {
        const char *next = strstr(at, "${");
        size_t plain = next ? (size_t)(next - at) : strlen(at);
        ok = buf_add(&out, at, plain) || err_set(err, ERR_CONFIG, 0, "too long: %.80s", text);
        at += plain;
        struct reference ref;
        if (!ok || !*at)
            break;
        const char *fault = reference_read(at, &ref);
        if (fault) {
            ok = err_set(err, ERR_CONFIG, 0, "%s in \"%s\"", fault, text);
            break;
        }
        ok = value_add(&out, &ref, text, vars, err);
        at += ref.length;
        reference_finish(&ref);
    }
    if (ok)
        return buf_take(&out);
    buf_release(&out);
    return NULL;
}
