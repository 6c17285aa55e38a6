/* platform/proc_darwin.c - see proc.h: by libproc and sysctl. Compiled for macOS, never run there.
 *
 * What macOS does not give: pidfds (so a signal may hit a pid recycled in the same microsecond),
 * proportional memory (the physical footprint is told as both), other processes' descriptors
 * unless they are ours. */
#include "platform/proc.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <libproc.h>
#include <mach/mach_time.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/proc_info.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <time.h>
#include <unistd.h>

#define STATE_STOPPED 4 /* SSTOP of sys/proc.h */
#define STATE_ZOMBIE 5  /* SZOMB */

static bool info_read(pid_t pid, struct proc_bsdinfo *out)
{
    return pid > 0 &&
           proc_pidinfo(pid, PROC_PIDTBSDINFO, 0, out, sizeof *out) == (int)sizeof *out &&
           out->pbi_status != STATE_ZOMBIE;
}

static uint64_t start_of(const struct proc_bsdinfo *info)
{
    return info->pbi_start_tvsec * 1000000 + info->pbi_start_tvusec;
}

const char *proc_boot_id(void)
{
    static char id[64];
    size_t size = sizeof id;
    if (!id[0] && sysctlbyname("kern.bootsessionuuid", id, &size, NULL, 0))
        id[0] = '\0';
    return id;
}

uint64_t proc_start_time(pid_t pid)
{
    struct proc_bsdinfo info;
    return info_read(pid, &info) ? start_of(&info) : 0;
}

bool proc_is_alive(struct proc_id id)
{
    struct proc_bsdinfo info;
    return info_read(id.pid, &info) && (!id.start_time || start_of(&info) == id.start_time);
}

bool proc_is_stopped(struct proc_id id)
{
    struct proc_bsdinfo info;
    return info_read(id.pid, &info) && (!id.start_time || start_of(&info) == id.start_time) &&
           info.pbi_status == STATE_STOPPED;
}

bool proc_signal(struct proc_id id, int signal_number)
{
    return proc_is_alive(id) && kill(id.pid, signal_number) == 0;
}

/* --- lists and trees --- */

static bool list_has(const struct proc_list *list, pid_t pid)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].pid == pid)
            return true;
    return false;
}

static void list_add_living(struct proc_list *list, pid_t pid)
{
    struct proc_bsdinfo info;
    if (list_has(list, pid) || !info_read(pid, &info))
        return;
    if (list->count == list->room) {
        list->room = list->room ? list->room * 2 : 16;
        list->items = xrealloc(list->items, list->room * sizeof *list->items);
    }
    list->items[list->count++] = (struct proc_id){pid, start_of(&info)};
}

/* The pids that one of libproc's list calls gives, as a new block; their number in *count. */
static pid_t *list_pids(uint32_t type, uint32_t argument, size_t *count)
{
    size_t room = 256;
    for (;;) {
        pid_t *pids = xmalloc(room * sizeof *pids);
        int bytes = proc_listpids(type, argument, pids, (int)(room * sizeof *pids));
        *count = bytes > 0 ? (size_t)bytes / sizeof *pids : 0;
        if (*count < room)
            return pids;
        free(pids); /* full: there may be more */
        room *= 2;
    }
}

static void grow(struct proc_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!proc_is_alive(list->items[i]))
            continue;
        size_t count;
        pid_t *children = list_pids(PROC_PPID_ONLY, (uint32_t)list->items[i].pid, &count);
        for (size_t k = 0; k < count; k++)
            list_add_living(list, children[k]);
        free(children);
    }
}

void proc_tree(pid_t root, struct proc_list *out)
{
    struct proc_list tree = {0};
    list_add_living(&tree, root);
    grow(&tree);
    for (size_t i = 0; i < tree.count; i++)
        list_add_living(out, tree.items[i].pid);
    free(tree.items);
}

void proc_use_fallbacks(bool yes)
{
    (void)yes; /* there is only one way here */
}

bool proc_uses_fallbacks(void)
{
    return false;
}

void proc_kill_all(struct proc_list *trees)
{
    size_t stopped = 0;
    for (int look = 0; look < 100; look++) {
        for (; stopped < trees->count; stopped++)
            proc_signal(trees->items[stopped], SIGSTOP);
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
        grow(trees);
        if (trees->count == stopped)
            break;
    }
    for (size_t i = 0; i < trees->count; i++)
        proc_signal(trees->items[i], SIGKILL);
}

/* --- environment --- */

/* Arguments and environment as the kernel keeps them (int argc, path, NULs, arguments,
 * environment), as a new block, or NULL. */
static char *arguments_read(pid_t pid, size_t *length)
{
    int max = 0, name[3] = {CTL_KERN, KERN_ARGMAX, 0};
    size_t size = sizeof max;
    if (sysctl(name, 2, &max, &size, NULL, 0) || max <= (int)sizeof(int))
        return NULL;
    char *text = xcalloc((size_t)max + 1, 1);
    name[1] = KERN_PROCARGS2;
    name[2] = pid;
    *length = (size_t)max;
    if (sysctl(name, 3, text, length, NULL, 0) == 0 && *length > sizeof(int))
        return text;
    free(text);
    return NULL;
}

static const char *environ_value(const char *text, size_t length, const char *name)
{
    const char *at = text + sizeof(int), *end = text + length;
    int arguments;
    memcpy(&arguments, text, sizeof arguments);
    at += strlen(at); /* the program's path */
    while (at < end && !*at)
        at++;
    for (; at < end && arguments > 0; arguments--)
        at += strlen(at) + 1;
    size_t n = strlen(name);
    for (; at < end && *at; at += strlen(at) + 1)
        if (strncmp(at, name, n) == 0 && at[n] == '=')
            return at + n + 1;
    return NULL;
}

bool proc_env_get(pid_t pid, const char *name, char *out, size_t room)
{
    size_t length;
    char *text = arguments_read(pid, &length);
    const char *value = text ? environ_value(text, length, name) : NULL;
    bool fits = value && strlen(value) < room;
    if (fits)
        memcpy(out, value, strlen(value) + 1);
    free(text);
    return fits;
}

void proc_with_env(const char *name, const char *value, struct proc_list *out)
{
    size_t count;
    pid_t *pids = list_pids(PROC_UID_ONLY, geteuid(), &count);
    for (size_t i = 0; i < count; i++) {
        size_t length;
        char *text = arguments_read(pids[i], &length);
        const char *found = text ? environ_value(text, length, name) : NULL;
        if (found && (!value || strcmp(found, value) == 0))
            list_add_living(out, pids[i]);
        free(text);
    }
    free(pids);
}

/* --- what they cost --- */

static bool usage_read(pid_t pid, struct rusage_info_v2 *out)
{
    return proc_pid_rusage(pid, RUSAGE_INFO_V2, (rusage_info_t *)(void *)out) == 0;
}

void proc_memory(pid_t pid, int64_t *rss_bytes, int64_t *pss_bytes)
{
    struct rusage_info_v2 usage;
    if (!usage_read(pid, &usage))
        return;
    *rss_bytes += (int64_t)usage.ri_resident_size;
    if (pss_bytes)
        *pss_bytes += (int64_t)usage.ri_phys_footprint;
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
    struct rusage_info_v2 usage;
    mach_timebase_info_data_t base;
    if (!usage_read(pid, &usage) || mach_timebase_info(&base) || !base.denom)
        return 0;
    uint64_t ticks = usage.ri_user_time + usage.ri_system_time;
    return (int64_t)(ticks * base.numer / base.denom / 1000000);
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

/* --- ports --- */

static bool is_listener(const struct socket_fdinfo *socket, int port)
{
    const struct tcp_sockinfo *tcp = &socket->psi.soi_proto.pri_tcp;
    return socket->psi.soi_kind == SOCKINFO_TCP && tcp->tcpsi_state == TSI_S_LISTEN &&
           ntohs((uint16_t)tcp->tcpsi_ini.insi_lport) == port;
}

static bool listens(pid_t pid, int port)
{
    int bytes = proc_pidinfo(pid, PROC_PIDLISTFDS, 0, NULL, 0);
    if (bytes <= 0)
        return false;
    struct proc_fdinfo *fds = xmalloc((size_t)bytes);
    bytes = proc_pidinfo(pid, PROC_PIDLISTFDS, 0, fds, bytes);
    bool found = false;
    for (int i = 0; !found && i < bytes / (int)sizeof *fds; i++) {
        struct socket_fdinfo socket;
        found = fds[i].proc_fdtype == PROX_FDTYPE_SOCKET &&
                proc_pidfdinfo(pid, fds[i].proc_fd, PROC_PIDFDSOCKETINFO, &socket,
                               sizeof socket) == (int)sizeof socket &&
                is_listener(&socket, port);
    }
    free(fds);
    return found;
}

/* Does a connection to 127.0.0.1 find anybody? Another user's sockets cannot be seen otherwise. */
static bool is_taken(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool taken = fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
    if (fd >= 0)
        close(fd);
    return taken;
}

enum proc_port proc_port_owner(int port, pid_t tree_root, pid_t *who)
{
    struct proc_list tree = {0};
    bool ours = false;
    if (who)
        *who = 0;
    if (tree_root > 0)
        proc_tree(tree_root, &tree);
    for (size_t i = 0; i < tree.count && !ours; i++)
        ours = listens(tree.items[i].pid, port);
    free(tree.items);
    if (ours)
        return PROC_PORT_OURS;
    if (!is_taken(port))
        return PROC_PORT_FREE;
    size_t count;
    pid_t *pids = list_pids(PROC_UID_ONLY, geteuid(), &count);
    for (size_t i = 0; who && !*who && i < count; i++)
        if (listens(pids[i], port))
            *who = pids[i];
    free(pids);
    return PROC_PORT_STRANGER;
}
