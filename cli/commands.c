/* cli/commands.c - see commands.h. */
#include "cli/commands.h"

const struct cmd *const commands[] = {
    &cmd_ensure,  &cmd_list,     &cmd_status,  &cmd_why,     &cmd_tools,
    &cmd_call,    &cmd_connect,  &cmd_logs,    &cmd_history, &cmd_stop,
    &cmd_restart, &cmd_evict,    &cmd_pin,     &cmd_unpin,   &cmd_forget,
    &cmd_trust,   &cmd_untrust,  &cmd_config,  &cmd_reload,  &cmd_service,
    &cmd_doctor,  &cmd_shutdown, &cmd_version, &cmd_help,    NULL};
