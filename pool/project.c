/* pool/project.c - from a path to its project's root and key; see project.h. */
#include "pool/project.h"

#include "base/digest.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAYS                                                                                       \
    "name one: `poolctl ensure DIR`, a marker such as .git in it, or the X-Poold-Project header"

/* The home directory, canonical; false when there is none to respect. */
static bool home_find(char out[PATH_MAX])
{
    const char *home = getenv("HOME");
    if (!home || !*home) {
        const struct passwd *user = getpwuid(getuid());
        home = user ? user->pw_dir : NULL;
    }
    return home && realpath(home, out) != NULL;
}

/* path is below dir, or dir itself. */
static bool is_within(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    if (strcmp(dir, "/") == 0)
        return true;
    return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* The canonical directory for path: path itself, or the one that holds the file. */
static bool directory_of(const char *path, char out[PATH_MAX], struct err *err)
{
    struct stat st;
    if (!path || path[0] != '/')
        return err_set(err, ERR_USAGE, 0, "not an absolute path: %s", path ? path : "(none)");
    if (!realpath(path, out))
        return err_set(err, ERR_NO_PROJECT, errno, "unable to find %s", path);
    if (stat(out, &st) != 0)
        return err_set(err, ERR_NO_PROJECT, errno, "unable to look at %s", out);
    if (!S_ISDIR(st.st_mode)) {
        char *slash = strrchr(out, '/');
        slash[slash == out ? 1 : 0] = '\0';
    }
    return true;
}

/* Everybody may put a marker into a directory like /tmp: it is nobody's project. */
static bool is_shared_place(const char *dir)
{
    struct stat st;
    return stat(dir, &st) == 0 && (st.st_mode & S_ISVTX) && (st.st_mode & S_IWOTH);
}

static bool has_marker(const char *dir, const char *markers, char how[64])
{
    for (const char *at = markers ? markers : ""; *at;) {
        size_t n = strcspn(at, ",");
        const char *name = at;
        size_t len = n;
        while (len && *name == ' ')
            name++, len--;
        while (len && name[len - 1] == ' ')
            len--;
        at += n + (at[n] == ',');
        if (len == 0 || len > 40 || memchr(name, '/', len))
            continue;
        char file[PATH_MAX + 48];
        struct stat st;
        snprintf(file, sizeof file, "%s/%.*s", dir, (int)len, name);
        if (lstat(file, &st) == 0) {
            snprintf(how, 64, "marker:%.*s", (int)len, name);
            return true;
        }
    }
    return false;
}

bool project_find_root(const char *path, const char *markers, project_known_fn *is_known, void *arg,
                       char **root, char how[64], struct err *err)
{
    char dir[PATH_MAX], home[PATH_MAX];
    if (!directory_of(path, dir, err))
        return false;
    bool has_home = home_find(home);
    const char *limit = has_home && is_within(dir, home) ? home : "/";
    char at[PATH_MAX];
    snprintf(at, sizeof at, "%s", dir);
    while (strcmp(at, limit) != 0 && strcmp(at, "/") != 0) {
        bool known = is_known && is_known(arg, at);
        if (known)
            snprintf(how, 64, "known");
        if (known || (!is_shared_place(at) && has_marker(at, markers, how))) {
            *root = xstrdup(at);
            return true;
        }
        char *slash = strrchr(at, '/');
        slash[slash == at ? 1 : 0] = '\0';
    }
    if (strcmp(dir, limit) == 0)
        return err_set(err, ERR_NO_PROJECT, 0, "%s is %s, which is no project; " WAYS, dir,
                       strcmp(limit, "/") == 0 ? "the root directory" : "the home directory");
    return err_set(
        err, ERR_NO_PROJECT, 0,
        "no project at %s: neither it nor a directory above it (below %s) is known or has "
        "one of %s; " WAYS,
        dir, limit, markers ? markers : "");
}

bool project_canonical(const char *path, char **root, struct err *err)
{
    char dir[PATH_MAX], home[PATH_MAX];
    if (!directory_of(path, dir, err))
        return false;
    if (strcmp(dir, "/") == 0)
        return err_set(err, ERR_NO_PROJECT, 0, "/ can be no project");
    if (home_find(home) && strcmp(dir, home) == 0)
        return err_set(err, ERR_NO_PROJECT, 0, "%s is the home directory, which can be no project",
                       dir);
    *root = xstrdup(dir);
    return true;
}

void project_key(const char *root, char out[PROJECT_KEY_SIZE])
{
    const char *slash = strrchr(root, '/');
    const char *name = slash ? slash + 1 : root;
    size_t n = 0;
    for (; *name && n < 40; name++) {
        unsigned char c = (unsigned char)*name;
        if (c < 0x80 && isalnum(c))
            out[n++] = (char)tolower(c);
        else if (n && out[n - 1] != '-')
            out[n++] = '-';
    }
    while (n && out[n - 1] == '-')
        n--;
    if (n == 0)
        n = (size_t)snprintf(out, PROJECT_KEY_SIZE, "project");
    uint8_t hash[DIGEST_SIZE];
    char text[64];
    digest_sha256(root, strlen(root), hash);
    digest_base32(hash, DIGEST_SIZE, text);
    snprintf(out + n, PROJECT_KEY_SIZE - n, "-%.10s", text);
}
