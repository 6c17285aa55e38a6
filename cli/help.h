/* cli/help.h - the words of the tables as help texts, as the manual and as completions. */
#pragma once
#include "cli/cmd.h"

#include <stdio.h>

/* `poolctl --help`. */
void help_print(FILE *out);
/* `poolctl COMMAND --help`. */
void help_print_command(const struct cmd *cmd, FILE *out);
/* docs/poolctl.md, whole. */
void help_print_manual(FILE *out);
/* etc/completions/poolctl.bash and _poolctl, whole. */
void help_print_bash(FILE *out);
void help_print_zsh(FILE *out);
