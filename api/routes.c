/* api/routes.c - see routes.h: the table. Finding and checking by it is in routes_find.c, printing
 * in routes_print.c. */
#include "api/routes.h"

#include "api/handlers.h"
#include "api/wire.h"

#define P API_PREFIX

#define KEY_IN_PATH                                                                                \
    {                                                                                              \
        "key", IN_PATH, PARAM_TEXT, true, 1, 80, "project key"                                     \
    }
#define SERVER_IN_PATH                                                                             \
    {                                                                                              \
        "server", IN_PATH, PARAM_TEXT, true, 1, 128, "name of the server"                          \
    }
#define SLOT_IN_PATH KEY_IN_PATH, SERVER_IN_PATH
#define PATH_IN(place)                                                                             \
    {                                                                                              \
        "path", place, PARAM_TEXT, false, 1, 4096, "absolute path in or of the project"            \
    }
#define PROJECT_IN(place)                                                                          \
    {                                                                                              \
        "project", place, PARAM_TEXT, false, 1, 80, "project key, instead of a path"               \
    }
#define SERVER_IN(place)                                                                           \
    {                                                                                              \
        "server", place, PARAM_TEXT, false, 1, 128, "name of the server; default: defaultServer"   \
    }
#define WAIT                                                                                       \
    {                                                                                              \
        "waitMs", IN_BODY, PARAM_INT, false, 0, 3600000,                                           \
            "longest wait for the start; default: startWaitSeconds"                                \
    }
#define NOW                                                                                        \
    {                                                                                              \
        "now", IN_BODY, PARAM_BOOL, false, 0, 0, "do not wait for calls that are running"          \
    }
#define END                                                                                        \
    {                                                                                              \
        0                                                                                          \
    }
#define PARAMS(...)                                                                                \
    (const struct param[])                                                                         \
    {                                                                                              \
        __VA_ARGS__, END                                                                           \
    }
#define NO_PARAMS ((const struct param[]){END})

/* clang-format off */
static const struct route rows[] = {
    {"POST", P "/ensure", on_ensure, "ensure", 200, "DAEMON, ready (or as it is with noWait); with "
     "`Accept: application/x-ndjson` lines of progress",
     "Start the project's daemon or join its start, and wait until it is ready. A daemon that runs "
     "degraded is an answer too: see its health.",
     "no-project no-server start-failed start-timeout conflict denied",
     PARAMS(PATH_IN(IN_BODY), PROJECT_IN(IN_BODY), SERVER_IN(IN_BODY), WAIT,
            {"noWait", IN_BODY, PARAM_BOOL, false, 0, 0, "answer at once; the start goes on"},
            {"trust", IN_BODY, PARAM_BOOL, false, 0, 0, "trust the project first"},
            {"warm", IN_BODY, PARAM_BOOL, false, 0, 0, "wait for the warm-up call too"},
            {"force", IN_BODY, PARAM_BOOL, false, 0, 0, "try again at once after a failure"})},
    {"GET", P "/endpoint", on_endpoint, "endpoint", 200,
     "{project, projectKey, server, url, directUrl, state, how}",
     "The endpoint for a path. Starts nothing and makes nothing known.",
     "no-project no-server",
     PARAMS(PATH_IN(IN_QUERY), PROJECT_IN(IN_QUERY), SERVER_IN(IN_QUERY))},
    {"GET", P "/why", on_why, "why", 200,
     "{rule, project, projectKey, how, server, url, steps, argv, cwd, environment, ...}",
     "How a request from a place or process would be routed, and what a daemon would be started "
     "with. Values of variables that look secret are shown as ***.",
     "no-project no-server",
     PARAMS(PATH_IN(IN_QUERY),
            {"pid", IN_QUERY, PARAM_INT, false, 1, INT32_MAX, "process whose directory decides"},
            SERVER_IN(IN_QUERY),
            {"showSecrets", IN_QUERY, PARAM_BOOL, false, 0, 0, "show all values"})},
    {"GET", P "/projects", on_projects, "projects", 200, "[PROJECT]",
     "All known projects with their daemons.", "", NO_PARAMS},
    {"DELETE", P "/projects/{key}", on_project_forget, "projectForget", 200, "{forgotten}",
     "Stop the project's daemons and drop what is remembered of it.", "no-project registry",
     PARAMS(KEY_IN_PATH)},
    {"POST", P "/trust", on_trust, "trust", 200, "PROJECT",
     "Trust a project (its own files may then name commands that servers run), or no longer.",
     "no-project registry",
     PARAMS(PATH_IN(IN_BODY), PROJECT_IN(IN_BODY),
            {"trusted", IN_BODY, PARAM_BOOL, true, 0, 0, "trust it or not"})},
    {"GET", P "/daemons", on_daemons, "daemons", 200, "[DAEMON]",
     "All daemons, also those that are down.", "", NO_PARAMS},
    {"GET", P "/daemons/{key}/{server}", on_daemon, "daemon", 200,
     "DAEMON with clients and lastExits", "One daemon.", "no-project no-server not-found",
     PARAMS(SLOT_IN_PATH)},
    {"POST", P "/daemons/{key}/{server}/stop", on_daemon_stop, "daemonStop", 200, "DAEMON",
     "Stop it: running calls end first (drainSeconds). Answers when its process tree is gone.",
     "no-project no-server not-found", PARAMS(SLOT_IN_PATH, NOW)},
    {"POST", P "/daemons/{key}/{server}/restart", on_daemon_restart, "daemonRestart", 200,
     "DAEMON, ready", "Stop it and start it again, also after a failed start.",
     "no-project no-server start-failed start-timeout conflict",
     PARAMS(SLOT_IN_PATH, WAIT)},
    {"POST", P "/daemons/{key}/{server}/evict", on_daemon_evict, "daemonEvict", 200, "DAEMON",
     "Stop it unless somebody needs it now.", "no-project no-server not-found conflict",
     PARAMS(SLOT_IN_PATH)},
    {"POST", P "/daemons/{key}/{server}/pin", on_daemon_pin, "daemonPin", 200, "DAEMON",
     "Keep it when it is idle, or no longer.", "no-project no-server not-found conflict registry",
     PARAMS(SLOT_IN_PATH,
            {"pinned", IN_BODY, PARAM_BOOL, true, 0, 0, "keep it or not"})},
    {"POST", P "/stop", on_stop_all, "stopAll", 200, "{stopped}",
     "Stop all daemons. Answers when they are down.", "", PARAMS(NOW)},
    {"GET", P "/logs", on_logs, "logs", 200, "text/plain",
     "The last lines of a daemon's output, and with follow what comes.",
     "no-project no-server not-found",
     PARAMS(PROJECT_IN(IN_QUERY), PATH_IN(IN_QUERY), SERVER_IN(IN_QUERY),
            {"lines", IN_QUERY, PARAM_INT, false, 0, 1000000, "how many; default 100"},
            {"follow", IN_QUERY, PARAM_BOOL, false, 0, 0, "go on with what comes"})},
    {"GET", P "/history", on_history, "history", 200,
     "[{at, project, projectKey, server, daemonId, event, reason, detail, tookMs}]",
     "Starts and ends with their reasons, newest first.", "no-project registry",
     PARAMS(PROJECT_IN(IN_QUERY), PATH_IN(IN_QUERY),
            {"limit", IN_QUERY, PARAM_INT, false, 1, 100000, "most rows; default 100"})},
    {"GET", P "/settings", on_settings, "settings", 200,
     "{file, fileExists, loadedAt, settings, mcpServers, warnings}",
     "The configuration in force, each setting with its default, unit and range.", "", NO_PARAMS},
    {"POST", P "/reload", on_reload, "reload", 200, "{file, warnings}",
     "Read the configuration file again. A mistake changes nothing.", "config", NO_PARAMS},
    {"GET", P "/health", on_health, "health", 200,
     "{status, pid, uptimeMs, daemons, sessions, registry, orphans}", "How poold itself is.", "",
     NO_PARAMS},
    {"GET", P "/version", on_version, "version", 200,
     "{version, api, pid, startedAt, configFile, stateDir, runDir, listen}",
     "Which poold this is, and its places.", "", NO_PARAMS},
    {"POST", P "/shutdown", on_shutdown, "shutdown", 202, "{keepDaemons}",
     "End poold cleanly, and unless told otherwise all daemons.", "",
     PARAMS({"keepDaemons", IN_BODY, PARAM_BOOL, false, 0, 0, "leave the daemons running"})},
};
/* clang-format on */

const struct route *route_rows(size_t *count)
{
    *count = sizeof rows / sizeof *rows;
    return rows;
}
