/* cli/cmdline.h - from argv to a struct cli, by the tables. Pure.
 *
 * Options may stand before and after the command and its arguments; `--` ends them. Long ones
 * take `--name value` and `--name=value`, short ones may be joined (-fn20). */
#pragma once
#include "cli/cmd.h"

/* The options that every command takes; NULL name ends. */
extern const struct opt cmdline_globals[];

/* Fill cli (zeroed before; cli_finish frees) from argv[1..]. commands is NULL-terminated. Err
 * USAGE names what is not understood, with the nearest word there is. What was read before the
 * mistake stays in cli, so that --json holds for the error too. */
bool cmdline_parse(int argc, char **argv, const struct cmd *const *commands, struct cli *cli,
                   struct err *err) MUST_CHECK;
/* The command of this name, or NULL. */
const struct cmd *cmdline_find(const struct cmd *const *commands, const char *name);
/* The nearest of the commands' names to a mistyped word, or NULL. */
const char *cmdline_nearest_command(const struct cmd *const *commands, const char *word);
