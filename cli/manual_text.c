/* cli/manual_text.c - man(7) as plain text: what manual/page.c prints of it, and no more. */
#include "cli/manual_text.h"

#include "base/str.h"

#include <string.h>

#define WIDTH 80
#define BODY 4 /* columns before text */
#define ITEM 8 /* before the text of an item */

struct screen {
    FILE *out;
    char *words; /* collected, not yet printed; new or NULL */
    int indent;
    bool is_shown; /* the present section is wanted */
    bool is_verbatim, is_term;
    bool after_heading; /* no empty line here */
    bool has_printed;
};

/* A roff text line without fonts and escapes. New string. */
static char *plain(const char *roff, size_t n)
{
    char *out = xmalloc(n + 1), *to = out;
    for (const char *at = roff, *end = roff + n; at < end; at++) {
        if (*at != '\\' || at + 1 == end) {
            *to++ = *at;
            continue;
        }
        at++;
        if (*at == 'f') {
            at++; /* a font's letter */
        } else if (*at == 'e') {
            *to++ = '\\';
        } else if (*at == '(' && end - at > 2) {
            *to++ = at[1] == 'a' ? '\'' : at[1] == 't' ? '~' : at[1] == 'h' ? '^' : '*';
            at += 2;
        } else if (*at != '&') {
            *to++ = *at;
        }
    }
    *to = '\0';
    return out;
}

static void flush(struct screen *s)
{
    const char *at = s->words;
    while (at && *at) {
        size_t n = strlen(at), room = (size_t)(WIDTH - s->indent);
        if (n > room) {
            for (n = room; n > 0 && at[n] != ' ';)
                n--;
            if (!n)
                n = strcspn(at, " ");
        }
        if (s->is_shown)
            fprintf(s->out, "%*s%.*s\n", s->indent, "", (int)n, at);
        at += n;
        at += strspn(at, " ");
    }
    free(s->words);
    s->words = NULL;
}

static void blank(struct screen *s)
{
    if (s->is_shown && !s->after_heading)
        fputc('\n', s->out);
}

/* Is section one of the names with | between? */
static bool is_wanted(const char *sections, const char *section)
{
    size_t n = strlen(section);
    for (const char *at = sections; at && *at; at += at[0] == '|') {
        size_t length = strcspn(at, "|");
        if (length == n && strncmp(at, section, n) == 0)
            return true;
        at += length;
    }
    return !sections;
}

static void text_line(struct screen *s, const char *line, size_t n)
{
    char *text = plain(line, n);
    if (s->is_verbatim) {
        if (s->is_shown)
            fprintf(s->out, "%*s%s\n", BODY + 4, "", text);
        free(text);
    } else if (s->is_term) {
        s->indent = BODY;
        str_replace(&s->words, text);
        free(text);
        flush(s);
        s->indent = ITEM;
        s->is_term = false;
    } else if (s->words) {
        char *both = xasprintf("%s %s", s->words, text);
        free(s->words);
        free(text);
        s->words = both;
    } else {
        s->words = text;
    }
    s->after_heading = false;
}

static void heading(struct screen *s, const char *text, size_t n, int indent)
{
    char *title = plain(text, n);
    if (s->is_shown)
        fprintf(s->out, "%s%*s%s\n", s->has_printed ? "\n" : "", indent, "", title);
    free(title);
    s->indent = BODY;
    s->after_heading = true;
    s->has_printed = s->has_printed || s->is_shown;
}

/* A request; how many sections began to be shown with it. */
static int request(struct screen *s, const char *line, size_t n, const char *sections)
{
    flush(s);
    if (str_starts(line, ".SH ")) {
        char *name = plain(line + 4, n - 4);
        s->is_shown = is_wanted(sections, name);
        free(name);
        heading(s, line + 4, n - 4, 0);
        return s->is_shown;
    }
    if (str_starts(line, ".SS ")) {
        heading(s, line + 4, n - 4, 2);
    } else if (str_starts(line, ".PP")) {
        blank(s);
        s->indent = BODY;
    } else if (str_starts(line, ".TP")) {
        s->is_term = true;
    } else if (str_starts(line, ".IP")) {
        s->words = xstrdup("*");
        s->indent = BODY;
    } else if (str_starts(line, ".nf") || str_starts(line, ".fi")) {
        s->is_verbatim = line[1] == 'n';
    }
    return 0;
}

int manual_print_text(const char *roff, const char *sections, FILE *out)
{
    struct screen s = {.out = out, .indent = BODY};
    int shown = 0;
    for (const char *at = roff; *at;) {
        size_t n = strcspn(at, "\n");
        if (*at == '.')
            shown += request(&s, at, n, sections);
        else
            text_line(&s, at, n);
        at += n + (at[n] == '\n');
    }
    flush(&s);
    return shown;
}
