/* platform/peer_cwd_linux.c - where a process works, as a path that means the same to us.
 *
 * /proc/PID/cwd names a path of the process's own mount namespace: under a sandbox with bind mounts
 * it may name another directory here, or none. So the directory itself (device and inode) is
 * compared with what the path leads to here, and where they differ the path is found through the
 * mount tables of both sides (proc_pid_mountinfo(5)). */
#include "platform/peer_parts.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(PATH_MAX <= 4096, "peer_process.cwd holds every path");

struct mount {
    int id;
    char device[24]; /* major:minor of the file system */
    char *root;      /* what of it is mounted */
    char *mount_point;
};

bool peer_stat_of(pid_t pid, struct peer_stat *out)
{
    char path[48], text[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    char *open_paren = strchr(text, '('), *end = strrchr(text, ')'), state;
    int parent;
    unsigned long long start;
    if (!open_paren || !end ||
        sscanf(end + 1,
               " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &state, &parent, &start) != 3 ||
        state == 'Z' || state == 'X')
        return false;
    *end = '\0';
    out->parent = parent;
    out->start_time = start;
    snprintf(out->name, sizeof out->name, "%s", open_paren + 1);
    return true;
}

uid_t peer_uid_of(pid_t pid)
{
    char path[48];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%ld", (long)pid);
    return stat(path, &st) == 0 ? st.st_uid : (uid_t)-1;
}

/* \040 and the like, in place. */
static char *unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; to++) {
        unsigned value;
        if (from[0] == '\\' && sscanf(from + 1, "%3o", &value) == 1) {
            *to = (char)value;
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
    return text;
}

/* The next mount of a mountinfo file; its strings live in line until the next call. */
static bool next_mount(FILE *f, char **line, size_t *room, struct mount *out)
{
    while (getline(line, room, f) >= 0) {
        int root_at = 0, point_at = 0, end = 0;
        if (sscanf(*line, "%d %*d %23s %n%*s %n%*s%n", &out->id, out->device, &root_at, &point_at,
                   &end) != 2 ||
            !end)
            continue;
        (*line)[point_at - 1] = (*line)[end] = '\0';
        out->root = unescape(*line + root_at);
        out->mount_point = unescape(*line + point_at);
        return true;
    }
    return false;
}

/* What follows prefix in path ("" or "/..."), or NULL if path is not at or below it. */
static const char *below(const char *path, const char *prefix)
{
    size_t n = strlen(prefix);
    if (n && prefix[n - 1] == '/')
        n--;
    return strncmp(path, prefix, n) == 0 && (path[n] == '/' || !path[n]) ? path + n : NULL;
}

/* prefix + rest with one slash between. New. */
static char *joined(const char *prefix, const char *rest)
{
    int n = (int)strlen(prefix);
    while (n && prefix[n - 1] == '/')
        n--;
    char *out = xasprintf("%.*s%s", n, prefix, rest);
    if (*out)
        return out;
    free(out);
    return xstrdup("/");
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* path, made canonical, if it leads to that very directory here. */
static bool leads_to(const char *path, const struct stat *dir, char out[4096])
{
    char real[PATH_MAX];
    struct stat st;
    if (!realpath(path, real) || stat(real, &st) != 0 || !is_same(&st, dir))
        return false;
    memcpy(out, real, strlen(real) + 1);
    return true;
}

static int mount_id_of(int fd)
{
    char path[48], line[128];
    int id = -1;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    FILE *f = fopen(path, "re");
    while (f && id < 0 && fgets(line, sizeof line, f))
        if (sscanf(line, "mnt_id: %d", &id) != 1)
            id = -1;
    if (f)
        fclose(f);
    return id;
}

/* rest of path below the mount point, which a process in a chroot sees from its own root. */
static char *rest_below(pid_t pid, const char *path, const char *mount_point)
{
    const char *rest = below(path, mount_point);
    if (rest)
        return xstrdup(rest);
    char link[48], root[PATH_MAX];
    snprintf(link, sizeof link, "/proc/%ld/root", (long)pid);
    ssize_t n = readlink(link, root, sizeof root - 1);
    if (n <= 0)
        return NULL;
    root[n] = '\0';
    char *whole = joined(root, mount_point);
    rest = below(path, whole);
    char *out = rest ? xstrdup(rest) : NULL;
    free(whole);
    return out;
}

/* Where the directory is within its file system, by the process's own mount table: "device" and a
 * new string, or NULL. */
static char *inner_path(pid_t pid, int dir_fd, const char *path, char device[24])
{
    char file[48], *line = NULL, *out = NULL;
    size_t room = 0;
    struct mount m;
    int id = mount_id_of(dir_fd);
    snprintf(file, sizeof file, "/proc/%ld/mountinfo", (long)pid);
    FILE *f = fopen(file, "re");
    while (f && id >= 0 && next_mount(f, &line, &room, &m)) {
        if (m.id != id)
            continue;
        char *rest = rest_below(pid, path, m.mount_point);
        if (rest) {
            out = joined(m.root, rest);
            memcpy(device, m.device, sizeof m.device);
        }
        free(rest);
        break;
    }
    if (f)
        fclose(f);
    free(line);
    return out;
}

/* Through our own mounts of the same file system. The one that mounts most of it has the name that
 * people use; a bind mount of a part is an alias. */
static bool through_our_mounts(const char *device, const char *inner, const struct stat *dir,
                               char out[4096])
{
    char *line = NULL;
    size_t room = 0, best = SIZE_MAX;
    struct mount m;
    FILE *f = fopen("/proc/self/mountinfo", "re");
    while (f && next_mount(f, &line, &room, &m)) {
        const char *rest = strcmp(m.device, device) == 0 ? below(inner, m.root) : NULL;
        if (!rest || strlen(m.root) >= best)
            continue;
        char *candidate = joined(m.mount_point, rest);
        if (leads_to(candidate, dir, out))
            best = strlen(m.root);
        free(candidate);
    }
    if (f)
        fclose(f);
    free(line);
    return best != SIZE_MAX;
}

static bool find_here(pid_t pid, int dir_fd, char out[4096], char why[200])
{
    char link[48], path[PATH_MAX], device[24];
    struct stat dir;
    snprintf(link, sizeof link, "/proc/self/fd/%d", dir_fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0 || fstat(dir_fd, &dir) != 0) {
        snprintf(why, 200, "the working directory of process %ld cannot be read", (long)pid);
        return false;
    }
    path[n] = '\0';
    if (leads_to(path, &dir, out))
        return true;
    if (dir.st_nlink == 0 || str_ends(path, " (deleted)")) {
        snprintf(why, 200, "the working directory of process %ld was deleted: %.110s", (long)pid,
                 path);
        return false;
    }
    char *inner = inner_path(pid, dir_fd, path, device);
    bool ok = inner && through_our_mounts(device, inner, &dir, out);
    free(inner);
    if (!ok)
        snprintf(why, 200,
                 "process %ld works in a sandbox or container whose %.80s cannot be found here",
                 (long)pid, path);
    return ok;
}

bool peer_cwd_of(pid_t pid, char out[4096], char why[200])
{
    char link[48];
    snprintf(link, sizeof link, "/proc/%ld/cwd", (long)pid);
    /* Opened once, so that path, inode and mount are those of one directory. */
    int fd = open(link, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        bool hidden = errno == EACCES || errno == EPERM;
        snprintf(why, 200,
                 hidden ? "process %ld does not let others see where it works"
                        : "process %ld has ended already",
                 (long)pid);
        return false;
    }
    bool ok = find_here(pid, fd, out, why);
    close(fd);
    return ok;
}
