/* api/log_tail.c - see log_tail.h. */
#include "api/log_tail.h"

#include "base/str.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 16384

struct log_tail {
    char *path;
    int fd; /* the file being read, -1 none yet */
    off_t offset;
};

/* Where the last *lines lines of the file begin; *lines is lessened by those found. A last line
 * without its end counts. */
static off_t start_of(int fd, int64_t *lines)
{
    char block[BLOCK];
    struct stat st;
    if (fstat(fd, &st) != 0)
        return 0;
    if (*lines <= 0)
        return st.st_size;
    off_t at = st.st_size;
    bool is_last_byte = true;
    while (at > 0) {
        size_t n = at < BLOCK ? (size_t)at : BLOCK;
        if (pread(fd, block, n, at - (off_t)n) != (ssize_t)n)
            return at;
        for (size_t i = n; i > 0; i--) {
            bool is_end_of_line = block[i - 1] == '\n' && !is_last_byte;
            is_last_byte = false;
            if (is_end_of_line && --*lines == 0)
                return at - (off_t)n + (off_t)i;
        }
        at -= (off_t)n;
    }
    if (st.st_size > 0)
        --*lines;
    return 0;
}

static int open_log(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

struct log_tail *log_tail_open(const char *path, int64_t lines)
{
    struct log_tail *t = xcalloc(1, sizeof *t);
    t->path = xstrdup(path);
    t->fd = open_log(path);
    if (t->fd >= 0)
        t->offset = start_of(t->fd, &lines);
    if (lines <= 0)
        return t;
    char *old_path = xasprintf("%s.1", path);
    int old = open_log(old_path);
    free(old_path);
    if (old < 0)
        return t;
    if (t->fd >= 0)
        close(t->fd);
    t->fd = old;
    t->offset = start_of(old, &lines);
    return t;
}

/* Nothing is left in the open file: go on with the one that replaced it, if one did. */
static bool next_file(struct log_tail *t)
{
    struct stat here, there;
    if (stat(t->path, &there) != 0)
        return false;
    if (t->fd >= 0 && fstat(t->fd, &here) == 0 && here.st_ino == there.st_ino &&
        here.st_dev == there.st_dev) {
        if (there.st_size >= t->offset)
            return false;
        t->offset = 0; /* it was emptied in place */
        return there.st_size > 0;
    }
    int fd = open_log(t->path);
    if (fd < 0)
        return false;
    if (t->fd >= 0)
        close(t->fd);
    t->fd = fd;
    t->offset = 0;
    return true;
}

size_t log_tail_read(struct log_tail *t, char *to, size_t room)
{
    for (int files = 0; files < 3; files++) {
        ssize_t n = t->fd < 0 ? 0 : pread(t->fd, to, room, t->offset);
        if (n > 0) {
            t->offset += n;
            return (size_t)n;
        }
        if (!next_file(t))
            return 0;
    }
    return 0;
}

void log_tail_close(struct log_tail *t)
{
    if (!t)
        return;
    if (t->fd >= 0)
        close(t->fd);
    free(t->path);
    free(t);
}
