/* base/log.c - see log.h. */
#include "base/log.h"

#include "base/clock.h"
#include "base/log_json.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_SIZE 2400

static enum log_level threshold = LOG_INFO;
static enum log_format format = LOG_LOGFMT;
static bool is_journal;
static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const char *const format_names[] = {"logfmt", "json"};
/* The file behind stderr that must not grow without bound; path NULL: there is none. */
static struct {
    char *path, *old_path;
    int64_t max_bytes, used_bytes;
} bound;

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

void log_set_format(enum log_format wanted)
{
    format = wanted;
}

bool log_format_from(const char *name, enum log_format *out)
{
    for (int i = 0; i < 2; i++)
        if (strcmp(name, format_names[i]) == 0) {
            *out = (enum log_format)i;
            return true;
        }
    return false;
}

void log_find_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char own[64];
    struct stat st;
    is_journal = false;
    if (!stream || fstat(STDERR_FILENO, &st))
        return;
    snprintf(own, sizeof own, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    is_journal = strcmp(own, stream) == 0;
}

/* --- the limit of a file --- */

/* Does stderr append to the bounded file still? Its size, or -1. */
static int64_t bound_size(void)
{
    struct stat ours, named;
    int flags = fcntl(STDERR_FILENO, F_GETFL);
    if (flags < 0 || !(flags & O_APPEND) || fstat(STDERR_FILENO, &ours) || !S_ISREG(ours.st_mode) ||
        stat(bound.path, &named) || ours.st_ino != named.st_ino || ours.st_dev != named.st_dev)
        return -1;
    return ours.st_size;
}

/* What cannot be copied is lost: a full disk is the last place for a log without a limit. */
static void bound_copy(void)
{
    char block[16384];
    int from = open(bound.path, O_RDONLY | O_CLOEXEC);
    int to = open(bound.old_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (ssize_t n; from >= 0 && to >= 0 && (n = read(from, block, sizeof block)) > 0;)
        if (write(to, block, (size_t)n) != n)
            break;
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
}

static void bound_check(void)
{
    bound.used_bytes = bound_size();
    if (bound.used_bytes < bound.max_bytes)
        return;
    bound_copy();
    if (ftruncate(STDERR_FILENO, 0) == 0)
        bound.used_bytes = 0;
}

void log_bound(const char *path, int64_t max_bytes)
{
    if (!str_equal(bound.path, path)) {
        free(bound.path);
        free(bound.old_path);
        bound.path = xstrdup(path);
        bound.old_path = xasprintf("%s.1", path);
    }
    bound.max_bytes = max_bytes;
    bound_check();
}

/* --- lines --- */

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

/* One write per line, so that lines of several processes do not mix. A log that cannot be written
 * is nobody's reason to stop. */
static void emit(const char *line, size_t n)
{
    ssize_t written = write(STDERR_FILENO, line, n);
    if (written <= 0 || !bound.path || bound.used_bytes < 0)
        return;
    bound.used_bytes += written;
    if (bound.used_bytes >= bound.max_bytes)
        bound_check();
}

void log_line(enum log_level level, const char *module, const char *msg, const char *fields, ...)
{
    static const char *const priorities[] = {"<3>", "<4>", "<6>", "<7>"};
    if (level > threshold)
        return;
    int sys = errno;
    char line[3 + LINE_SIZE], when[CLOCK_TEXT_SIZE];
    size_t room = LINE_SIZE - 1, mark = is_journal ? 3 : 0;
    char *at = line + mark;
    memcpy(line, priorities[level], mark);
    int n = snprintf(at, room, "time=%s level=%s mod=%s msg=%s", clock_text(clock_unix_ms(), when),
                     level_names[level], module, log_quote(msg));
    size_t used = n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
    if (*fields) {
        at[used++] = ' ';
        va_list args;
        va_start(args, fields);
        n = vsnprintf(at + used, room - used, fields, args);
        va_end(args);
        used += n < 0 ? 0 : (size_t)n < room - used ? (size_t)n : room - used - 1;
    }
    at[used] = '\0';
    if (format == LOG_JSON) {
        char object[3 + 3 * LINE_SIZE + 8];
        memcpy(object, line, mark);
        emit(object, mark + log_json(at, 4, fields, object + mark, sizeof object - mark));
    } else {
        at[used++] = '\n';
        emit(line, mark + used);
    }
    errno = sys;
}
