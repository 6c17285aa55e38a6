/* cli/table.c - see table.h. */
#include "cli/table.h"

#include "base/str.h"

#include <string.h>

#define GAP 2

static void add(struct table *t, char *text, enum colour colour, bool is_note)
{
    t->cells = xrealloc(t->cells, (t->cell_count + 1) * sizeof *t->cells);
    char *clean = text ? say_clean(text) : NULL;
    free(text);
    t->cells[t->cell_count++] =
        (struct table_cell){.text = clean, .colour = colour, .is_note = is_note};
}

void table_add(struct table *t, char *text, enum colour colour)
{
    add(t, text, colour, false);
}

void table_note(struct table *t, char *text, enum colour colour)
{
    add(t, text, colour, true);
    for (size_t i = 1; i < t->count; i++)
        add(t, NULL, PLAIN, true);
}

static void natural_widths(const struct table *t, size_t *widths)
{
    for (size_t c = 0; c < t->count; c++)
        widths[c] = say_width(t->columns[c].title);
    for (size_t i = 0; i < t->cell_count; i++) {
        size_t w = t->cells[i].is_note ? 0 : say_width(t->cells[i].text);
        if (w > widths[i % t->count])
            widths[i % t->count] = w;
    }
}

/* Take from the widest column that may give, until all fit. */
static void shrink(const struct table *t, size_t *widths, size_t width)
{
    for (;;) {
        size_t total = 0, widest = t->count;
        for (size_t c = 0; c < t->count; c++) {
            total += widths[c] + (c ? GAP : 0);
            bool may_give = t->columns[c].least && widths[c] > t->columns[c].least;
            if (may_give && (widest == t->count || widths[c] > widths[widest]))
                widest = c;
        }
        if (total <= width || widest == t->count)
            return;
        widths[widest]--;
    }
}

/* New: text cut to columns, with an ellipsis where something is missing. */
static char *cut(const char *text, size_t columns, bool keeps_end)
{
    size_t width = say_width(text);
    if (width <= columns || columns == 0)
        return xstrdup(text);
    if (!keeps_end)
        return xasprintf("%.*s…", (int)say_fit(text, columns - 1), text);
    const char *rest = text;
    while (say_width(rest) > columns - 1) {
        rest++;
        while ((*rest & 0xc0) == 0x80)
            rest++;
    }
    return xasprintf("…%s", rest);
}

static void print_cell(FILE *out, const struct column *column, const char *text, size_t width,
                       enum colour colour, bool is_last)
{
    char *shown = cut(text, width, column->keeps_end);
    size_t w = say_width(shown);
    int pad = w < width ? (int)(width - w) : 0;
    if (column->is_right)
        fprintf(out, "%*s", pad, "");
    say_coloured(out, colour, shown);
    if (!column->is_right && !is_last)
        fprintf(out, "%*s", pad, "");
    fputs(is_last ? "\n" : "  ", out);
    free(shown);
}

static void print_row(const struct table *t, const struct table_cell *cells, const size_t *widths,
                      FILE *out)
{
    for (size_t c = 0; c < t->count; c++)
        print_cell(out, &t->columns[c], cells[c].text, widths[c], cells[c].colour,
                   c + 1 == t->count);
}

void table_print(const struct table *t, FILE *out, size_t width)
{
    size_t *widths = xcalloc(t->count, sizeof *widths);
    natural_widths(t, widths);
    shrink(t, widths, width);
    for (size_t c = 0; c < t->count; c++)
        print_cell(out, &t->columns[c], t->columns[c].title, widths[c], BOLD, c + 1 == t->count);
    for (size_t i = 0; i + t->count <= t->cell_count; i += t->count) {
        if (t->cells[i].is_note) {
            say_coloured(out, t->cells[i].colour, t->cells[i].text);
            fputc('\n', out);
        } else {
            print_row(t, &t->cells[i], widths, out);
        }
    }
    free(widths);
}

void table_finish(struct table *t)
{
    for (size_t i = 0; i < t->cell_count; i++)
        free(t->cells[i].text);
    free(t->cells);
    t->cells = NULL;
    t->cell_count = 0;
}
