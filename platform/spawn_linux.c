/* platform/spawn_linux.c - the Linux parts of spawn.h. */
#include "platform/spawn.h"

#include "base/str.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

void spawn_cloexec_from(int first)
{
    if (syscall(SYS_close_range, first, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        return;
    struct rlimit limit; /* a kernel before 5.11 */
    int end = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 65536
                  ? (int)limit.rlim_cur
                  : 65536;
    for (int fd = first; fd < end; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
}

bool spawn_follow_parent(pid_t parent, int signal_number)
{
    prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0);
    return getppid() == parent; /* it may have died before we asked */
}

bool spawn_adopt_orphans(void)
{
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
}

void spawn_set_title(int argc, char **argv, const char *title)
{
    /* The kernel shows the memory that the arguments were put into. The environment's strings
     * follow them and are taken too, after the arguments if they join on without a gap. */
    char *start = argv[0], *end = start;
    for (int i = 0; i < argc && argv[i]; i++)
        if (argv[i] == end)
            end += strlen(argv[i]) + 1;
    for (char **at = environ; at && *at; at++)
        if (*at == end)
            end += strlen(*at) + 1;
    static char *empty[] = {NULL};
    environ = empty;
    size_t room = (size_t)(end - start), n = strlen(title);
    if (!room)
        return;
    n = n < room ? n : room - 1;
    memcpy(start, title, n);
    memset(start + n, 0, room - n);
}
