/* cli/config_file.h - the configuration file read by poolctl itself: for a check, and while poold
 * is down. */
#pragma once
#include "cli/cmd.h"

/* The same shape as GET /settings; of the servers those that the file names. New reference. Err
 * CONFIG with file, line, key and what was expected. */
bool config_file_read(struct cli *cli, json_t **out, struct err *err) MUST_CHECK;
