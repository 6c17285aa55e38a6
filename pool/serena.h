/* pool/serena.h - what poold knows about Serena, the built-in default server: where quickstart put
 * it, how it is started, and the home (SERENA_HOME) that each project gets from us, so that nothing
 * races and trust is exact. Everything measured stands in docs/serena.md (Serena 2.1.0).
 *
 * Errors: START_FAILED when Serena is not installed, CONFIG for a state directory that Serena
 * cannot be told about, and those of platform/dirs.h. */
#pragma once
#include "base/err.h"
#include "base/str.h"

/* Where Serena is. */
struct serena_install {
    char *command; /* the executable */
    char *dir;     /* the environment with our language servers; NULL: a Serena from PATH */
};
/* $POOLD_SERENA_DIR/bin/serena, else ${XDG_DATA_HOME:-~/.local/share}/poold/serena/bin/serena, else
 * `serena` in PATH. A POOLD_SERENA_DIR without Serena in it is an error, not a reason to go on. */
bool serena_find(struct serena_install *out, struct err *err) MUST_CHECK;
void serena_install_finish(struct serena_install *install);

/* A project, as its home needs to know it; borrowed for the call. */
struct serena_project {
    const char *state_dir;
    const char *root; /* canonical */
    const char *key;
    bool is_trusted;        /* may the project's own files name commands to run? */
    const char *serena_dir; /* as found above, or NULL: Serena's own ways to find servers */
};
/* Make <state_dir>/serena/<key> (0700) and write its serena_config.yml (0600) anew; to be called
 * before each start. The project's own .serena folder is used if it is a real directory, else one
 * in this home. *home is a new string. */
bool serena_prepare(const struct serena_project *project, char **home, struct err *err) MUST_CHECK;

/* All of the above in one: find Serena, prepare the home, and set what the built-in entry refers
 * to in vars: POOLD_SERENA (the executable) and POOLD_SERENA_HOME. On failure vars is as it was. */
bool serena_vars(const char *state_dir, const char *root, const char *key, bool is_trusted,
                 struct strv *vars, struct err *err) MUST_CHECK;

/* The built-in entry of `mcpServers` as JSON text, with ${POOLD_SERENA}, ${POOLD_SERENA_HOME},
 * ${POOLD_PROJECT} and ${POOLD_PORT} to be expanded. Static. */
const char *serena_builtin_json(void);
