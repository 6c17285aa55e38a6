/* config/settings.h - the one table of settings: name, unit, range, default, where it may stand,
 * whether a reload changes it, and its sentence. It gives the struct, the parser, the example
 * file and the manual. The keys of a server entry have a table beside it. */
#pragma once
#include "base/err.h"

#include <stdint.h>
#include <stdio.h>

enum setting_type { SETTING_INT, SETTING_TEXT, SETTING_RANGE };
enum setting_scope { SCOPE_GLOBAL, SCOPE_BOTH }; /* BOTH: a server entry may override it */

struct setting_range { /* "21000-21999" */
    int64_t first, last;
};

/*    field, json name, scope, min, max, default, reloadable, unit,
      sentence */
#define SETTINGS_INT(X)                                                                          \
    X(idle_s, "idleSeconds", SCOPE_BOTH, 0, 31536000, 1800, 1, "seconds",                        \
      "A daemon without work goes after this; 0: never.")                                        \
    X(max_daemons, "maxDaemons", SCOPE_GLOBAL, 1, 1000, 16, 1, "daemons",                        \
      "Most daemons at once; the least recently used idle one makes room.")                      \
    X(max_starts, "maxParallelStarts", SCOPE_GLOBAL, 0, 64, 0, 1, "starts",                      \
      "Most daemons starting at once; 0: the number of cores.")                                  \
    X(memory_mib, "memoryBudgetMiB", SCOPE_GLOBAL, 0, 1048576, 0, 1, "MiB",                      \
      "Memory of all daemon trees together; above it idle ones go; 0: no limit.")                \
    X(start_timeout_s, "startTimeoutSeconds", SCOPE_BOTH, 1, 3600, 120, 1, "seconds",            \
      "A start that takes longer has failed.")                                                   \
    X(start_wait_s, "startWaitSeconds", SCOPE_BOTH, 1, 3600, 50, 1, "seconds",                   \
      "A call waits this long for a starting daemon.")                                           \
    X(orphan_s, "orphanSeconds", SCOPE_BOTH, 1, 604800, 3600, 1, "seconds",                      \
      "A keeper that heard of no poold for this long stops its daemon.")                         \
    X(stop_grace_s, "stopGraceSeconds", SCOPE_BOTH, 0, 600, 10, 1, "seconds",                    \
      "Between TERM and KILL.")                                                                  \
    X(drain_s, "drainSeconds", SCOPE_BOTH, 0, 600, 30, 1, "seconds",                             \
      "A stop that was asked for waits this long for running calls.")                            \
    X(health_s, "healthSeconds", SCOPE_BOTH, 1, 3600, 30, 1, "seconds",                          \
      "Between two looks at a silent daemon.")                                                   \
    X(log_max_mib, "logMaxMiB", SCOPE_BOTH, 1, 10240, 10, 1, "MiB",                              \
      "A daemon's log, and poold.log, is rotated at this size; one old file is kept.")           \
    X(logs_total_mib, "logsTotalMiB", SCOPE_GLOBAL, 1, 1048576, 200, 1, "MiB",                   \
      "All logs together; above it the oldest ones of daemons that are down are removed.")       \
    X(history_max, "historyEntries", SCOPE_GLOBAL, 100, 1000000, 10000, 1, "entries",            \
      "Most rows kept in the history.")

/*    field, json name, type, min, max, default, reloadable, unit,
      sentence */
#define SETTINGS_OTHER(X)                                                                        \
    X(ports, "portRange", SETTING_RANGE, 1024, 65535, "21000-21999", 1, "ports",                 \
      "Ports for daemons; keep away from the range the system hands out by itself.")             \
    X(default_server, "defaultServer", SETTING_TEXT, 1, 64, "serena", 1, "name",                 \
      "The server that is meant where none is named.")                                           \
    X(markers, "projectMarkers", SETTING_TEXT, 1, 1000, ".git,.hg,.svn,.jj", 1, "names",         \
      "A directory that holds one of these is a project; names with commas between.")            \
    X(log_level, "logLevel", SETTING_TEXT, 1, 5, "info", 1, "level",                             \
      "What poold logs: error, warn, info or debug.")                                            \
    X(log_format, "logFormat", SETTING_TEXT, 1, 6, "logfmt", 1, "format",                        \
      "How poold logs: logfmt or json, with the same fields.")

struct settings {
#define X(field, name, scope, min, max, def, reload, unit, text) int64_t field;
    SETTINGS_INT(X)
#undef X
    struct setting_range ports; /* portRange */
    char *default_server;       /* defaultServer */
    char *markers;              /* projectMarkers: names with commas between */
    char *log_level;            /* logLevel: error warn info debug */
    char *log_format;           /* logFormat: logfmt json */
};

/* A row of the table. */
struct setting {
    const char *name;          /* as in the file */
    enum setting_type type;
    enum setting_scope scope;
    const char *unit;          /* "seconds" */
    int64_t min, max;          /* INT: the value; RANGE: each end; TEXT: bytes */
    const char *standard;      /* the default, as text */
    bool is_reloadable;        /* else read at start only */
    const char *sentence;
    size_t offset;             /* in struct settings */
};

/* All rows in the order of the manual. Borrowed, static. */
const struct setting *setting_rows(size_t *count);
/* The row of a name, or NULL. */
const struct setting *setting_find(const char *name);
/* "a whole number of seconds, 0 to 3600". New string. */
char *setting_expected(const struct setting *row);
/* Change one value. False and nothing changed if it is not what setting_expected says, or of
 * another type. */
bool setting_set_number(struct settings *s, const struct setting *row, int64_t value) MUST_CHECK;
bool setting_set_text(struct settings *s, const struct setting *row,
                      const char *value) MUST_CHECK;
/* The number of an INT row. */
int64_t setting_number(const struct settings *s, const struct setting *row);
/* Any value as text, without quotes. New string. */
char *setting_text(const struct settings *s, const struct setting *row);

/* Fill with the defaults, or with a copy of another one's values; s holds nothing before.
 * settings_finish frees what it holds and zeroes it. */
void settings_defaults(struct settings *s);
void settings_copy(struct settings *s, const struct settings *from);
void settings_finish(struct settings *s);

/* A key of a server entry. */
struct server_key {
    const char *name;
    const char *shape;    /* what is expected there: "a list of texts" */
    const char *standard; /* the default in words, "" if it must be given or is nothing */
    const char *example;  /* JSON on one line */
    const char *sentence;
    bool is_alternative;  /* stands in place of another key, not beside it */
};
const struct server_key *server_key_rows(size_t *count);
const struct server_key *server_key_find(const char *name);

/* The example file (etc/poold.conf): every setting at its default, every server key in a
 * comment. It is itself a valid configuration. */
void settings_print_example(FILE *out);
/* The same tables as items of the manual, in the marks of manual/page.h. */
void settings_print_page(FILE *out);
void server_keys_print_page(FILE *out);
