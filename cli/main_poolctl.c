/* cli/main_poolctl.c - poolctl: reads the command line, runs the command, says what went wrong. */
#include "cli/cmdline.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/problem.h"

#include <signal.h>
#include <stdio.h>

static bool run(struct cli *cli, struct err *err)
{
    if (cli_has(cli, "version")) {
        puts("poolctl " POOLD_VERSION);
        return true;
    }
    if (cli_has(cli, "help")) {
        if (cli->cmd)
            help_print_command(cli->cmd, stdout);
        else
            help_print(stdout);
        return true;
    }
    if (!cli->cmd)
        return err_set(err, ERR_USAGE, 0, "what is to be done? Name a command");
    return cli->cmd->run(cli, err);
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    struct err err = {0};
    signal(SIGPIPE, SIG_IGN); /* a poold that goes away is an answer, not our end */
    bool ok = cmdline_parse(argc, argv, commands, &cli, &err) && run(&cli, &err);
    if (fflush(stdout) != 0 && ok)
        ok = err_set(&err, ERR_SYSTEM, 0, "unable to write the answer");
    int status = ok ? 0 : problem_print(&cli, &err);
    cli_finish(&cli);
    return status;
}
