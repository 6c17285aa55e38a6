/* manual/page.c - see page.h. What is printed has no line of more than 78 bytes but verbatim ones,
 * no accidental request and no escape but those that cli/manual_text.c knows. */
#include "manual/page.h"

#include "base/buf.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>

#define WIDTH 78
#define TEXT_CAP (1 << 20)

struct page {
    FILE *out;
    struct buf words;   /* of the paragraph or the item's text that is being collected */
    bool after_heading; /* no .PP here */
    bool in_table;      /* its titles are behind us */
};

static void put_byte(FILE *out, char c)
{
    static const struct {
        char byte;
        const char *roff;
    } special[] = {{'\\', "\\e"}, {'-', "\\-"}, {'\'', "\\(aq"}, {'~', "\\(ti"}, {'^', "\\(ha"}};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (special[i].byte == c) {
            fputs(special[i].roff, out);
            return;
        }
    fputc(c, out);
}

/* Text with its marks of bold (` and **, but not ***) as fonts. */
static void put_marked(FILE *out, const char *text, size_t n)
{
    bool in_code = false, in_strong = false;
    for (const char *at = text, *end = text + n; at < end;) {
        size_t stars = in_code ? 0 : strspn(at, "*");
        if (stars > (size_t)(end - at))
            stars = (size_t)(end - at);
        if (*at == '`' || stars == 2) {
            in_code = in_code != (*at == '`');
            in_strong = in_strong != (stars == 2);
            fputs(in_code || in_strong ? "\\fB" : "\\fR", out);
            at += stars == 2 ? 2 : 1;
            continue;
        }
        if (*at != ' ' || (at > text && at[-1] != ' ')) /* one blank between words */
            put_byte(out, *at);
        at++;
        for (; stars > 1; stars--)
            put_byte(out, *at++);
    }
}

/* roff text, broken at blanks. */
static void put_filled(FILE *out, const char *roff)
{
    while (*roff) {
        size_t n = strlen(roff), room = WIDTH;
        if (n > room) {
            for (n = room; n > 0 && roff[n] != ' ';)
                n--;
            if (!n)
                n = strcspn(roff, " "); /* one long word */
        }
        fprintf(out, "%s%.*s\n", *roff == '.' || *roff == '\'' ? "\\&" : "", (int)n, roff);
        roff += n;
        roff += strspn(roff, " ");
    }
}

static void put_text(struct page *p, const char *text, size_t n)
{
    char *roff = NULL;
    size_t size;
    FILE *memory = open_memstream(&roff, &size);
    if (!memory)
        abort();
    put_marked(memory, text, n);
    fclose(memory);
    put_filled(p->out, roff);
    free(roff);
}

static void flush(struct page *p)
{
    if (p->words.len)
        put_text(p, buf_text(&p->words), p->words.len);
    buf_release(&p->words);
    p->words = (struct buf)BUF_INIT(TEXT_CAP);
}

static void collect(struct page *p, const char *text, size_t n)
{
    while (n && *text == ' ') {
        text++;
        n--;
    }
    if ((p->words.len && !buf_add(&p->words, " ", 1)) || !buf_add(&p->words, text, n))
        abort(); /* a megabyte of words in one paragraph */
}

static void heading(struct page *p, const char *text, size_t n)
{
    bool is_section = !str_starts(text, "###");
    size_t marks = strspn(text, "# ");
    flush(p);
    fputs(is_section ? ".SH " : ".SS ", p->out);
    for (size_t i = marks; i < n; i++)
        put_byte(p->out, is_section ? (char)toupper((unsigned char)text[i]) : text[i]);
    fputc('\n', p->out);
    p->after_heading = true;
}

static void term(struct page *p, const char *text, size_t n)
{
    flush(p);
    fputs(".TP\n", p->out);
    put_text(p, text, n);
    p->after_heading = true; /* no .PP before the item's own text */
}

/* "- `term`: text" or "- text". */
static void item(struct page *p, const char *text, size_t n)
{
    char *line = xstrndup(text + 2, n - 2), *colon = strstr(line, "`: ");
    if (*line == '`' && colon) {
        term(p, line, (size_t)(colon + 1 - line));
        collect(p, colon + 3, strlen(colon + 3));
    } else {
        flush(p);
        fputs(".IP \\(bu 2\n", p->out);
        collect(p, line, strlen(line));
    }
    p->after_heading = false;
    free(line);
}

/* "| a | b \\| c |" -> "a", "b | c". */
static void cells_of(const char *text, size_t n, struct strv *cells)
{
    char *cell = xmalloc(n + 1);
    size_t used = 0;
    for (size_t i = 1; i < n; i++) {
        if (text[i] == '\\' && i + 1 < n && text[i + 1] == '|') {
            cell[used++] = text[++i];
        } else if (text[i] == '|') {
            while (used && cell[used - 1] == ' ')
                used--;
            size_t blanks = used ? strspn(cell, " ") : 0;
            strv_add_take(cells, xstrndup(cell + blanks, used - blanks));
            used = 0;
        } else {
            cell[used++] = text[i];
            cell[used] = '\0';
        }
    }
    free(cell);
}

/* The cells from first to end as one text. New string. */
static char *joined(const struct strv *cells, size_t first, size_t end, const char *between)
{
    char *text = xstrdup("");
    for (size_t i = first; i < end; i++) {
        if (!*cells->items[i])
            continue;
        char *longer = xasprintf("%s%s%s", text, *text ? between : "", cells->items[i]);
        free(text);
        text = longer;
    }
    return text;
}

static void row(struct page *p, const char *text, size_t n)
{
    struct strv cells = {0};
    cells_of(text, n, &cells);
    char *left = joined(&cells, 0, cells.count / 2, ", ");
    char *right = joined(&cells, cells.count / 2, cells.count, "; ");
    term(p, left, strlen(left));
    collect(p, right, strlen(right));
    flush(p);
    p->after_heading = false;
    free(left);
    free(right);
    strv_finish(&cells);
}

static void verbatim(struct page *p, const char **at)
{
    flush(p);
    fprintf(p->out, "%s.RS 4\n.nf\n", p->after_heading ? "" : ".PP\n");
    while (str_starts(*at, "    ")) {
        size_t n = strcspn(*at, "\n");
        if ((*at)[4] == '.' || (*at)[4] == '\'')
            fputs("\\&", p->out);
        for (size_t i = 4; i < n; i++)
            put_byte(p->out, (*at)[i]);
        fputc('\n', p->out);
        *at += n + ((*at)[n] == '\n');
    }
    fputs(".fi\n.RE\n", p->out);
    p->after_heading = false;
}

static void paragraph_line(struct page *p, const char *text, size_t n, bool begins)
{
    if (begins) {
        flush(p);
        if (!p->after_heading)
            fputs(".PP\n", p->out);
        p->after_heading = false;
    }
    collect(p, text, n);
}

static void table_line(struct page *p, const char *text, size_t n)
{
    bool is_rule = str_starts(text, "|--");
    if (p->in_table && !is_rule)
        row(p, text, n);
    else if (!p->in_table)
        flush(p);
    p->in_table = true;
}

void page_print(const char *text, FILE *out)
{
    struct page p = {.out = out, .words = BUF_INIT(TEXT_CAP), .after_heading = true};
    bool is_between = true; /* no paragraph or item is open */
    for (const char *at = text; *at;) {
        size_t n = strcspn(at, "\n");
        const char *next = at + n + (at[n] == '\n');
        bool was_table = p.in_table;
        p.in_table = p.in_table && *at == '|';
        if (str_starts(at, "<!--")) {
            const char *end = strstr(at, "-->");
            next = end ? end + strcspn(end, "\n") : next;
        } else if (!n) {
            is_between = true;
        } else if (is_between && str_starts(at, "    ")) {
            verbatim(&p, &at);
            continue;
        } else if (*at == '#') {
            heading(&p, at, n);
            is_between = true;
        } else if (*at == '|') {
            p.in_table = was_table;
            table_line(&p, at, n);
            is_between = true;
        } else if (str_starts(at, "- ")) {
            item(&p, at, n);
            is_between = false;
        } else {
            paragraph_line(&p, at, n, is_between);
            is_between = false;
        }
        at = next;
    }
    flush(&p);
    buf_release(&p.words);
}
