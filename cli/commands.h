/* cli/commands.h - the table of poolctl's commands, in the order of the manual. */
#pragma once
#include "cli/cmd.h"

extern const struct cmd *const commands[]; /* NULL-terminated */

/* One per cli/cmd_<name>.c (a pair of opposites shares a file). */
extern const struct cmd cmd_ensure, cmd_list, cmd_status, cmd_why, cmd_logs, cmd_history, cmd_stop,
    cmd_restart, cmd_evict, cmd_pin, cmd_unpin, cmd_forget, cmd_trust, cmd_untrust, cmd_config,
    cmd_reload, cmd_tools, cmd_call, cmd_connect, cmd_service, cmd_doctor, cmd_shutdown,
    cmd_version, cmd_help;

/* Rows that several commands share. */
#define OPT_SERVER                                                                                 \
    {                                                                                              \
        "server", 's', OPT_TEXT, "NAME", 0, 0,                                                     \
            "Which server (default: the setting defaultServer)."                                   \
    }
#define OPT_EACH_SERVER                                                                            \
    {                                                                                              \
        "server", 's', OPT_TEXT, "NAME", 0, 0, "Only this server of the project (default: all)."   \
    }
#define DIR_TEXT                                                                                   \
    "DIR is any directory in the project (default: the present one), or the project's key."
