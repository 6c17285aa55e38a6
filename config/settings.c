/* config/settings.c - the rows of the table and the values they describe. See settings.h. */
#include "config/settings.h"

#include "base/log.h"
#include "base/str.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define QUOTED(number) QUOTED_AGAIN(number)
#define QUOTED_AGAIN(number) #number

static const struct setting rows[] = {
#define X(field, name, scope, min, max, def, reload, unit, text)                                 \
    {name, SETTING_INT,  scope,  unit, min,                                                      \
     max,  QUOTED(def), reload, text, offsetof(struct settings, field)},
    SETTINGS_INT(X)
#undef X
#define X(field, name, type, min, max, def, reload, unit, text)                                  \
    {name, type, SCOPE_GLOBAL, unit, min, max, def, reload, text, offsetof(struct settings, field)},
        SETTINGS_OTHER(X)
#undef X
};

const struct setting *setting_rows(size_t *count)
{
    *count = sizeof rows / sizeof *rows;
    return rows;
}

const struct setting *setting_find(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

/* The member of s that a row describes. */
static void *member(const struct settings *s, const struct setting *row)
{
    return (char *)(uintptr_t)s + row->offset;
}

char *setting_expected(const struct setting *row)
{
    if (row->type == SETTING_INT)
        return xasprintf("a whole number of %s, %" PRId64 " to %" PRId64, row->unit, row->min,
                         row->max);
    if (row->type == SETTING_RANGE)
        return xasprintf("two ports like \"%s\", %" PRId64 " to %" PRId64, row->standard,
                         row->min, row->max);
    if (strcmp(row->unit, "level") == 0)
        return xstrdup("\"error\", \"warn\", \"info\" or \"debug\"");
    if (strcmp(row->unit, "format") == 0)
        return xstrdup("\"logfmt\" or \"json\"");
    if (strcmp(row->unit, "names") == 0)
        return xasprintf("file names with commas between, like \"%s\"", row->standard);
    return xstrdup("the name of a server");
}

bool setting_set_number(struct settings *s, const struct setting *row, int64_t value)
{
    if (row->type != SETTING_INT || value < row->min || value > row->max)
        return false;
    *(int64_t *)member(s, row) = value;
    return true;
}

static bool range_parse(const struct setting *row, const char *text, struct setting_range *out)
{
    const char *dash = strchr(text, '-');
    if (!dash)
        return false;
    char *first_text = xstrndup(text, (size_t)(dash - text));
    struct setting_range range;
    bool ok = str_to_int(first_text, row->min, row->max, &range.first) &&
              str_to_int(dash + 1, range.first, row->max, &range.last);
    free(first_text);
    if (ok)
        *out = range;
    return ok;
}

/* Names of directory entries, none empty, with commas between. */
static bool names_are_valid(const char *text)
{
    for (const char *name = text;; name++) {
        size_t n = strcspn(name, ",");
        if (n == 0 || memchr(name, '/', n) || memchr(name, ' ', n) ||
            (n <= 2 && strspn(name, ".") >= n))
            return false;
        name += n;
        if (!*name)
            return true;
    }
}

static bool text_is_valid(const struct setting *row, const char *text)
{
    size_t n = strlen(text);
    if (n < (size_t)row->min || n > (size_t)row->max)
        return false;
    enum log_level level;
    enum log_format format;
    if (strcmp(row->unit, "level") == 0)
        return log_level_from(text, &level);
    if (strcmp(row->unit, "format") == 0)
        return log_format_from(text, &format);
    return strcmp(row->unit, "names") == 0 ? names_are_valid(text) : true;
}

bool setting_set_text(struct settings *s, const struct setting *row, const char *value)
{
    if (row->type == SETTING_RANGE)
        return range_parse(row, value, member(s, row));
    if (row->type != SETTING_TEXT || !text_is_valid(row, value))
        return false;
    str_replace(member(s, row), value);
    return true;
}

int64_t setting_number(const struct settings *s, const struct setting *row)
{
    return *(const int64_t *)member(s, row);
}

char *setting_text(const struct settings *s, const struct setting *row)
{
    if (row->type == SETTING_INT)
        return xasprintf("%" PRId64, setting_number(s, row));
    if (row->type == SETTING_TEXT)
        return xstrdup(*(char *const *)member(s, row));
    const struct setting_range *range = member(s, row);
    return xasprintf("%" PRId64 "-%" PRId64, range->first, range->last);
}

void settings_defaults(struct settings *s)
{
    *s = (struct settings){
#define X(field, name, scope, min, max, def, reload, unit, text) .field = def,
        SETTINGS_INT(X)
#undef X
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].type != SETTING_INT && !setting_set_text(s, &rows[i], rows[i].standard))
            abort(); /* a default outside its own range: the table is wrong */
}

void settings_copy(struct settings *s, const struct settings *from)
{
    *s = *from;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].type == SETTING_TEXT) {
            char **text = member(s, &rows[i]);
            *text = xstrdup(*text);
        }
}

void settings_finish(struct settings *s)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].type == SETTING_TEXT)
            free(*(char **)member(s, &rows[i]));
    *s = (struct settings){0};
}

static const struct server_key keys[] = {
    {"command", "the name or path of a program", "", "\"uvx\"",
     "The program, looked up in PATH. ${VAR} and ${VAR:-default} are expanded here and in args, "
     "env and cwd.", false},
    {"args", "a list of texts", "none",
     "[\"my-server\", \"--root\", \"${POOLD_PROJECT}\", \"--port\", \"${POOLD_PORT}\"]",
     "Its arguments. ${POOLD_PROJECT} is the project's directory, ${POOLD_PORT} the port that a "
     "server of type http or sse has to listen on (127.0.0.1).", false},
    {"env", "an object of texts", "none", "{\"LOG_LEVEL\": \"warn\"}",
     "Variables added to the daemon's environment.", false},
    {"cwd", "an absolute path, or one that begins with ${", "the project's directory",
     "\"${POOLD_PROJECT}\"", "Where it is started.", false},
    {"type", "\"stdio\", \"http\" (or \"streamable-http\") or \"sse\"", "stdio", "\"http\"",
     "How it speaks MCP.", false},
    {"transport", "\"stdio\", \"http\" (or \"streamable-http\") or \"sse\"", "stdio", "\"http\"",
     "Another name for type.", true},
    {"share", "\"project\" or \"session\"", "project", "\"project\"",
     "Who shares a daemon: all sessions of a project, or each session has its own. For some servers "
     "the default is session: poold.conf(5) names them.", false},
    {"spares", "a whole number of daemons, 0 to 16", "0", "0",
     "With share session: daemons kept warm for the next session, while the project has one.",
     false},
    {"warmup", "an object with \"tool\" and \"arguments\"", "none",
     "{\"tool\": \"search\", \"arguments\": {\"query\": \"main\"}}",
     "A tool call made once after each start: it warms the daemon up and shows whether its tools "
     "work.", false},
    {"evict", "true or false", "true", "true",
     "false: the daemon never makes room for others; its memory is its value.", false},
    {"lean", "true or false", "false", "false",
     "Its clients see three tools (search_tools, describe_tool, call_tool) in the place of "
     "all, as under a URL with /lean.", false},
    {"url", "a text", "none", "\"https://example.com/mcp\"",
     "A remote server. poold keeps such an entry but does not serve it: clients reach it "
     "themselves.", true},
    {"headers", "an object of texts", "none", "{\"X-Name\": \"value\"}",
     "Of a remote server; not used by poold.", true},
    {"disabled", "true or false", "false", "false", "true leaves the entry out.", false},
};

const struct server_key *server_key_rows(size_t *count)
{
    *count = sizeof keys / sizeof *keys;
    return keys;
}

const struct server_key *server_key_find(const char *name)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}
