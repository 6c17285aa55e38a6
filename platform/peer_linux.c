/* platform/peer_linux.c - the search for the process that holds a client's socket, in slices.
 *
 * Looking at all descriptors of all processes takes up to 200 ms, so the likely ones come first:
 * who held this very socket the last time, then who held any client's socket lately (agents open
 * several), then the newest pids. */
#include "platform/peer_parts.h"

#include "base/str.h"
#include "platform/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CACHE_MAX 256  /* sockets whose owner is remembered */
#define RECENT_MAX 32  /* processes tried first */
#define KIN_MAX 512    /* relatives of owners that are looked at */
#define CLOCK_EVERY 16 /* descriptors between two looks at the clock (about 5 us each) */

struct owner {
    uint64_t inode;
    pid_t pid;
    uint64_t start_time; /* a recycled pid differs */
    int fd;
};

enum phase { PHASE_CACHE, PHASE_RECENT, PHASE_ALL, PHASE_KIN };

struct peer_search {
    struct peer_id id;
    char socket[40]; /* "socket:[INODE]" */
    enum phase phase;
    pid_t *pids; /* to look into; those before `next` have been */
    size_t count, next;
    DIR *dir;     /* descriptors of pids[next], when it was too much for one slice */
    pid_t hidden; /* one that could not be looked into, or 0 */
    enum peer_state state;
    struct peer_process found; /* the eldest owner so far; name empty: none yet */
};

/* Only who, never where: the cwd is read again each time. */
static struct owner cache[CACHE_MAX];
static unsigned cache_turn;
static struct owner recent[RECENT_MAX]; /* latest first */

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static struct owner *cached(uint64_t inode)
{
    for (unsigned i = 0; i < CACHE_MAX; i++)
        if (cache[i].inode == inode)
            return &cache[i];
    return NULL;
}

static void remember(const struct owner *o)
{
    struct owner *slot = cached(o->inode);
    *(slot ? slot : &cache[cache_turn++ % CACHE_MAX]) = *o;
    unsigned at = 0;
    while (at < RECENT_MAX - 1 && recent[at].pid && recent[at].pid != o->pid)
        at++;
    memmove(&recent[1], &recent[0], at * sizeof recent[0]);
    recent[0] = *o;
}

/* By the link's text and not by stat, which would hang on a descriptor of a file system that does
 * not answer (a quarter slower). name: the socket as /proc/PID/fd/N shows it. */
static bool is_that_socket(int dir, const char *fd, const char *name)
{
    char link[40];
    ssize_t n = readlinkat(dir, fd, link, sizeof link);
    return n > 0 && (size_t)n == strlen(name) && memcmp(link, name, (size_t)n) == 0;
}

static void list_add(struct peer_search *s, pid_t pid, size_t *room)
{
    if (s->count == *room) {
        *room = *room ? *room * 2 : 64;
        s->pids = xrealloc(s->pids, *room * sizeof *s->pids);
    }
    s->pids[s->count++] = pid;
}

static void list_empty(struct peer_search *s)
{
    free(s->pids);
    s->pids = NULL;
    s->count = s->next = 0;
}

static void list_recent(struct peer_search *s)
{
    size_t room = 0;
    struct peer_stat st;
    list_empty(s);
    for (unsigned i = 0; i < RECENT_MAX && recent[i].pid; i++)
        if (peer_stat_of(recent[i].pid, &st) && st.start_time == recent[i].start_time)
            list_add(s, recent[i].pid, &room);
}

static int newest_first(const void *a, const void *b)
{
    const pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;
    return (x < y) - (x > y);
}

static void list_all(struct peer_search *s)
{
    size_t room = 0;
    list_empty(s);
    DIR *proc = opendir("/proc");
    struct dirent *e;
    while (proc && (e = readdir(proc))) {
        int64_t pid;
        if (isdigit((unsigned char)e->d_name[0]) && str_to_int(e->d_name, 1, INT32_MAX, &pid))
            list_add(s, (pid_t)pid, &room);
    }
    if (proc)
        closedir(proc);
    if (s->count)
        qsort(s->pids, s->count, sizeof *s->pids, newest_first);
}

static bool is_listed(const struct peer_search *s, pid_t pid)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->pids[i] == pid)
            return true;
    return false;
}

static void list_kin(struct peer_search *s, pid_t pid)
{
    if (pid > 1 && s->count < KIN_MAX && !is_listed(s, pid))
        s->pids[s->count++] = pid;
}

/* Children by /proc/PID/task/TID/children; false where the kernel was built without them. */
static bool children_of(struct peer_search *s, pid_t pid)
{
    char path[300];
    struct dirent *e;
    bool there = false;
    snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
    DIR *tasks = opendir(path);
    while (tasks && (e = readdir(tasks))) {
        snprintf(path, sizeof path, "/proc/%ld/task/%s/children", (long)pid, e->d_name);
        FILE *f = isdigit((unsigned char)e->d_name[0]) ? fopen(path, "re") : NULL;
        int child;
        there = there || f;
        while (f && fscanf(f, "%d", &child) == 1)
            list_kin(s, child);
        if (f)
            fclose(f);
    }
    if (tasks)
        closedir(tasks);
    return there;
}

/* A process that shares the socket got it by fork, so it is related to an owner: look at the
 * parent and the children of each. */
static void add_kin(struct peer_search *s, pid_t pid)
{
    struct peer_stat st;
    if (s->phase != PHASE_KIN) {
        list_empty(s);
        s->pids = xmalloc(KIN_MAX * sizeof *s->pids);
        s->pids[0] = pid; /* itself counts as looked at */
        s->count = s->next = 1;
        s->phase = PHASE_KIN;
    }
    if (peer_stat_of(pid, &st))
        list_kin(s, st.parent);
    if (!children_of(s, pid)) {
        struct proc_list tree = {0};
        proc_tree(pid, &tree);
        for (size_t i = 0; i < tree.count; i++)
            list_kin(s, tree.items[i].pid);
        free(tree.items);
    }
}

/* Who it is and where it works, by all rules. */
static enum peer_state describe(pid_t pid, bool on_stdio, struct peer_process *out)
{
    struct peer_stat before, after;
    memset(out, 0, sizeof *out);
    out->pid = pid;
    if (!peer_stat_of(pid, &before)) {
        snprintf(out->why, sizeof out->why, "process %ld has ended already", (long)pid);
        return PEER_UNKNOWN;
    }
    out->start_time = before.start_time;
    memcpy(out->name, before.name, sizeof out->name);
    if (peer_is_forwarder(before.name, on_stdio)) {
        snprintf(
            out->why, sizeof out->why,
            "the connection comes through %s (process %ld), which carries it for somebody else",
            before.name, (long)pid);
        return PEER_UNKNOWN;
    }
    if (!peer_cwd_of(pid, out->cwd, out->why))
        return PEER_UNKNOWN;
    if (!peer_stat_of(pid, &after) || after.start_time != before.start_time) {
        out->cwd[0] = '\0';
        snprintf(out->why, sizeof out->why, "process %ld has ended already", (long)pid);
        return PEER_UNKNOWN;
    }
    return PEER_FOUND;
}

static void conclude_unknown(struct peer_search *s, const struct peer_process *p)
{
    s->state = PEER_UNKNOWN;
    if (p)
        s->found = *p;
    s->found.cwd[0] = '\0';
}

/* Start times are ticks of 10 ms, in which a parent and its child may both begin. */
static bool is_elder(const struct peer_process *p, const struct peer_process *than)
{
    struct peer_stat st;
    if (p->start_time != than->start_time)
        return p->start_time < than->start_time;
    return peer_stat_of(than->pid, &st) && st.parent == p->pid;
}

/* A process holds the socket: the first one, or one more that must agree. */
static void owner_found(struct peer_search *s, pid_t pid, int fd)
{
    struct peer_process p;
    if (describe(pid, false, &p) != PEER_FOUND) {
        conclude_unknown(s, &p);
        return;
    }
    bool is_first = !s->found.pid;
    if (!is_first && strcmp(p.cwd, s->found.cwd) != 0) {
        snprintf(s->found.why, sizeof s->found.why,
                 "processes %ld (%.30s) and %ld (%.30s) share the connection and work in different "
                 "directories",
                 (long)s->found.pid, s->found.name, (long)pid, p.name);
        conclude_unknown(s, NULL);
        return;
    }
    remember(&(struct owner){s->id.inode, pid, p.start_time, fd});
    if (is_first || is_elder(&p, &s->found))
        s->found = p;
    add_kin(s, pid);
}

/* The one that held it the last time, if it is the same process and the same descriptor. */
static void try_cache(struct peer_search *s)
{
    const struct owner *o = cached(s->id.inode);
    struct peer_stat st;
    char path[48], name[16];
    if (!o || !peer_stat_of(o->pid, &st) || st.start_time != o->start_time)
        return;
    snprintf(path, sizeof path, "/proc/%ld/fd", (long)o->pid);
    snprintf(name, sizeof name, "%d", o->fd);
    int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return;
    bool holds = is_that_socket(dir, name, s->socket);
    close(dir);
    if (holds)
        owner_found(s, o->pid, o->fd);
}

enum look { LOOK_MORE, LOOK_NO, LOOK_YES };

static bool open_descriptors(struct peer_search *s, pid_t pid)
{
    char path[48];
    /* Not into ourselves: poold holds thousands of sockets and is never its own client. */
    if (pid == getpid() || peer_uid_of(pid) != s->id.uid)
        return false;
    snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
    s->dir = opendir(path);
    bool refused = !s->dir && (errno == EACCES || errno == EPERM);
    struct peer_stat st; /* zombies refuse, too, and hold nothing */
    if (refused && s->phase != PHASE_KIN && peer_stat_of(pid, &st))
        s->hidden = pid;
    return s->dir != NULL;
}

static enum look look_into(struct peer_search *s, pid_t pid, int64_t deadline_us, int *fd)
{
    if (!s->dir && !open_descriptors(s, pid))
        return LOOK_NO;
    struct dirent *e;
    enum look result = LOOK_NO;
    for (unsigned n = 1; result == LOOK_NO && (e = readdir(s->dir)); n++) {
        int64_t number;
        if (str_to_int(e->d_name, 0, INT32_MAX, &number) &&
            is_that_socket(dirfd(s->dir), e->d_name, s->socket)) {
            *fd = (int)number;
            result = LOOK_YES;
        } else if (n % CLOCK_EVERY == 0 && now_us() >= deadline_us) {
            return LOOK_MORE;
        }
    }
    closedir(s->dir);
    s->dir = NULL;
    return result;
}

static void conclude_nobody(struct peer_search *s)
{
    struct peer_stat st = {0};
    if (s->hidden && peer_stat_of(s->hidden, &st))
        snprintf(s->found.why, sizeof s->found.why,
                 "no process was found that holds the connection; some of yours, like %s (process "
                 "%ld), do not let others look",
                 st.name, (long)s->hidden);
    else
        snprintf(s->found.why, sizeof s->found.why,
                 "no process was found that holds the connection; the client may have ended "
                 "already");
    conclude_unknown(s, NULL);
}

/* The list is done: what comes next? */
static void next_phase(struct peer_search *s)
{
    switch (s->phase) {
    case PHASE_CACHE:
        s->phase = PHASE_RECENT;
        list_recent(s);
        try_cache(s);
        break;
    case PHASE_RECENT:
        s->phase = PHASE_ALL;
        list_all(s);
        break;
    case PHASE_ALL:
        conclude_nobody(s);
        break;
    case PHASE_KIN:
        s->state = PEER_FOUND;
        break;
    }
}

struct peer_search *peer_search_new(const struct peer_id *id)
{
    struct peer_search *s = xcalloc(1, sizeof *s);
    s->id = *id;
    snprintf(s->socket, sizeof s->socket, "socket:[%llu]", (unsigned long long)id->inode);
    if (!id->is_known) {
        snprintf(s->found.why, sizeof s->found.why,
                 "the system does not say whose the connection is; the client may have closed it");
        conclude_unknown(s, NULL);
    } else if (id->uid != geteuid()) {
        snprintf(s->found.why, sizeof s->found.why,
                 "the connection belongs to another user (uid %ld)", (long)id->uid);
        conclude_unknown(s, NULL);
    }
    return s;
}

enum peer_state peer_search_step(struct peer_search *s, int64_t slice_us, struct peer_process *out)
{
    int64_t deadline_us = now_us() + slice_us;
    do {
        if (s->state != PEER_MORE)
            break;
        if (s->next == s->count) {
            next_phase(s);
            continue;
        }
        pid_t pid = s->pids[s->next];
        int fd = -1;
        enum look look = look_into(s, pid, deadline_us, &fd);
        if (look == LOOK_MORE)
            break;
        s->next++;
        if (look == LOOK_YES)
            owner_found(s, pid, fd);
    } while (now_us() < deadline_us);
    if (s->state != PEER_MORE)
        *out = s->found;
    return s->state;
}

void peer_search_free(struct peer_search *s)
{
    if (!s)
        return;
    if (s->dir)
        closedir(s->dir);
    free(s->pids);
    free(s);
}

enum peer_state peer_of_pid(pid_t pid, struct peer_process *out)
{
    if (peer_uid_of(pid) == geteuid())
        return describe(pid, true, out);
    memset(out, 0, sizeof *out);
    out->pid = pid;
    snprintf(out->why, sizeof out->why, "process %ld is gone, or another user's", (long)pid);
    return PEER_UNKNOWN;
}
