/* platform/dirs.c - see dirs.h. The defaults are in dirs_linux.c and dirs_darwin.c. */
#include "platform/dirs.h"

#include "base/buf.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* *slot = the flag, else the variable, else NULL; absolute. */
static bool choose(const char *flag, const char *variable, char **slot, struct err *err)
{
    const char *value = flag && *flag ? flag : getenv(variable);
    if (!value || !*value)
        return true;
    if (value[0] == '/') {
        *slot = xstrdup(value);
        return true;
    }
    char *here = getcwd(NULL, 0);
    if (!here)
        return err_set(err, ERR_USAGE, errno, "unable to make %s absolute", value);
    *slot = str_path(here, value);
    free(here);
    return true;
}

bool dirs_find(const char *config, const char *state, const char *run, struct dirs *out,
               struct err *err)
{
    struct dirs d = {0};
    if (!choose(config, "POOLD_CONFIG", &d.config_file, err) ||
        !choose(state, "POOLD_STATE_DIR", &d.state_dir, err) ||
        !choose(run, "POOLD_RUN_DIR", &d.run_dir, err) || !dirs_defaults(&d, err)) {
        dirs_finish(&d);
        return false;
    }
    *out = d;
    return true;
}

void dirs_finish(struct dirs *d)
{
    free(d->config_file);
    free(d->state_dir);
    free(d->run_dir);
    free(d->data_dir);
    *d = (struct dirs){0};
}

static bool make_parents(const char *path, struct err *err)
{
    char *copy = xstrdup(path);
    bool ok = true;
    for (char *slash = strchr(copy + 1, '/'); ok && slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0700) != 0 && errno != EEXIST) {
            int sys = errno;
            struct stat st; /* a parent on a read-only or automounted place may say EROFS, ENOSYS */
            ok = stat(copy, &st) == 0 || err_set(err, ERR_SYSTEM, sys, "unable to make %s", copy);
        }
        *slash = '/';
    }
    free(copy);
    return ok;
}

static bool is_ours(uid_t owner, const char *path, struct err *err)
{
    return owner == geteuid() ||
           err_set(err, ERR_DENIED, 0, "unable to use %s: it belongs to user %ld, not to us", path,
                   (long)owner);
}

bool dirs_make(const char *path, bool is_private, struct err *err)
{
    if (!*path)
        return err_set(err, ERR_USAGE, 0, "unable to make a directory without a name");
    if (!make_parents(path, err))
        return false;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return err_set(err, ERR_SYSTEM, errno, "unable to make %s", path);
    /* Where others may write beside us, the name could be a link that they made. */
    struct stat st;
    if (lstat(path, &st) != 0)
        return err_set(err, ERR_SYSTEM, errno, "unable to look at %s", path);
    if (!is_ours(st.st_uid, path, err))
        return false;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, ERR_SYSTEM, errno, "unable to open the directory %s", path);
    bool ok = fstat(fd, &st) == 0 || err_set(err, ERR_SYSTEM, errno, "unable to look at %s", path);
    ok = ok && is_ours(st.st_uid, path, err);
    if (ok && is_private && (st.st_mode & 07777) != 0700 && fchmod(fd, 0700) != 0)
        ok = err_set(err, ERR_SYSTEM, errno, "unable to make %s private", path);
    close(fd);
    return ok;
}

static bool write_all(int fd, const char *bytes, size_t n)
{
    while (n) {
        ssize_t did = write(fd, bytes, n);
        if (did < 0 && errno != EINTR)
            return false;
        if (did > 0) {
            bytes += did;
            n -= (size_t)did;
        }
    }
    return true;
}

/* So that the rename itself survives a power loss; not every file system can. */
static void sync_directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? xstrndup(path, slash == path ? 1 : (size_t)(slash - path)) : xstrdup(".");
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(dir);
}

bool dirs_write_file(const char *path, const void *bytes, size_t n, int mode, struct err *err)
{
    char *target = realpath(path, NULL);
    if (!target)
        target = xstrdup(path);
    char *temporary = xasprintf("%s.%ld.tmp", target, (long)getpid());
    unlink(temporary); /* of an earlier process with our pid */
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
    bool ok = fd >= 0 && write_all(fd, bytes, n) && fsync(fd) == 0;
    int sys = errno;
    if (fd >= 0 && close(fd) != 0 && ok) { /* network file systems tell a full disk only here */
        sys = errno;
        ok = false;
    }
    if (ok && rename(temporary, target) != 0) {
        sys = errno;
        ok = false;
    }
    if (ok)
        sync_directory_of(target);
    else if (fd >= 0)
        unlink(temporary);
    free(temporary);
    free(target);
    return ok || err_set(err, ERR_SYSTEM, sys, "unable to write %s", path);
}

/* All there is, up to the buffer's cap. */
static bool read_all(int fd, const char *path, struct buf *b, struct err *err)
{
    char block[8192];
    ssize_t got;
    while ((got = read(fd, block, sizeof block)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(err, ERR_SYSTEM, errno, "unable to read %s", path);
        if (!buf_add(b, block, (size_t)got))
            return err_set(err, ERR_TOO_BIG, 0, "unable to read %s: over %zu bytes", path, b->cap);
    }
    return true;
}

bool dirs_read_file(const char *path, size_t cap, char **out, size_t *n, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM, errno,
                       "unable to open %s", path);
    struct buf b = BUF_INIT(cap);
    bool ok = read_all(fd, path, &b, err);
    close(fd);
    if (ok) {
        char *text = xmalloc(b.len + 1); /* may hold zero bytes: no string function here */
        if (b.len)
            memcpy(text, b.data, b.len);
        text[b.len] = '\0';
        if (n)
            *n = b.len;
        *out = text;
    }
    buf_release(&b);
    return ok;
}
