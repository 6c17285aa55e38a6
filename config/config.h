/* config/config.h - the running configuration: settings and servers, read from one JSON file
 * (with // and block comments) in the shape of clients' `mcpServers` files. No file = defaults.
 *
 * The built-in server "serena" is there unless the file has an entry of this name: one without
 * command changes the built-in key by key, one with a command replaces it.
 *
 * A configuration is immutable once loaded; a reload makes a new one and swaps the pointer only if
 * it has no mistake. Errors name file, line, key and what was expected. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include "config/settings.h"

#include <stdint.h>

enum config_transport { CONFIG_HTTP, CONFIG_SSE, CONFIG_STDIO };
enum config_share { CONFIG_SHARE_PROJECT, CONFIG_SHARE_SESSION };

struct config_server {
    char *name;
    char *command;            /* NULL for a remote (url) entry */
    struct strv args;
    struct strv env;          /* NAME=VALUE as written in the entry */
    char *cwd;                /* NULL: the project root */
    char *url;                /* of a remote entry, else NULL */
    enum config_transport transport;
    enum config_share share; /* by config/private_servers.h where the entry does not say */
    int64_t spares;
    char *warmup_tool;        /* NULL: none */
    char *warmup_arguments;   /* JSON text of an object */
    bool evict, lean, is_remote, is_builtin;
    struct settings settings; /* the global values with this server's overrides applied */
    int line;                 /* of its entry in the file, 0 for the built-in */
    char *definition;         /* hex hash of all that decides what is started */
};

struct config {
    char *file;               /* path; may name a file that does not exist */
    bool file_exists;
    struct settings settings;
    struct config_server **servers; /* NULL-terminated */
    struct strv warnings;     /* e.g. a remote entry that is not served */
    int64_t loaded_unix_ms;
};

/* Read the file (absent is fine: defaults). builtin_json is the text of the built-in server entry
 * "serena" (NULL: none). New; config_free. This is also all there is to check a file.
 * Err CONFIG: "FILE:LINE: mcpServers.x.idleSeconds: expected a whole number of seconds, 0 to ...,
 * found "abc"". */
struct config *config_load(const char *file, const char *builtin_json, struct err *err) MUST_CHECK;
/* The same from text; NULL text is a file that does not exist. */
struct config *config_parse(const char *file, const char *text, size_t n,
                            const char *builtin_json, struct err *err) MUST_CHECK;
void config_free(struct config *c);

/* Borrowed; NULL name = the default server; NULL if there is none that can be served (err
 * NO_SERVER lists the names). */
const struct config_server *config_find(const struct config *c, const char *name,
                                        struct err *err);
/* Expand ${VAR} and ${VAR:-default} with vars (NAME=VALUE); an unset one without default is an
 * error (CONFIG) naming it; the default is taken for an empty one too, as in sh. What was put in
 * is not expanded again. New string. */
char *config_expand(const char *text, const struct strv *vars, struct err *err) MUST_CHECK;
/* The effective configuration as JSON text, in the shape of the file (it can be loaded again).
 * Values of env that are not only a ${REFERENCE} are shown as "***" unless show_env, and so are
 * user and query of a url. New. */
char *config_print(const struct config *c, bool show_env);
