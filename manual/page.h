/* manual/page.h - a manual page in a small part of Markdown, turned into man(7).
 *
 *   ## Section      ### Subsection      paragraphs, with `bold` and **bold**
 *   - `term`: text, to the line's end or on indented lines that follow      - a point of a list
 *   | a | table |   (its first line holds titles and is dropped: the first half of each row's cells
 *   becomes a term, the rest its text)      four blanks: as it stands      <!-- comments --> */
#pragma once
#include <stdio.h>

/* Appends to out; text is a terminated string. */
void page_print(const char *text, FILE *out);
