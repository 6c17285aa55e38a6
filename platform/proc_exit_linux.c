/* platform/proc_exit_linux.c - by pidfd_open(2), Linux 5.3. See proc_exit.h. */
#include "platform/proc_exit.h"

#include <sys/syscall.h>
#include <unistd.h>

int proc_exit_fd(struct proc_id id)
{
    int fd = (int)syscall(SYS_pidfd_open, id.pid, 0); /* close-on-exec by itself */
    if (fd >= 0 && !proc_is_alive(id)) { /* the descriptor holds the process while we compare */
        close(fd);
        return -1;
    }
    return fd;
}
