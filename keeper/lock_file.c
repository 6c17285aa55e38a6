/* keeper/lock_file.c - see lock_file.h. */
#include "keeper/lock_file.h"

#include "platform/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_still_named(int fd, const char *path)
{
    struct stat ours, named;
    return fstat(fd, &ours) == 0 && stat(path, &named) == 0 && ours.st_ino == named.st_ino &&
           ours.st_dev == named.st_dev;
}

static bool fail_held(int fd, const char *path, struct err *err)
{
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    close(fd);
    return err_set(err, ERR_ALREADY_RUNNING, 0, "already running, pid %ld (%s is locked)",
                   n > 0 ? strtol(text, NULL, 10) : 0L, path);
}

bool lock_file_take(const char *path, int *fd, struct err *err)
{
    for (int round = 0; round < 100; round++) {
        int opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (opened < 0)
            return err_set(err, ERR_SYSTEM, errno, "unable to open %s", path);
        if (flock(opened, LOCK_EX | LOCK_NB)) {
            if (errno == EWOULDBLOCK)
                return fail_held(opened, path, err);
            err_set(err, ERR_SYSTEM, errno, "unable to lock %s", path);
            close(opened);
            return false;
        }
        if (is_still_named(opened, path)) {
            *fd = opened;
            return true;
        }
        close(opened); /* its holder removed it between our open and our lock */
    }
    return err_set(err, ERR_CONFLICT, 0, "%s is removed again and again", path);
}

bool lock_file_sign(int fd, struct err *err)
{
    char text[128];
    int n = snprintf(text, sizeof text, "%d %" PRIu64 " %s\n", (int)getpid(),
                     proc_start_time(getpid()), proc_boot_id());
    if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)n, 0) != n)
        return err_set(err, ERR_SYSTEM, errno, "unable to write the lock file");
    return true;
}
