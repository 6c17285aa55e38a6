/* cli/problem.h - how an error ends poolctl: said on stderr with what to do about it, and turned
 * into the exit status. With --json the problem object goes to stderr instead. */
#pragma once
#include "cli/cmd.h"

#include <stdio.h>

/* Print and return the exit status. err OK: prints nothing, 0. */
int problem_print(struct cli *cli, const struct err *err);
/* What to do about a kind of error, or NULL; project stands for DIR in it. New string. */
char *problem_remedy(enum err_code code, const char *project);
/* The last lines of a daemon, each behind a bar and without control characters. */
void problem_print_tail(const char *tail, FILE *out);
