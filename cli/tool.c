/* cli/tool.c - see tool.h. */
#include "cli/tool.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "platform/spawn.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAID_CAP (64 * 1024)

/* Read until all writers are gone or the time is over; what is too much is dropped. */
static bool read_all(int fd, int64_t deadline_ms, struct buf *said)
{
    char chunk[4096];
    for (;;) {
        int64_t left = deadline_ms - clock_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return false;
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0 || (n < 0 && errno != EINTR))
            return true;
        size_t room = said->cap - said->len;
        if (n > 0 && !buf_add(said, chunk, (size_t)n < room ? (size_t)n : room))
            return true;
    }
}

/* False if it had to be ended. */
static bool wait_for(pid_t pid, int64_t deadline_ms, int *status)
{
    int raw;
    pid_t ended;
    while ((ended = waitpid(pid, &raw, WNOHANG)) == 0 && clock_ms() < deadline_ms)
        nanosleep(&(struct timespec){.tv_nsec = 2 * 1000 * 1000}, NULL);
    if (ended == 0) {
        kill(pid, SIGKILL);
        waitpid(pid, &raw, 0);
        return false;
    }
    *status = ended < 0 ? 0 : WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
    return true;
}

bool tool_run(char *const *argv, int64_t wait_ms, char **out, int *status, struct err *err)
{
    int ends[2];
    pid_t pid;
    int64_t deadline_ms = clock_ms() + wait_ms;
    if (!spawn_pipe(ends))
        return err_set(err, ERR_SYSTEM, errno, "unable to make a pipe");
    struct spawn_spec spec = {.argv = argv, .stdio = {-1, ends[1], ends[1]}};
    bool ok = spawn_program(&spec, &pid, err);
    close(ends[1]);
    struct buf said = BUF_INIT(SAID_CAP);
    if (ok) {
        read_all(ends[0], deadline_ms, &said);
        ok = wait_for(pid, deadline_ms, status) ||
             err_set(err, ERR_START_TIMEOUT, 0, "%s took longer than %lld s", argv[0],
                     (long long)(wait_ms / 1000));
    }
    close(ends[0]);
    while (said.len && said.data[said.len - 1] == '\n')
        said.len--;
    if (ok && out)
        *out = said.len ? buf_take(&said) : xstrdup("");
    buf_release(&said);
    return ok;
}
