/* config/settings.h - the one table of settings: name, unit, range, default, where it may stand,
 * whether a reload changes it, and its sentence. It gives the struct, the parser, the example
 * file and the manual. */
#pragma once
#include "base/err.h"

#include <stdint.h>

enum setting_type { SETTING_INT, SETTING_BOOL, SETTING_TEXT, SETTING_RANGE };
enum setting_scope { SCOPE_GLOBAL, SCOPE_BOTH }; /* BOTH: a server entry may override it */

struct setting_range { /* "21000-21999" */
    int64_t first, last;
};

/*    field                 json name              type   scope   min      max  default  reload  sentence */
#define SETTINGS_INT(X)                                                                          \
    X(idle_s,         "idleSeconds",         SCOPE_BOTH,   0, 31536000, 1800, 1, "seconds", "A daemon without work goes after this; 0: never.") \
    X(max_daemons,    "maxDaemons",          SCOPE_GLOBAL, 1, 1000,     16, 1, "daemons", "Most daemons at once; the least recently used idle one makes room.") \
    X(max_starts,     "maxParallelStarts",   SCOPE_GLOBAL, 0, 64,        0, 1, "starts", "Most daemons starting at once; 0: the number of cores.") \
    X(memory_mib,     "memoryBudgetMiB",     SCOPE_GLOBAL, 0, 1048576,   0, 1, "MiB", "Memory of all daemon trees together; above it idle ones go; 0: no limit.") \
    X(start_timeout_s,"startTimeoutSeconds", SCOPE_BOTH,   1, 3600,    120, 1, "seconds", "A start that takes longer has failed.") \
    X(start_wait_s,   "startWaitSeconds",    SCOPE_BOTH,   1, 3600,     50, 1, "seconds", "A call waits this long for a starting daemon.") \
    X(orphan_s,       "orphanSeconds",       SCOPE_BOTH,   1, 604800, 3600, 1, "seconds", "A keeper that heard of no poold for this long stops its daemon.") \
    X(stop_grace_s,   "stopGraceSeconds",    SCOPE_BOTH,   0, 600,      10, 1, "seconds", "Between TERM and KILL.") \
    X(drain_s,        "drainSeconds",        SCOPE_BOTH,   0, 600,      30, 1, "seconds", "A stop that was asked for waits this long for running calls.") \
    X(health_s,       "healthSeconds",       SCOPE_BOTH,   1, 3600,     30, 1, "seconds", "Between two looks at a silent daemon.") \
    X(log_max_mib,    "logMaxMiB",           SCOPE_BOTH,   1, 10240,    10, 1, "MiB", "A daemon's log is rotated at this size; one old file is kept.") \
    X(history_max,    "historyEntries",      SCOPE_GLOBAL, 100, 1000000, 10000, 1, "entries", "Most rows kept in the history.")

struct settings {
#define X(field, name, scope, min, max, def, reload, unit, text) int64_t field;
    SETTINGS_INT(X)
#undef X
    struct setting_range ports; /* portRange, default 21000-21999; global */
    char *default_server;       /* defaultServer, default "serena"; global */
    char *markers;              /* projectMarkers: comma-separated names, default ".git,.hg,.svn,.jj"; global */
    char *log_level;            /* logLevel: error warn info debug; global */
};
