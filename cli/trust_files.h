/* cli/trust_files.h - what trusting a project allows: the files in it that may name commands. */
#pragma once
#include <stdio.h>

/* Write what trust means for the project at root: the commands of the servers that it brings, and
 * which other files of it may name commands, with their lines that look like some. The content of
 * what it brings (config/brought.h), for the API: new string, NULL if it brings none. */
char *trust_files_show(const char *root, FILE *out);
