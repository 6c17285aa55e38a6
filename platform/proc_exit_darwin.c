/* platform/proc_exit_darwin.c - by a kqueue of its own that watches for NOTE_EXIT. See
 * proc_exit.h. */
#include "platform/proc_exit.h"

#include <fcntl.h>
#include <sys/event.h>
#include <unistd.h>

int proc_exit_fd(struct proc_id id)
{
    int fd = kqueue();
    struct kevent event;
    EV_SET(&event, (uintptr_t)id.pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0, NULL);
    if (fd >= 0 && (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
                    kevent(fd, &event, 1, NULL, 0, NULL) != 0 || !proc_is_alive(id))) {
        close(fd);
        return -1;
    }
    return fd;
}
