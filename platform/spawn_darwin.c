/* platform/spawn_darwin.c - the macOS parts of spawn.h. Compiled for macOS, never run there. */
#include "platform/spawn.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void spawn_cloexec_from(int first)
{
    int end = getdtablesize();
    for (int fd = first; fd < end; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
}

bool spawn_follow_parent(pid_t parent, int signal_number)
{
    (void)signal_number;
    return getppid() == parent;
}

bool spawn_adopt_orphans(void)
{
    return false;
}

void spawn_set_title(int argc, char **argv, const char *title)
{
    /* Only the arguments themselves: what follows them is not documented here. */
    size_t room = 0;
    for (int i = 0; i < argc && argv[i] == argv[0] + room; i++)
        room += strlen(argv[i]) + 1;
    if (!room)
        return;
    memset(argv[0], 0, room);
    strncpy(argv[0], title, room - 1);
}
