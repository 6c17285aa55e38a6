/* platform/activate_darwin.c - launchd hands over the sockets that the plist names. */
#include "platform/activate.h"

#include <errno.h>
#include <launch.h>
#include <stdlib.h>

/* Under one name launchd may give several fds (IPv4 and IPv6 of one host); two for one place are
 * an error in activate_place, so the plist must name an address. */
static int take_named(const char *name, struct activate_sockets *out, struct err *err)
{
    int *fds = NULL, count = 0;
    size_t many = 0;
    int sys = launch_activate_socket(name, &fds, &many);
    if (sys == ESRCH || sys == ENOENT) /* not started by launchd, or no such name in the plist */
        return 0;
    if (sys) {
        err_set(err, ERR_ADDRESS, sys, "unable to take the socket '%s' from launchd", name);
        return -1;
    }
    bool ok = true;
    for (size_t i = 0; i < many; i++)
        ok = activate_place(fds[i], name, out, &count, err) && ok;
    free(fds);
    return ok ? count : -1;
}

int activate_from_manager(struct activate_sockets *out, struct err *err)
{
    static const char *const names[] = {"front", "api", "mcp"};
    int total = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int count = take_named(names[i], out, err);
        if (count < 0)
            return -1;
        total += count;
    }
    return total;
}
