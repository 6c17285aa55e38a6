/* platform/dirs_linux.c - the XDG base directory specification (version 0.8). */
#include "platform/dirs.h"

#include "base/str.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* An absolute path in the variable, else NULL. */
static const char *xdg(const char *variable)
{
    const char *value = getenv(variable);
    return value && value[0] == '/' ? value : NULL;
}

/* $variable/name, else $HOME/fallback/name, into *slot if that is empty. */
static bool fill(char **slot, const char *variable, const char *fallback, const char *name,
                 struct err *err)
{
    if (*slot)
        return true;
    const char *base = xdg(variable);
    const char *home = xdg("HOME");
    if (base)
        *slot = str_path(base, name);
    else if (home)
        *slot = xasprintf("%s/%s/%s", home, fallback, name);
    else
        return err_set(err, ERR_USAGE, 0,
                       "unable to tell where poold's files are: HOME is not set");
    return true;
}

static bool is_ours(const char *dir)
{
    struct stat st;
    return dir && stat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

bool dirs_defaults(struct dirs *d, struct err *err)
{
    if (!fill(&d->config_file, "XDG_CONFIG_HOME", ".config", "poold/poold.conf", err) ||
        !fill(&d->state_dir, "XDG_STATE_HOME", ".local/state", "poold", err) ||
        !fill(&d->data_dir, "XDG_DATA_HOME", ".local/share", "poold", err))
        return false;
    const char *runtime = xdg("XDG_RUNTIME_DIR");
    if (!d->run_dir)
        d->run_dir = is_ours(runtime) ? str_path(runtime, "poold") : str_path(d->state_dir, "run");
    return true;
}
