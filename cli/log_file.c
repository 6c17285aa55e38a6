/* cli/log_file.c - see log_file.h. */
#include "cli/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 16384
#define LOOK_MS 200

static int open_log(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM, errno, "unable to open %s",
                path);
    return fd;
}

/* Where the last `lines` lines begin. */
static off_t start_of_tail(int fd, int64_t lines)
{
    char block[BLOCK];
    off_t end = lseek(fd, 0, SEEK_END), at = end;
    while (at > 0) {
        size_t n = at < BLOCK ? (size_t)at : BLOCK;
        ssize_t got = pread(fd, block, n, at - (off_t)n);
        if (got < (ssize_t)n)
            return 0;
        for (size_t i = n; i > 0; i--) {
            off_t behind = at - (off_t)n + (off_t)i;
            if (block[i - 1] == '\n' && behind < end && lines-- <= 1)
                return behind;
        }
        at -= (off_t)n;
    }
    return 0;
}

/* False when stdout takes no more. */
static bool copy_rest(int fd)
{
    char block[BLOCK];
    ssize_t got;
    while ((got = read(fd, block, sizeof block)) > 0)
        if (fwrite(block, 1, (size_t)got, stdout) != (size_t)got)
            return false;
    return fflush(stdout) == 0;
}

/* Another file under the same name, or a shorter one? */
static bool is_replaced(int fd, const char *path)
{
    struct stat ours, there;
    return fstat(fd, &ours) == 0 && stat(path, &there) == 0 &&
           (ours.st_ino != there.st_ino || ours.st_dev != there.st_dev ||
            there.st_size < lseek(fd, 0, SEEK_CUR));
}

bool log_file_show(const char *path, int64_t lines, bool follow, struct err *err)
{
    int fd = open_log(path, err);
    if (fd < 0)
        return false;
    lseek(fd, lines > 0 ? start_of_tail(fd, lines) : lseek(fd, 0, SEEK_END), SEEK_SET);
    while (copy_rest(fd) && follow) {
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000 * 1000}, NULL);
        if (!is_replaced(fd, path))
            continue;
        struct err ignored = {0};
        int next = open_log(path, &ignored);
        if (next >= 0) {
            copy_rest(fd); /* what came before the change */
            close(fd);
            fd = next;
        }
    }
    close(fd);
    return true;
}
