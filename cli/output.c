/* cli/output.c - see output.h. */
#include "cli/output.h"

bool output_json(const struct cli *cli, const json_t *json)
{
    if (!cli->is_json)
        return false;
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    putchar('\n');
    return true;
}

void output_fact(const char *name, char *value)
{
    if (value && *value)
        printf("  %-10s %s\n", name, value);
    free(value);
}

void output_did(const char *verb, const json_t *daemon)
{
    char *project = say_path(field_text(daemon, "project"));
    char *server = say_clean(field_text(daemon, "server"));
    printf("%s %s for %s\n", verb, server, project);
    free(project);
    free(server);
}
