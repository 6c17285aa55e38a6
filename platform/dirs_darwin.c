/* platform/dirs_darwin.c - all in ~/Library/Application Support/poold. Not $TMPDIR for run_dir:
 * the system cleans that up after three days. */
#include "platform/dirs.h"

#include "base/str.h"

#include <stdlib.h>

bool dirs_defaults(struct dirs *d, struct err *err)
{
    const char *home = getenv("HOME");
    if (!home || home[0] != '/')
        return err_set(err, ERR_USAGE, 0,
                       "unable to tell where poold's files are: HOME is not set");
    char *base = xasprintf("%s/Library/Application Support/poold", home);
    if (!d->config_file)
        d->config_file = str_path(base, "poold.conf");
    if (!d->state_dir)
        d->state_dir = xstrdup(base);
    if (!d->data_dir)
        d->data_dir = str_path(base, "data");
    if (!d->run_dir)
        d->run_dir = str_path(d->state_dir, "run");
    free(base);
    return true;
}
