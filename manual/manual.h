/* manual/manual.h - the manual pages. Prose stands in manual/NAME.SECTION.txt; a line "@name" there
 * is replaced by what a table of the code holds (tables.c). The printed pages are kept in docs/man:
 * tests/unit/test_manual.c compares them, and POOLD_UPDATE=1 prints them anew. poolctl carries them
 * for `poolctl help`. No program links this folder. */
#pragma once
#include "base/err.h"

#include <stdio.h>

struct manual_page {
    const char *file;    /* "poold.8", in manual/ with .txt */
    const char *name;    /* "poold" */
    const char *section; /* "8" */
    const char *summary; /* for NAME: "keep one warm MCP daemon per project" */
};
/* All of them. Borrowed, static. */
const struct manual_page *manual_pages(size_t *count);

/* The page as man(7), from the prose in folder. Err CONFIG names a table that does not exist. */
bool manual_print(const char *folder, const struct manual_page *page, FILE *out,
                  struct err *err) MUST_CHECK;

/* Print the table `name` in the marks of page.h. False if there is none. */
bool manual_table(const char *name, FILE *out);

/* What a word of a table without sentences means ("idle" of REASON_LIST), or NULL. */
const char *manual_reason(const char *word);
const char *manual_state(const char *word);
const char *manual_route_rule(const char *word);
/* The rules of routing in their order, 0, 1, ...; NULL behind the last. */
const char *manual_route_word(size_t n);
