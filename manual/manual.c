/* manual/manual.c - see manual.h. */
#include "manual/manual.h"

#include "base/str.h"
#include "manual/page.h"
#include "platform/dirs.h"

#include <ctype.h>
#include <string.h>

#define MANUAL_DATE "November 22, 2026" /* of the last change of the prose */
#define PROSE_CAP (1 << 20)

static const struct manual_page pages[] = {
    {"poold.8", "poold", "8", "keep one warm MCP daemon per project"},
    {"poolctl.1", "poolctl", "1", "start, ask and stop the MCP daemons of poold"},
    {"poold.conf.5", "poold.conf", "5", "configuration of poold"},
    {"poold-api.7", "poold-api", "7", "the management HTTP API of poold"},
};

const struct manual_page *manual_pages(size_t *count)
{
    *count = sizeof pages / sizeof *pages;
    return pages;
}

/* The prose with its tables put in. New string. */
static bool fill(const char *prose, const char *file, char **out, struct err *err)
{
    char *text = NULL;
    size_t size;
    bool ok = true;
    FILE *memory = open_memstream(&text, &size);
    if (!memory)
        return err_set(err, ERR_SYSTEM, 0, "no memory for %s", file);
    for (const char *at = prose; *at && ok;) {
        size_t n = strcspn(at, "\n");
        char *line = xstrndup(at, n);
        if (*line == '@')
            ok = manual_table(line + 1, memory) ||
                 err_set(err, ERR_CONFIG, 0, "%s: there is no table %s", file, line + 1);
        else
            fprintf(memory, "%s\n", line);
        free(line);
        at += n + (at[n] == '\n');
    }
    fclose(memory);
    if (ok)
        *out = text;
    else
        free(text);
    return ok;
}

bool manual_print(const char *folder, const struct manual_page *page, FILE *out, struct err *err)
{
    char *path = xasprintf("%s/%s.txt", folder, page->file), *prose = NULL, *text = NULL;
    bool ok =
        dirs_read_file(path, PROSE_CAP, &prose, NULL, err) && fill(prose, page->file, &text, err);
    if (ok) {
        char *title = xstrdup(page->name);
        for (char *c = title; *c; c++)
            *c = (char)toupper((unsigned char)*c);
        fprintf(out,
                ".\\\" Printed from manual/%s.txt and the tables in the code; a test compares.\n"
                ".TH %s %s \"%s\" poold\n.SH NAME\n",
                page->file, title, page->section, MANUAL_DATE);
        fprintf(out, "%s \\- %s\n", page->name, page->summary);
        page_print(text, out);
        free(title);
    }
    free(path);
    free(prose);
    free(text);
    return ok;
}
