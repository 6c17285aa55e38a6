/* base/err.c - see err.h. */
#include "base/err.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct err_row rows[ERR_COUNT] = {
#define X(name, http, rpc, exit, text) [ERR_##name] = {#name, http, rpc, exit, text},
    ERR_LIST(X)
#undef X
};

/* "NO_PROJECT" is spelled once, in the list; its public form is made from it at first use. */
static void names_make(void)
{
    static char names[ERR_COUNT][24];
    static bool done;
    if (done)
        return;
    done = true;
    for (int i = 0; i < ERR_COUNT; i++) {
        const char *from = rows[i].name;
        size_t n = 0;
        for (; from[n] && n + 1 < sizeof names[i]; n++)
            names[i][n] = from[n] == '_' ? '-' : (char)tolower((unsigned char)from[n]);
        rows[i].name = names[i];
    }
}

const struct err_row *err_row(enum err_code code)
{
    names_make();
    return &rows[code < ERR_COUNT ? code : ERR_INTERNAL];
}

enum err_code err_by_name(const char *name)
{
    names_make();
    for (int i = 0; i < ERR_COUNT; i++)
        if (strcmp(rows[i].name, name) == 0)
            return (enum err_code)i;
    return ERR_COUNT;
}

bool err_set(struct err *err, enum err_code code, int sys, const char *fmt, ...)
{
    if (!err || err->code != ERR_OK)
        return false;
    err->code = code;
    err->sys = sys;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    if (sys && n >= 0 && (size_t)n < sizeof err->text)
        snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", strerror(sys));
    return false;
}

void err_clear(struct err *err)
{
    *err = (struct err){0};
}

const char *err_text(const struct err *err)
{
    return err->text[0] ? err->text : err_row(err->code)->meaning;
}
