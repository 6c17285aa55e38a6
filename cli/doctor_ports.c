/* cli/doctor_ports.c - doctor's checks of what surrounds the daemons: strangers on their ports,
 * processes that a lost keeper left, limits. */
#include "cli/daemon_text.h"
#include "cli/doctor.h"
#include "cli/offline.h"
#include "cli/say.h"
#include "platform/net.h"
#include "platform/proc.h"
#include "registry/registry.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MIB (1024 * 1024)
#define DISK_LEAST (64LL * MIB)
#define DISK_LITTLE (1024LL * MIB)
#define FILES_FEW 1024

/* --- ports --- */

/* The daemon with this port that lives, or NULL. Borrowed. */
static const json_t *daemon_at(const struct doctor *d, int port)
{
    const json_t *one;
    size_t i;
    json_array_foreach(d->daemons, i, one) if (field_number(one, "port", 0) == port &&
                                               field_number(one, "keeperPid", 0)) return one;
    return NULL;
}

static bool check_leased(struct doctor *d, int port, const char *key, const char *server)
{
    const json_t *daemon = daemon_at(d, port);
    pid_t keeper = daemon ? (pid_t)field_number(daemon, "keeperPid", 0) : 0, who = 0;
    if (proc_port_owner(port, keeper, NULL) != PROC_PORT_STRANGER)
        return true;
    proc_port_owner(port, keeper, &who);
    char *name = doctor_process(who);
    doctor_add(d, "ports", DOCTOR_WARNING,
               xasprintf("port %d of %s for %s is taken by %s; the daemon gets another one, so its "
                         "own endpoint changes",
                         port, server, key, name),
               who > 0 ? xasprintf("kill %ld   (if it is not needed)", (long)who) : NULL);
    free(name);
    return false;
}

void doctor_ports(struct doctor *d)
{
    char *file = str_path(d->dirs->state_dir, "registry.db");
    struct registry *r = NULL;
    struct err ignored = {0};
    size_t leased = 0;
    bool ok = true;
    if (!d->config || access(file, F_OK) || !registry_open_readonly(file, &r, &ignored)) {
        doctor_add(d, "ports", DOCTOR_NOT_APPLICABLE, xstrdup("no port is known to be leased"),
                   NULL);
        free(file);
        return;
    }
    const struct setting_range *range = &d->config->settings.ports;
    for (int64_t port = range->first; port <= range->last; port++) {
        char *key = NULL, *server = NULL;
        if (!registry_lease_holder(r, port, &key, &server))
            continue;
        leased++;
        ok = check_leased(d, (int)port, key, server) && ok;
        free(key);
        free(server);
    }
    if (ok)
        doctor_add(d, "ports", DOCTOR_OK, xasprintf("%zu leased, no stranger on them", leased),
                   NULL);
    registry_close(r);
    free(file);
}

/* --- orphans --- */

/* Does the keeper of this daemon live? By its lock file's text: "pid start_time boot_id". */
static bool has_keeper(const struct doctor *d, const char *id, bool *is_ours)
{
    char *name = xasprintf("keepers/%s.lock", id), *file = str_path(d->dirs->run_dir, name);
    char *text = NULL;
    struct err ignored = {0};
    bool lives = false;
    if (dirs_read_file(file, 256, &text, NULL, &ignored)) {
        *is_ours = true;
        char *end = NULL;
        long long pid = strtoll(text, &end, 10), start = end ? strtoll(end, NULL, 10) : 0;
        lives = pid > 0 && proc_is_alive((struct proc_id){(pid_t)pid, (uint64_t)start});
    }
    free(text);
    free(file);
    free(name);
    return lives;
}

/* The ids of all lives of daemons that the registry remembers. */
static json_t *known_ids(struct doctor *d)
{
    json_t *rows = NULL, *row, *ids = json_object();
    size_t i;
    struct err ignored = {0};
    if (offline_history(d->cli, NULL, 100000, &rows, &ignored))
        json_array_foreach(rows, i, row)
            json_object_set_new(ids, field_text(row, "daemonId"), json_true());
    json_decref(rows);
    json_array_foreach(d->daemons, i, row)
        json_object_set_new(ids, field_text(row, "daemonId"), json_true());
    return ids;
}

void doctor_orphans(struct doctor *d)
{
    struct proc_list marked = {0};
    json_t *ids = known_ids(d);
    char *pids = xstrdup("");
    size_t count = 0;
    proc_with_env("POOLD_DAEMON_ID", NULL, &marked);
    for (size_t i = 0; i < marked.count; i++) {
        char id[128];
        pid_t pid = marked.items[i].pid;
        bool is_ours = false;
        if (pid == getpid() || pid == d->running.pid || pid == d->running.holder ||
            !proc_env_get(pid, "POOLD_DAEMON_ID", id, sizeof id) || strchr(id, '/') ||
            has_keeper(d, id, &is_ours) || (!is_ours && !json_object_get(ids, id)))
            continue;
        count++;
        char *more = xasprintf("%s %ld", pids, (long)pid);
        free(pids);
        pids = more;
    }
    if (count)
        doctor_add(d, "orphans", DOCTOR_PROBLEM,
                   xasprintf("%zu process%s of daemons whose keeper is gone:%s", count,
                             count == 1 ? "" : "es", pids),
                   xasprintf("kill%s", pids));
    else
        doctor_add(d, "orphans", DOCTOR_OK, xstrdup("none"), NULL);
    free(pids);
    free(marked.items);
    json_decref(ids);
}

/* --- limits --- */

static void check_files(struct doctor *d, size_t *found)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= FILES_FEW)
        return;
    ++*found;
    doctor_add(d, "limits", DOCTOR_WARNING,
               xasprintf("only %llu open files are allowed here; a poold started from here serves "
                         "few clients",
                         (unsigned long long)limit.rlim_cur),
               xstrdup("ulimit -n 8192; poolctl shutdown --keep-daemons   (then start it anew)"));
}

static void check_disk(struct doctor *d, size_t *found)
{
    struct statvfs st;
    if (statvfs(d->dirs->state_dir, &st))
        return;
    int64_t left = (int64_t)st.f_bavail * (int64_t)st.f_frsize;
    char *dir = say_quoted(d->dirs->state_dir), *shown = say_bytes(left);
    bool is_fixed = (st.f_flag & ST_RDONLY) != 0;
    if (is_fixed || left < DISK_LITTLE) {
        ++*found;
        doctor_add(d, "limits", is_fixed || left < DISK_LEAST ? DOCTOR_PROBLEM : DOCTOR_WARNING,
                   is_fixed ? xasprintf("%s cannot be written to", dir)
                            : xasprintf("only %s are left for %s", shown, dir),
                   xasprintf("df -h %s; du -sh %s/*", dir, dir));
    }
    free(dir);
    free(shown);
}

static int64_t setting(const struct doctor *d, const char *name, int64_t otherwise)
{
    const json_t *all = json_object_get(d->settings, "settings");
    return field_number(json_object_get(all, name), "value", otherwise);
}

static void check_pool(struct doctor *d, size_t *found)
{
    const json_t *one;
    size_t i;
    int64_t alive = 0, kept = 0, memory = 0;
    int64_t most = setting(d, "maxDaemons", 0), budget = setting(d, "memoryBudgetMiB", 0);
    json_array_foreach(d->daemons, i, one)
    {
        bool lives = field_number(one, "keeperPid", 0) != 0;
        alive += lives;
        kept +=
            lives && (field_flag(one, "pinned") || strcmp(field_text(one, "state"), "ready") != 0);
        memory += lives ? field_number(one, "memoryBytes", 0) : 0;
    }
    if (most && alive >= most) {
        ++*found;
        doctor_add(d, "limits", kept >= most ? DOCTOR_PROBLEM : DOCTOR_WARNING,
                   xasprintf("the pool is full: %lld of maxDaemons %lld%s", (long long)alive,
                             (long long)most,
                             kept >= most ? ", all busy or pinned, so no other can start"
                                          : "; the longest idle one makes room"),
                   kept >= most ? xstrdup("poolctl list   (then poolctl unpin or poolctl stop)")
                                : NULL);
    }
    if (budget && memory > budget * MIB) {
        char *used = say_bytes(memory);
        ++*found;
        doctor_add(d, "limits", DOCTOR_WARNING,
                   xasprintf("daemons use %s of memoryBudgetMiB %lld; idle ones go", used,
                             (long long)budget),
                   xstrdup("poolctl list   (then poolctl stop DIR, or a larger budget)"));
        free(used);
    }
}

void doctor_limits(struct doctor *d)
{
    size_t found = 0;
    check_files(d, &found);
    check_disk(d, &found);
    if (d->answers)
        check_pool(d, &found);
    if (!found)
        doctor_add(d, "limits", DOCTOR_OK, xstrdup("room for files, daemons, memory and disk"),
                   NULL);
}
