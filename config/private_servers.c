/* config/private_servers.c - see private_servers.h. */
#include "config/private_servers.h"

#include <string.h>

static const char browser[] =
    "It drives one browser with one present page. Give it --isolated, or its browsers meet in one "
    "profile, which only one of them can open.";
static const char puppeteer[] = "It drives one browser with one present page.";
static const char thoughts[] = "It keeps one chain of thoughts in memory; those of two sessions "
                               "would be mixed.";
static const char everything[] = "It asks its client (sampling, elicitation, roots), and offers "
                                 "more tools to one that can be asked.";
static const char bridge[] = "It stands for a remote server, of which nothing is known here.";

static const struct private_server rows[] = {
    {"server-everything", everything},
    {"mcp-server-everything", everything},
    {"server-sequential-thinking", thoughts},
    {"mcp-server-sequential-thinking", thoughts},
    {"mcp/sequentialthinking", thoughts},
    {"@playwright/mcp", browser},
    {"playwright-mcp", browser},
    {"mcp/playwright", browser},
    {"chrome-devtools-mcp", browser},
    {"server-puppeteer", puppeteer},
    {"mcp-server-puppeteer", puppeteer},
    {"mcp/puppeteer", puppeteer},
    {"mcp-remote", bridge},
};

const struct private_server *private_server_rows(size_t *count)
{
    *count = sizeof rows / sizeof *rows;
    return rows;
}

static char as_dash(char c)
{
    return c == '_' ? '-' : c;
}

/* Does text have package at this place, as a whole part of a path? */
static bool stands_at(const char *text, size_t at, const char *package)
{
    size_t n = strlen(package);
    if (at && text[at - 1] != '/')
        return false;
    for (size_t i = 0; i < n; i++)
        if (as_dash(text[at + i]) != package[i])
            return false; /* its end too: that is no character of a package */
    char next = text[at + n];
    return !next || strchr("/@:", next);
}

static bool names(const char *text, const char *package)
{
    for (size_t at = 0; text[at]; at++)
        if (stands_at(text, at, package))
            return true;
    return false;
}

const struct private_server *private_server_find(const char *command, const struct strv *args)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool found = command && names(command, rows[i].package);
        for (size_t k = 0; k < args->count; k++)
            found = found || names(args->items[k], rows[i].package);
        if (found)
            return &rows[i];
    }
    return NULL;
}

void private_servers_print_page(FILE *out)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        fprintf(out, "- `%s`: %s\n", rows[i].package, rows[i].why);
}
