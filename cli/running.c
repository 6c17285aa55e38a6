/* cli/running.c - see running.h. */
#include "cli/running.h"

#include "base/clock.h"
#include "cli/call.h"
#include "platform/proc.h"

#include <string.h>
#include <time.h>

#define END_WAIT_MS 30000

/* The first number in a small file of the run directory and the second, 0 where there is none. */
static void read_numbers(const struct dirs *dirs, const char *name, int64_t out[2])
{
    char *path = str_path(dirs->run_dir, name), *text = NULL;
    struct err ignored = {0};
    out[0] = out[1] = 0;
    if (dirs_read_file(path, 256, &text, NULL, &ignored)) {
        char *at = text;
        for (int i = 0; i < 2; i++) {
            at += strspn(at, " \n");
            size_t n = strcspn(at, " \n");
            bool is_last = !at[n];
            at[n] = '\0';
            if (!str_to_int(at, 0, INT64_MAX, &out[i]) || is_last)
                break;
            at += n + 1;
        }
    }
    free(text);
    free(path);
}

bool running_look(struct cli *cli, struct running *out, struct err *err)
{
    const struct dirs *dirs;
    int64_t n[2];
    if (!cli_dirs(cli, &dirs, err))
        return false;
    *out = (struct running){0};
    read_numbers(dirs, "poold.pid", n);
    if (n[0] > 0 && n[0] <= INT32_MAX && proc_start_time((pid_t)n[0]))
        out->pid = (pid_t)n[0];
    read_numbers(dirs, "port", n);
    if (out->pid && n[0] > 0 && n[0] < 65536)
        out->port = (int)n[0];
    read_numbers(dirs, "holder.lock", n); /* "pid start_time boot_id" */
    if (n[0] > 0 && n[0] <= INT32_MAX && n[1] &&
        proc_is_alive((struct proc_id){(pid_t)n[0], (uint64_t)n[1]}))
        out->holder = (pid_t)n[0];
    return true;
}

bool running_end_keeping(struct cli *cli, const struct running *r, struct err *err)
{
    if (!call_api(cli, "POST", "/shutdown", json_pack("{s:b}", "keepDaemons", 1), CALL_WAIT_MS,
                  NULL, err))
        return false;
    for (int64_t end = clock_ms() + END_WAIT_MS; clock_ms() < end;) {
        if ((!r->pid || !proc_start_time(r->pid)) && (!r->holder || !proc_start_time(r->holder)))
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 5 * 1000 * 1000}, NULL);
    }
    return err_set(err, ERR_NOT_RUNNING, 0, "poold (pid %ld) does not end", (long)r->pid);
}
