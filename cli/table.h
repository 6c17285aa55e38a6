/* cli/table.h - rows of text in columns that fit a width. Owns its cells. */
#pragma once
#include "cli/say.h"

struct column {
    const char *title;
    bool is_right;  /* aligned to the right */
    size_t least;   /* may be cut to this many columns where room is short; 0: never cut */
    bool keeps_end; /* cut at its beginning (paths) */
};

struct table {
    const struct column *columns;
    size_t count;
    struct table_cell {
        char *text; /* NULL in a note's row but its first */
        enum colour colour;
        bool is_note;
    } * cells; /* count a row */
    size_t cell_count;
};

/* The next cell of the present row; text is taken over. */
void table_add(struct table *t, char *text, enum colour colour);
/* A line of its own behind the last row, over all columns; text is taken over. */
void table_note(struct table *t, char *text, enum colour colour);
void table_print(const struct table *t, FILE *out, size_t width);
void table_finish(struct table *t);
