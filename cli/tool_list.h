/* cli/tool_list.h - the definitions of a server's tools as poold remembers them (no daemon is
 * asked, and none started), and the shapes in which programs want them. */
#pragma once
#include "cli/cmd.h"

struct tool_place { /* whose tools; zero; tool_place_finish */
    char *project;  /* a path as the user sees it, or a key */
    char *key, *server;
};

/* The project that arg (a directory, or a key) names and the server that is meant (--server, else
 * the default one): asks poold where it runs, else the registry and the configuration. */
bool tool_place_of(struct cli *cli, const char *arg, struct tool_place *out,
                   struct err *err) MUST_CHECK;
void tool_place_finish(struct tool_place *place);

/* The newest remembered answer to tools/list: its array of tools, new reference. Err NOT_FOUND if
 * no daemon has told them yet. */
bool tool_list_known(struct cli *cli, const struct tool_place *place, json_t **tools,
                     struct err *err) MUST_CHECK;
/* The definition of one tool, borrowed, or NULL. */
const json_t *tool_list_find(const json_t *tools, const char *name);

/* mcp: as the server gives them. anthropic: name, description, input_schema (Messages API).
 * openai: {"type":"function","function":{...}} (Chat Completions API). New reference. Err USAGE
 * for another format. */
bool tool_list_format(const json_t *tools, const char *format, json_t **out,
                      struct err *err) MUST_CHECK;
/* Can those services call a tool of this name? */
bool tool_name_is_callable(const char *name);
