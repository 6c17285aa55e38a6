/* base/log.c - see log.h. */
#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum log_level threshold = LOG_INFO;
static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_set_level(enum log_level level)
{
    threshold = level;
}

bool log_level_from(const char *name, enum log_level *out)
{
    for (int i = 0; i < 4; i++)
        if (strcmp(name, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    return false;
}

/* Can the value stand without quotes? A control byte may be a terminal's escape sequence. */
static bool is_plain(const char *value)
{
    for (const char *p = value; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '"' || *p == '=' || *p == '\\')
            return false;
    return *value != '\0';
}

const char *log_quote(const char *value)
{
    static char slots[8][600];
    static unsigned turn;
    if (!value)
        return "-";
    if (is_plain(value) && strlen(value) < sizeof slots[0])
        return value;
    char *out = slots[turn++ % 8];
    size_t n = 0;
    out[n++] = '"';
    for (; *value && n + 4 < sizeof slots[0]; value++) {
        unsigned char c = (unsigned char)*value;
        if (c == '"' || c == '\\' || c == '\n') {
            out[n++] = '\\';
            out[n++] = c == '\n' ? 'n' : (char)c;
        } else {
            out[n++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
        }
    }
    out[n++] = '"';
    out[n] = '\0';
    return out;
}

void log_line(enum log_level level, const char *module, const char *msg, const char *fields, ...)
{
    if (level > threshold)
        return;
    char line[2400], when[CLOCK_TEXT_SIZE];
    size_t room = sizeof line - 1;
    int n = snprintf(line, room, "time=%s level=%s mod=%s msg=%s", clock_text(clock_unix_ms(), when),
                     level_names[level], module, log_quote(msg));
    size_t used = n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
    if (*fields) {
        line[used++] = ' ';
        va_list args;
        va_start(args, fields);
        n = vsnprintf(line + used, room - used, fields, args);
        va_end(args);
        used += n < 0 ? 0 : (size_t)n < room - used ? (size_t)n : room - used - 1;
    }
    line[used++] = '\n';
    /* One write per line, so that lines of several processes do not mix. A log that cannot be
     * written is nobody's reason to stop. */
    ssize_t written = write(STDERR_FILENO, line, used);
    (void)written;
}
