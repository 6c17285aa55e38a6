/* keeper/signals.c - see signals.h: flags and a pipe that wakes poll. */
#include "keeper/signals.h"

#include "platform/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static int wake[2] = {-1, -1};
static volatile sig_atomic_t came[NSIG];

static void on_signal(int number)
{
    int sys = errno;
    came[number] = 1;
    ssize_t written = write(wake[1], "", 1); /* a full pipe wakes as well */
    (void)written;
    errno = sys;
}

bool signals_catch(const int *numbers, int *fd, struct err *err)
{
    if (!spawn_pipe(wake))
        return err_set(err, ERR_SYSTEM, errno, "unable to make a pipe for signals");
    for (int i = 0; i < 2; i++)
        fcntl(wake[i], F_SETFL, O_NONBLOCK);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    for (; *numbers; numbers++)
        sigaction(*numbers, &action, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* whoever started us may have blocked some */
    *fd = wake[0];
    return true;
}

void signals_ignore(const int *numbers)
{
    for (; *numbers; numbers++)
        signal(*numbers, SIG_IGN);
}

bool signals_take(int number)
{
    bool yes = came[number];
    came[number] = 0;
    return yes;
}

void signals_drain(void)
{
    char bytes[64];
    while (read(wake[0], bytes, sizeof bytes) > 0)
        continue;
}
