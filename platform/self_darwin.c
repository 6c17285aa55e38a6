/* platform/self_darwin.c - see self.h. Not run by the authors. */
#include "platform/self.h"

#include "base/str.h"

#include <limits.h>
#include <mach-o/dyld.h>
#include <string.h>

char *self_sibling(const char *name)
{
    char path[PATH_MAX];
    uint32_t room = sizeof path;
    if (_NSGetExecutablePath(path, &room))
        return NULL;
    char *slash = strrchr(path, '/');
    return slash ? xasprintf("%.*s/%s", (int)(slash - path), path, name) : NULL;
}
