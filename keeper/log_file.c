/* keeper/log_file.c - see log_file.h. */
#include "keeper/log_file.h"

#include "base/clock.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool reopen(struct log_file *log)
{
    log->fd = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    if (log->fd < 0)
        return false;
    struct stat st;
    log->size = fstat(log->fd, &st) == 0 ? st.st_size : 0;
    return true;
}

bool log_file_open(struct log_file *log, const char *path, int64_t max_bytes, struct err *err)
{
    struct log_file opened = {
        .path = xstrdup(path), .old_path = xasprintf("%s.1", path), .fd = -1,
        .max_bytes = max_bytes};
    if (!reopen(&opened)) {
        err_set(err, ERR_SYSTEM, errno, "unable to open the log %s", path);
        log_file_close(&opened);
        return false;
    }
    *log = opened;
    return true;
}

static void rotate(struct log_file *log)
{
    if (log->fd >= 0)
        close(log->fd);
    rename(log->path, log->old_path);
    reopen(log);
    /* If the rename failed, the old file is open again and too big: start over rather than grow. */
    if (log->fd >= 0 && log->size >= log->max_bytes && ftruncate(log->fd, 0) == 0)
        log->size = 0;
}

static void append(struct log_file *log, const char *bytes, size_t n)
{
    if (log->fd < 0 && !reopen(log)) {
        log->lost_bytes += (int64_t)n;
        return;
    }
    while (n) {
        ssize_t written = write(log->fd, bytes, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            log->lost_bytes += (int64_t)n;
            return;
        }
        bytes += written;
        n -= (size_t)written;
        log->size += written;
    }
}

/* Tell of lost bytes as soon as something can be written again. */
static void confess(struct log_file *log)
{
    int64_t lost = log->lost_bytes;
    log->lost_bytes = 0;
    log_file_note(log, "%lld bytes of output could not be written here", (long long)lost);
    if (log->lost_bytes)
        log->lost_bytes = lost;
}

void log_file_write(struct log_file *log, const char *bytes, size_t n)
{
    if (log->lost_bytes)
        confess(log);
    if (log->lost_bytes) {
        log->lost_bytes += (int64_t)n;
        return;
    }
    if (log->size > 0 && log->size + (int64_t)n > log->max_bytes) {
        const char *end = memchr(bytes, '\n', n);
        size_t rest_of_line = end ? (size_t)(end - bytes) + 1 : 0;
        append(log, bytes, rest_of_line);
        bytes += rest_of_line;
        n -= rest_of_line;
        rotate(log);
    }
    append(log, bytes, n);
}

void log_file_note(struct log_file *log, const char *fmt, ...)
{
    char line[1024], when[CLOCK_TEXT_SIZE];
    int n = snprintf(line, sizeof line, "[poold-keeper %s] ", clock_text(clock_unix_ms(), when));
    va_list args;
    va_start(args, fmt);
    int m = vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, args);
    va_end(args);
    if (m < 0)
        return;
    size_t end = strlen(line);
    line[end++] = '\n';
    append(log, line, end);
}

void log_file_close(struct log_file *log)
{
    if (log->fd >= 0)
        close(log->fd);
    free(log->path);
    free(log->old_path);
    *log = (struct log_file){.fd = -1};
}
