/* platform/self_linux.c - see self.h. */
#include "platform/self.h"

#include "base/str.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

char *self_sibling(const char *name)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return NULL;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    return slash ? xasprintf("%.*s/%s", (int)(slash - path), path, name) : NULL;
}
