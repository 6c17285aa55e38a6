/* manual/tables.c - the tables of the code in the marks of page.h. See manual.h. */
#include "api/routes.h"
#include "base/buf.h"
#include "base/str.h"
#include "cli/help.h"
#include "config/options.h"
#include "config/private_servers.h"
#include "config/settings.h"
#include "manual/manual.h"
#include "pool/pool.h"
#include "registry/registry.h"

#include <string.h>

static void options(FILE *out)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *o = option_row((enum poold_option)i);
        fprintf(out, "- `--%s%s%s`: %s%s%s%s\n", o->name, o->value ? " " : "",
                o->value ? o->value : "", o->sentence, *o->variable ? " Also `" : "", o->variable,
                *o->variable ? "`." : "");
    }
}

static void synopsis(FILE *out)
{
    fputs("    poold", out);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *o = option_row((enum poold_option)i);
        fprintf(out, "%s[--%s%s%s]", i && i % 3 == 0 ? "\n          " : " ", o->name,
                o->value ? " " : "", o->value ? o->value : "");
    }
    fputc('\n', out);
}

static void variables(FILE *out, const struct variable_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fprintf(out, "- `%s`: %s\n", rows[i].name, rows[i].sentence);
}

static void environment(FILE *out)
{
    size_t count;
    const struct variable_row *rows = variable_rows_read(&count);
    variables(out, rows, count);
}

static void given(FILE *out)
{
    size_t count;
    const struct variable_row *rows = variable_rows_given(&count);
    variables(out, rows, count);
}

static void states(FILE *out)
{
    for (int i = 0; i < DAEMON_STATE_COUNT; i++) {
        const char *word = daemon_state_word((enum daemon_state)i);
        fprintf(out, "- `%s`: %s\n", word, manual_state(word));
    }
}

static void reasons(FILE *out)
{
    for (int i = 1; i < REASON_COUNT; i++) {
        const char *word = reason_word((enum reason)i);
        fprintf(out, "- `%s`: %s\n", word, manual_reason(word));
    }
}

static void route_rules(FILE *out)
{
    const char *word;
    for (size_t i = 0; (word = manual_route_word(i)); i++)
        fprintf(out, "- `%s`: %s\n", word, manual_route_rule(word));
}

static void errors(FILE *out)
{
    for (int i = 0; i < ERR_COUNT; i++) {
        const struct err_row *row = err_row((enum err_code)i);
        fprintf(out, "- `%s`: %c%s. HTTP status %d, ", row->name, row->meaning[0] & ~0x20,
                row->meaning + 1, row->http);
        if (row->rpc)
            fprintf(out, "JSON-RPC code %d, ", row->rpc);
        fprintf(out, "exit status %d.\n", row->exit);
    }
}

/* What poold itself may end with. */
static void poold_exits(FILE *out)
{
    static const enum err_code codes[] = {
        ERR_OK,       ERR_INTERNAL, ERR_USAGE,  ERR_ALREADY_RUNNING, ERR_CONFIG,
        ERR_REGISTRY, ERR_ADDRESS,  ERR_DENIED, ERR_SYSTEM};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        const struct err_row *row = err_row(codes[i]);
        fprintf(out, "- `%d`: `%s`: %s.\n", row->exit, row->name, row->meaning);
    }
}

/* Of a document in Markdown: what follows the title's line. */
static void after_title(const char *document, FILE *out)
{
    document += strcspn(document, "\n");
    fputs(document, out);
}

static void routes(FILE *out)
{
    struct buf text = BUF_INIT(1 << 20);
    if (!routes_print(&text))
        abort(); /* the tables hold more than a megabyte */
    after_title(buf_text(&text), out);
    buf_release(&text);
}

static void commands_and_exits(FILE *out)
{
    char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);
    if (!memory)
        abort();
    help_print_manual(memory);
    fclose(memory);
    after_title(text, out);
    free(text);
}

bool manual_table(const char *name, FILE *out)
{
    static const struct {
        const char *name;
        void (*print)(FILE *out);
    } tables[] = {
        {"synopsis", synopsis},
        {"options", options},
        {"environment", environment},
        {"given", given},
        {"states", states},
        {"reasons", reasons},
        {"route-rules", route_rules},
        {"errors", errors},
        {"poold-exits", poold_exits},
        {"poolctl", commands_and_exits},
        {"api", routes},
        {"settings", settings_print_page},
        {"server-keys", server_keys_print_page},
        {"private-servers", private_servers_print_page},
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (strcmp(tables[i].name, name) == 0) {
            tables[i].print(out);
            return true;
        }
    return false;
}
