/* cli/say.h - how poolctl says things to people: durations, sizes, paths, colours. Strings are
 * new; text of others (paths, causes) is cleaned of control characters before it is shown. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

char *say_duration(int64_t ms);     /* "25 ms" "0.4 s" "12 s" "4:10" "3 h 05 min" "2 d 4 h" */
char *say_bytes(int64_t bytes);     /* "512 KiB" "431 MiB" "1.2 GiB"; "" below 0 */
char *say_path(const char *path);   /* the home directory as ~ */
char *say_clean(const char *text);  /* control characters as blanks, broken UTF-8 as '?' */
char *say_quoted(const char *word); /* as a shell takes it, cleaned */

/* Columns that a text takes on a terminal, and the longest beginning within columns (bytes). */
size_t say_width(const char *text);
size_t say_fit(const char *text, size_t columns);

enum colour { PLAIN, BOLD, DIM, RED, GREEN, YELLOW };
/* May this stream have colours? Terminals, without NO_COLOR and not TERM=dumb. */
bool say_has_colours(FILE *out);
/* The text in this colour, if the stream has colours. */
void say_coloured(FILE *out, enum colour colour, const char *text);
/* Columns to write in: the terminal's, else 100. */
size_t say_columns(FILE *out);
