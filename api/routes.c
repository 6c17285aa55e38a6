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
#define BROUGHT                                                                                    \
    {                                                                                              \
        "brought", IN_BODY, PARAM_TEXT, false, 0, 0,                                               \
            "also the servers that it brings, if this is still their content"                      \
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
    {"POST", P "/ensure", on_ensure, "ensure", 200, "Daemon, ready (or as it is with noWait); with "
     "`Accept: application/x-ndjson` lines of progress",
     "Start the project's daemon or join its start, and wait until it is ready. A daemon that runs "
     "degraded is an answer too: see its health.",
     "no-project no-server start-failed start-timeout pool-full conflict not-running registry",
     PARAMS(PATH_IN(IN_BODY), PROJECT_IN(IN_BODY), SERVER_IN(IN_BODY), WAIT,
            {"noWait", IN_BODY, PARAM_BOOL, false, 0, 0, "answer at once; the start goes on"},
            {"trust", IN_BODY, PARAM_BOOL, false, 0, 0, "trust the project first"},
            BROUGHT,
            {"warm", IN_BODY, PARAM_BOOL, false, 0, 0, "wait for the warm-up call too"},
            {"force", IN_BODY, PARAM_BOOL, false, 0, 0, "try again at once after a failure"}),
     "Daemon", ROUTE_SYNC | ROUTE_STARTS | ROUTE_LINES},
    {"GET", P "/endpoint", on_endpoint, "endpoint", 200,
     "Endpoint",
     "The endpoint for a path. Starts nothing and makes nothing known.",
     "no-project no-server",
     PARAMS(PATH_IN(IN_QUERY), PROJECT_IN(IN_QUERY), SERVER_IN(IN_QUERY)),
     "Endpoint", ROUTE_SYNC},
    {"GET", P "/why", on_why, "why", 200,
     "Why",
     "How a request from a place or process would be routed, and what a daemon would be started "
     "with. Values of variables that look secret are shown as ***.",
     "no-project no-server",
     PARAMS(PATH_IN(IN_QUERY),
            {"pid", IN_QUERY, PARAM_INT, false, 1, INT32_MAX, "process whose directory decides"},
            SERVER_IN(IN_QUERY),
            {"showSecrets", IN_QUERY, PARAM_BOOL, false, 0, 0, "show all values"}),
     "Why", ROUTE_SYNC},
    {"GET", P "/projects", on_projects, "projects", 200, "[Project]",
     "All known projects with their daemons.", "", NO_PARAMS, "[Project]", ROUTE_SYNC},
    {"DELETE", P "/projects/{key}", on_project_forget, "projectForget", 200, "Forgotten",
     "Stop the project's daemons and drop what is remembered of it. Answers when they are gone.",
     "no-project registry", PARAMS(KEY_IN_PATH), "Forgotten", ROUTE_SYNC},
    {"POST", P "/trust", on_trust, "trust", 200, "Project",
     "Trust a project (its own files may then name commands that servers run), or no longer.",
     "no-project conflict registry",
     PARAMS(PATH_IN(IN_BODY), PROJECT_IN(IN_BODY),
            {"trusted", IN_BODY, PARAM_BOOL, true, 0, 0, "trust it or not"},
            BROUGHT),
     "Project", ROUTE_SYNC},
    {"GET", P "/daemons", on_daemons, "daemons", 200, "[Daemon]",
     "All daemons, also those that are down.", "", NO_PARAMS, "[Daemon]", ROUTE_SYNC},
    {"GET", P "/daemons/{key}/{server}", on_daemon, "daemon", 200,
     "DaemonDetail", "One daemon.", "no-project no-server not-found",
     PARAMS(SLOT_IN_PATH), "DaemonDetail", ROUTE_SYNC},
    {"POST", P "/daemons/{key}/{server}/stop", on_daemon_stop, "daemonStop", 200, "Daemon",
     "Stop it: running calls end first (drainSeconds). Answers when its process tree is gone.",
     "no-project no-server not-found conflict", PARAMS(SLOT_IN_PATH, NOW), "Daemon", ROUTE_SYNC},
    {"POST", P "/daemons/{key}/{server}/restart", on_daemon_restart, "daemonRestart", 200,
     "Daemon, ready; lines of progress as ensure", "Stop it and start it again, also after a failed start.",
     "no-project no-server start-failed start-timeout pool-full conflict not-running",
     PARAMS(SLOT_IN_PATH, WAIT), "Daemon", ROUTE_SYNC | ROUTE_STARTS | ROUTE_LINES},
    {"POST", P "/daemons/{key}/{server}/evict", on_daemon_evict, "daemonEvict", 200, "Daemon",
     "Stop it unless somebody needs it now.", "no-project no-server not-found conflict",
     PARAMS(SLOT_IN_PATH), "Daemon", ROUTE_SYNC},
    {"POST", P "/daemons/{key}/{server}/pin", on_daemon_pin, "daemonPin", 200, "Daemon",
     "Keep it when it is idle, or no longer.", "no-project no-server not-found conflict registry",
     PARAMS(SLOT_IN_PATH,
            {"pinned", IN_BODY, PARAM_BOOL, true, 0, 0, "keep it or not"}),
     "Daemon", ROUTE_SYNC},
    {"POST", P "/stop", on_stop_all, "stopAll", 200, "Stopped",
     "Stop all daemons. Answers when they are down.", "", PARAMS(NOW), "Stopped", ROUTE_SYNC},
    {"GET", P "/logs", on_logs, "logs", 200, "text/plain",
     "The last lines of a daemon's output, and with follow what comes.",
     "no-project no-server not-found",
     PARAMS(PROJECT_IN(IN_QUERY), PATH_IN(IN_QUERY), SERVER_IN(IN_QUERY),
            {"lines", IN_QUERY, PARAM_INT, false, 0, 1000000, "how many; default 100"},
            {"follow", IN_QUERY, PARAM_BOOL, false, 0, 0, "go on with what comes"}),
     "text/plain", 0},
    {"GET", P "/history", on_history, "history", 200,
     "[History]",
     "Starts and ends with their reasons, newest first.", "no-project registry",
     PARAMS(PROJECT_IN(IN_QUERY), PATH_IN(IN_QUERY),
            {"limit", IN_QUERY, PARAM_INT, false, 1, 100000, "most rows; default 100"}),
     "[History]", 0},
    {"GET", P "/settings", on_settings, "settings", 200,
     "Settings",
     "The configuration in force, each setting with its default, unit and range.", "", NO_PARAMS,
     "Settings", 0},
    {"POST", P "/reload", on_reload, "reload", 200, "Reloaded",
     "Read the configuration file again. A mistake changes nothing.", "config", NO_PARAMS,
     "Reloaded", 0},
    {"GET", P "/health", on_health, "health", 200,
     "ServiceHealth", "How poold itself is.", "", NO_PARAMS, "ServiceHealth", 0},
    {"GET", P "/version", on_version, "version", 200,
     "Version", "Which poold this is, and its places.", "", NO_PARAMS, "Version", 0},
    {"GET", P "/events", on_events, "events", 200, "a stream of events",
     "What happens, as server-sent events, until the client leaves.",
     "no-project",
     PARAMS({"project", IN_QUERY, PARAM_TEXT, false, 1, 80,
             "project key: only what happens there"}),
     "text/event-stream", 0},
    {"GET", P "/openapi.json", on_openapi, "openapi", 200, "this API as an OpenAPI 3.1 document",
     "This API for programs.", "", NO_PARAMS, "any", 0},
    {"GET", "/metrics", on_metrics, "metrics", 200, "Prometheus' text format 0.0.4",
     "Numbers for a monitoring system.", "", NO_PARAMS, "text/plain", ROUTE_SYNC},
    {"POST", P "/shutdown", on_shutdown, "shutdown", 202, "ShuttingDown",
     "End poold cleanly, and unless told otherwise all daemons.", "",
     PARAMS({"keepDaemons", IN_BODY, PARAM_BOOL, false, 0, 0, "leave the daemons running"}),
     "ShuttingDown", 0},
};
/* clang-format on */

const struct route *route_rows(size_t *count)
{
    *count = sizeof rows / sizeof *rows;
    return rows;
}
