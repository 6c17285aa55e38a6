/* connect/main_connect.c - the program poold-connect: what `poolctl connect` becomes. It stays for
 * as long as its client, one per session, so it is small: libc only. */
#include "base/err.h"
#include "connect/relay.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

static const char usage[] =
    "poold-connect is what `poolctl connect` becomes; people start that.\n"
    "  poold-connect --socket PATH [--project DIR] [--server NAME] [--lean] [-- STARTER...]\n"
    "                   MCP on stdin and stdout, to and from poold's mcp.sock; STARTER is run\n"
    "                   when poold does not serve there\n"
    "  poold-connect --version\n";

static void on_end(int number)
{
    (void)number;
    _exit(0);
}

static void set_signals(void)
{
    struct sigaction end = {.sa_handler = on_end}, ignore = {.sa_handler = SIG_IGN},
                     usual = {.sa_handler = SIG_DFL};
    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGHUP, &end, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGCHLD, &usual, NULL); /* ignored by a client it would hide how the starter ends */
}

int main(int argc, char **argv)
{
    static const struct option table[] = {{"socket", 1, NULL, 'u'}, {"project", 1, NULL, 'p'},
                                          {"server", 1, NULL, 's'}, {"lean", 0, NULL, 'l'},
                                          {"help", 0, NULL, 'h'},   {"version", 0, NULL, 'V'},
                                          {NULL, 0, NULL, 0}};
    struct relay_options options = {0};
    for (int c; (c = getopt_long(argc, argv, "hV", table, NULL)) != -1;) {
        if (c == 'u')
            options.socket = optarg;
        else if (c == 'p')
            options.project = optarg;
        else if (c == 's')
            options.server = optarg;
        else if (c == 'l')
            options.is_lean = true;
        else if (c == 'V' || c == 'h') {
            fputs(c == 'h' ? usage : "poold-connect " POOLD_VERSION "\n", stdout);
            return 0;
        } else
            return err_row(ERR_USAGE)->exit;
    }
    if (!options.socket) {
        fputs(usage, stderr);
        return err_row(ERR_USAGE)->exit;
    }
    if (optind < argc)
        options.starter = argv + optind;
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 64 * 1024); /* a large message leaves nothing behind */
#endif
    set_signals();
    return relay_run(&options);
}
