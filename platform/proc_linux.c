/* platform/proc_linux.c - see proc.h: identity, trees, environment and cost of processes from
 * /proc. Who listens on a port is in proc_port_linux.c. */
#include "platform/proc.h"

#include "base/str.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* What we use of /proc/PID/stat. */
struct stat_line {
    char state;
    pid_t parent;
    long threads;
    uint64_t cpu_ticks, start_time;
};

static bool use_fallbacks;

/* Read the beginning of a /proc file, terminated; its length or -1. */
static ssize_t read_start(const char *path, char *out, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t n = 0;
    ssize_t got;
    while (n + 1 < room && (got = read(fd, out + n, room - 1 - n)) != 0) {
        if (got > 0)
            n += (size_t)got;
        else if (errno != EINTR)
            break;
    }
    close(fd);
    out[n] = '\0';
    return (ssize_t)n;
}

static bool stat_read(pid_t pid, struct stat_line *out)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (pid <= 0 || read_start(path, text, sizeof text) <= 0)
        return false;
    /* The name may hold blanks and parentheses: what counts stands behind the last ')'. */
    const char *at = strrchr(text, ')');
    unsigned long user, system;
    unsigned long long start;
    int parent;
    if (!at || sscanf(at, ") %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d "
                          "%ld %*d %llu",
                      &out->state, &parent, &user, &system, &out->threads, &start) != 6)
        return false;
    out->parent = parent;
    out->cpu_ticks = (uint64_t)user + system;
    out->start_time = start;
    return out->state != 'Z' && out->state != 'X' && out->state != 'x';
}

const char *proc_boot_id(void)
{
    static char id[64];
    if (!id[0] && read_start("/proc/sys/kernel/random/boot_id", id, sizeof id) > 0)
        id[strcspn(id, "\n")] = '\0';
    return id;
}

uint64_t proc_start_time(pid_t pid)
{
    struct stat_line line;
    return stat_read(pid, &line) ? line.start_time : 0;
}

bool proc_is_alive(struct proc_id id)
{
    struct stat_line line;
    return stat_read(id.pid, &line) && (!id.start_time || line.start_time == id.start_time);
}

bool proc_is_stopped(struct proc_id id)
{
    struct stat_line line;
    return stat_read(id.pid, &line) && (!id.start_time || line.start_time == id.start_time) &&
           (line.state == 'T' || line.state == 't');
}

bool proc_signal(struct proc_id id, int signal_number)
{
    if (id.pid <= 0)
        return false;
    /* The pidfd holds the process while its start time is compared. */
    int fd = (int)syscall(SYS_pidfd_open, id.pid, 0);
    if (fd < 0)
        return errno != ESRCH && proc_is_alive(id) && kill(id.pid, signal_number) == 0;
    bool sent = proc_is_alive(id) &&
                syscall(SYS_pidfd_send_signal, fd, signal_number, NULL, 0) == 0;
    close(fd);
    return sent;
}

/* --- lists and trees --- */

static bool list_has(const struct proc_list *list, pid_t pid)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].pid == pid)
            return true;
    return false;
}

static void list_add(struct proc_list *list, pid_t pid, uint64_t start_time)
{
    if (list->count == list->room) {
        list->room = list->room ? list->room * 2 : 16;
        list->items = xrealloc(list->items, list->room * sizeof *list->items);
    }
    list->items[list->count++] = (struct proc_id){pid, start_time};
}

static void list_add_living(struct proc_list *list, pid_t pid)
{
    struct stat_line line;
    if (!list_has(list, pid) && stat_read(pid, &line))
        list_add(list, pid, line.start_time);
}

/* Next entry of a /proc folder whose name is a number; 0 at the end. */
static pid_t next_number(DIR *dir)
{
    struct dirent *entry;
    int64_t value;
    while ((entry = readdir(dir)))
        if (isdigit((unsigned char)entry->d_name[0]) &&
            str_to_int(entry->d_name, 1, INT32_MAX, &value))
            return (pid_t)value;
    return 0;
}

static bool has_children_files(void)
{
    static int has = -1;
    if (has < 0) {
        char path[80];
        snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
        has = access(path, R_OK) == 0;
    }
    return has && !use_fallbacks;
}

/* The children that one thread has forked. The file can be long, but it is read in one go per
 * block, and a number cut at the end of a block is put together. */
static void add_children_of_thread(pid_t pid, pid_t thread, struct proc_list *list)
{
    char path[80], block[1024];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    int64_t number = 0;
    ssize_t n;
    while ((n = read(fd, block, sizeof block)) > 0)
        for (ssize_t i = 0; i < n; i++) {
            if (isdigit((unsigned char)block[i])) {
                number = number * 10 + (block[i] - '0');
                continue;
            }
            if (number)
                list_add_living(list, (pid_t)number);
            number = 0;
        }
    if (number)
        list_add_living(list, (pid_t)number);
    close(fd);
}

static void add_children(pid_t pid, struct proc_list *list)
{
    struct stat_line line;
    if (!stat_read(pid, &line))
        return;
    if (line.threads <= 1) {
        add_children_of_thread(pid, pid, list);
        return;
    }
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    if (!dir)
        return;
    for (pid_t thread; (thread = next_number(dir));)
        add_children_of_thread(pid, thread, list);
    closedir(dir);
}

/* Grow list by the descendants of its members, by one look at everybody's parent per generation
 * found. Only for kernels without children files. */
static void grow_by_scan(struct proc_list *list)
{
    size_t before;
    do {
        before = list->count;
        DIR *dir = opendir("/proc");
        if (!dir)
            return;
        struct stat_line line;
        for (pid_t pid; (pid = next_number(dir));)
            if (!list_has(list, pid) && stat_read(pid, &line) && list_has(list, line.parent))
                list_add(list, pid, line.start_time);
        closedir(dir);
    } while (list->count > before);
}

/* Add the descendants of all members. A member that has become another process is no root. */
static void grow(struct proc_list *list)
{
    if (!has_children_files()) {
        grow_by_scan(list);
        return;
    }
    for (size_t i = 0; i < list->count; i++)
        if (proc_is_alive(list->items[i]))
            add_children(list->items[i].pid, list);
}

void proc_tree(pid_t root, struct proc_list *out)
{
    struct proc_list tree = {0};
    list_add_living(&tree, root);
    grow(&tree);
    for (size_t i = 0; i < tree.count; i++)
        if (!list_has(out, tree.items[i].pid))
            list_add(out, tree.items[i].pid, tree.items[i].start_time);
    free(tree.items);
}

void proc_use_fallbacks(bool yes)
{
    use_fallbacks = yes;
}

bool proc_uses_fallbacks(void)
{
    return use_fallbacks;
}

static bool all_are_stopped(const struct proc_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (proc_is_alive(list->items[i]) && !proc_is_stopped(list->items[i]))
            return false;
    return true;
}

void proc_kill_all(struct proc_list *trees)
{
    /* A process that is stopped neither forks nor dies, so a look that finds nothing new while all
     * are stopped has seen the whole set. One that cannot be stopped (waiting for a disk) must not
     * hold us up: the number of looks is limited. */
    size_t stopped = 0;
    for (int look = 0; look < 100; look++) {
        for (; stopped < trees->count; stopped++)
            proc_signal(trees->items[stopped], SIGSTOP);
        bool quiet = all_are_stopped(trees);
        grow(trees);
        if (trees->count == stopped && quiet)
            break;
        if (!quiet)
            nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    for (size_t i = 0; i < trees->count; i++)
        proc_signal(trees->items[i], SIGKILL);
}

/* --- environment --- */

/* The initial environment (NUL-separated, terminated) as a new block, or NULL. */
static char *environ_read(pid_t pid, size_t *length)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    size_t room = 8192, n = 0;
    char *text = xmalloc(room);
    ssize_t got;
    while ((got = read(fd, text + n, room - 1 - n)) > 0) {
        n += (size_t)got;
        if (n + 1 == room)
            text = xrealloc(text, room *= 2); /* the kernel limits an environment to some MiB */
    }
    close(fd);
    text[n] = '\0';
    *length = n;
    return text;
}

/* The value of name in such a block, or NULL. */
static const char *environ_value(const char *text, size_t length, const char *name)
{
    size_t name_length = strlen(name);
    for (const char *at = text; at < text + length; at += strlen(at) + 1)
        if (strncmp(at, name, name_length) == 0 && at[name_length] == '=')
            return at + name_length + 1;
    return NULL;
}

bool proc_env_get(pid_t pid, const char *name, char *out, size_t room)
{
    size_t length;
    char *text = environ_read(pid, &length);
    const char *value = text ? environ_value(text, length, name) : NULL;
    bool fits = value && strlen(value) < room;
    if (fits)
        memcpy(out, value, strlen(value) + 1);
    free(text);
    return fits;
}

void proc_with_env(const char *name, const char *value, struct proc_list *out)
{
    DIR *dir = opendir("/proc");
    if (!dir)
        return;
    for (pid_t pid; (pid = next_number(dir));) {
        char path[32];
        struct stat st;
        snprintf(path, sizeof path, "/proc/%d", (int)pid);
        if (stat(path, &st) || st.st_uid != geteuid())
            continue;
        size_t length;
        char *text = environ_read(pid, &length);
        const char *found = text ? environ_value(text, length, name) : NULL;
        if (found && (!value || strcmp(found, value) == 0))
            list_add_living(out, pid);
        free(text);
    }
    closedir(dir);
}

/* --- what they cost --- */

void proc_memory(pid_t pid, int64_t *rss_bytes, int64_t *pss_bytes)
{
    char path[64], text[1024];
    long long total, resident, pss;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    if (read_start(path, text, sizeof text) <= 0 ||
        sscanf(text, "%lld %lld", &total, &resident) != 2)
        return;
    resident *= sysconf(_SC_PAGESIZE);
    *rss_bytes += resident;
    if (!pss_bytes)
        return;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    const char *at = read_start(path, text, sizeof text) > 0 ? strstr(text, "\nPss:") : NULL;
    *pss_bytes += at && sscanf(at, "\nPss: %lld kB", &pss) == 1 ? pss * 1024 : resident;
}

void proc_tree_memory(pid_t root, int64_t *rss_bytes, int64_t *pss_bytes)
{
    struct proc_list tree = {0};
    proc_tree(root, &tree);
    *rss_bytes = 0;
    if (pss_bytes)
        *pss_bytes = 0;
    for (size_t i = 0; i < tree.count; i++)
        proc_memory(tree.items[i].pid, rss_bytes, pss_bytes);
    free(tree.items);
}

int64_t proc_cpu_ms(pid_t pid)
{
    struct stat_line line;
    return stat_read(pid, &line) ? (int64_t)(line.cpu_ticks * 1000) / sysconf(_SC_CLK_TCK) : 0;
}

int64_t proc_tree_cpu_ms(pid_t root)
{
    struct proc_list tree = {0};
    int64_t ms = 0;
    proc_tree(root, &tree);
    for (size_t i = 0; i < tree.count; i++)
        ms += proc_cpu_ms(tree.items[i].pid);
    free(tree.items);
    return ms;
}
