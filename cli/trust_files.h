/* cli/trust_files.h - what trusting a project allows: the files in it that may name commands. */
#pragma once
#include <stdio.h>

/* Write what trust means for the project at root, which of those files are there, and their lines
 * that look like commands. */
void trust_files_show(const char *root, FILE *out);
