/* api/shapes.c - see shapes.h: the table. Schemas from it are in shapes_print.c. */
#include "api/shapes.h"

#include <string.h>

#define MEMBERS(...)                                                                               \
    (const struct shape_member[])                                                                  \
    {                                                                                              \
        __VA_ARGS__, { 0 }                                                                         \
    }

/* clang-format off */
#define OF_PROJECT                                                                                 \
    {"project", "path", "its root directory"},                                                     \
    {"projectKey", "text", "its key"}
#define OF_SLOT                                                                                    \
    OF_PROJECT,                                                                                    \
    {"server", "text", "name of the server"}

#define DAEMON_MEMBERS                                                                             \
    OF_SLOT,                                                                                       \
    {"instance", "count", "which of several daemons of this server and project"},                  \
    {"private", "bool", "one session's, or a spare (share: session)"},                             \
    {"spare", "bool", "private, and waits for a session"},                                         \
    {"state", "@state", "where it is in its life"},                                                \
    {"health", "Health", "what is known of it beside the state"},                                  \
    {"daemonId", "text?", "of the present or last life; never used again"},                        \
    {"generation", "count", "number of that life"},                                                \
    {"pid", "number?", "of its main process"},                                                     \
    {"keeperPid", "number?", "of its keeper"},                                                     \
    {"port", "number?", "its own port on loopback"},                                               \
    {"url", "url", "the front's endpoint for it: stable, for clients"},                            \
    {"directUrl", "url?", "its own endpoint"},                                                     \
    {"sessions", "count", "clients' sessions with it"},                                            \
    {"inFlight", "count", "calls under way"},                                                      \
    {"memoryBytes", "count?", "of its process tree"},                                              \
    {"cpuMs", "count?", "of its process tree"},                                                    \
    {"idleMs", "count?", "without work for so long"},                                              \
    {"evictInMs", "count?", "goes by idleness then"},                                              \
    {"evictWhy", "text?", "why it does not go by idleness"},                                       \
    {"startedAt", "time?", "its process began"},                                                   \
    {"readyAt", "time?", "it answered for the first time"},                                        \
    {"reason", "@reason?", "of the last start or end"},                                            \
    {"detail", "text?", "the same in words, a failure's with its remedy"},                         \
    {"tail", "text?", "last lines of its output after a failure"},                                 \
    {"retryInMs", "count?", "failed: not tried again before"},                                     \
    {"pinned", "bool", "kept when idle"},                                                          \
    {"trusted", "bool", "its project is trusted"},                                                 \
    {"transport", "(http|sse|stdio)", "how it speaks MCP"},                                        \
    {"step", "@step?", "last step reached of a start under way"},                                  \
    {"steps", "Steps", "when each step of the last start was reached"},                            \
    {"starts", "count", "how often it was started"},                                               \
    {"usualStartMs", "count?", "how long a start usually takes"},                                  \
    {"logFile", "path", "its output"}

static const struct shape rows[] = {
    {"Daemon", "One server for one project: a slot with its present or last life.",
     MEMBERS(DAEMON_MEMBERS)},
    {"DaemonDetail", "A daemon with who uses it and how it ended before.",
     MEMBERS(DAEMON_MEMBERS,
             {"clients", "[Client]", "the sessions with it"},
             {"lastExits", "[History]", "its last ends and failures, newest first"})},
    {"Health", "Four layers, each known by itself.",
     MEMBERS({"process", "@layer", "its process runs"},
             {"accepts", "@layer", "its port takes connections, or it reads its pipe (stdio)"},
             {"mcp", "@layer", "it answers MCP"},
             {"useful", "@layer", "its tools work (the warm-up call)"},
             {"cause", "text?", "what the failed layer says"})},
    {"Steps", "Milliseconds from when the start was asked for; null: not reached.",
     MEMBERS({"queuedMs", "count?", "in the queue"},
             {"spawnedMs", "count?", "its process exists"},
             {"portOpenMs", "count?", "its own tree listens on its port"},
             {"handshakeMs", "count?", "MCP answers: it is ready"},
             {"warmMs", "count?", "the warm-up call is done"})},
    {"Client", "One session of a client.",
     MEMBERS({"client", "text?", "what it calls itself"},
             {"transport", "(http|sse|lines)", "how it speaks MCP"},
             {"pid", "number?", "its process"},
             {"cwd", "path?", "its directory"},
             {"program", "text?", "its program"},
             {"route", "text?", "the rule that found its project"},
             {"inFlight", "count", "calls under way"},
             {"oldestCallMs", "count?", "age of the oldest of them"},
             {"lastUseAt", "time?", "its last request"},
             {"hasStream", "bool", "it holds a stream open"})},
    {"Project", "A project with its daemons.",
     MEMBERS(OF_PROJECT,
             {"trusted", "bool", "its own files may name commands to run"},
             {"firstUsedAt", "time?", "known since"},
             {"lastUsedAt", "time?", "last start"},
             {"daemons", "[Daemon]", "one per server used"})},
    {"History", "A start or an end.",
     MEMBERS({"at", "time", "when"},
             {"project", "path?", "its root; null: not known any more"},
             {"projectKey", "text", "its key"},
             {"server", "text", "name of the server"},
             {"daemonId", "text?", "the life"},
             {"event", "(start|ready|end|fail|adopt)", "what happened"},
             {"reason", "@reason?", "why"},
             {"detail", "text?", "the same in words"},
             {"tookMs", "count?", "ready: until then; end: how long it lived"})},
    {"Endpoint", "Where to reach a project's server.",
     MEMBERS(OF_SLOT,
             {"url", "url", "the front's"},
             {"directUrl", "url?", "the daemon's own, if it runs"},
             {"state", "@state", "of the daemon"},
             {"how", "text", "what made the directory a project"})},
    {"Why", "How a request would be routed, and what would be started.",
     MEMBERS({"rule", "(path|cwd)", "what decided"},
             OF_SLOT,
             {"how", "text", "what made the directory a project"},
             {"marker", "text?", "the marker found"},
             {"trusted", "bool", "the project is trusted"},
             {"state", "@state", "of the daemon"},
             {"url", "url", "the front's"},
             {"steps", "[WhyStep]", "each rule looked at"},
             {"argv", "[text]?", "command of a start"},
             {"cwd", "path?", "directory of a start"},
             {"environment", "{text}?", "environment of a start"},
             {"startProblem", "text?", "why there would be no start"})},
    {"WhyStep", "A rule and what it gave.",
     MEMBERS({"rule", "text", "which"}, {"result", "text?", "what it gave"})},
    {"Setting", "One setting.",
     MEMBERS({"value", "any", "in force"},
             {"default", "any", "without a configuration"},
             {"unit", "text?", "of the value"},
             {"min", "number?", "smallest value"},
             {"max", "number?", "largest value"},
             {"help", "text", "what it does"},
             {"perServer", "bool", "a server may have its own"},
             {"reloadable", "bool", "a reload changes it"})},
    {"Settings", "The configuration in force.",
     MEMBERS({"file", "path", "where it is read from"},
             {"fileExists", "bool", "it is there"},
             {"loadedAt", "time?", "when it was read"},
             {"settings", "{Setting}", "by name"},
             {"mcpServers", "{any}", "the servers, in the shape of the file"},
             {"warnings", "[text]", "what is odd in it"})},
    {"Reloaded", "A configuration read again.",
     MEMBERS({"file", "path", "which"}, {"warnings", "[text]", "what is odd in it"})},
    {"ServiceHealth", "How poold is.",
     MEMBERS({"status", "(ok|degraded)", "all in all"},
             {"pid", "number", "of poold"},
             {"uptimeMs", "count", "since its start"},
             {"synced", "bool", "it has found what ran before it"},
             {"daemons", "{count}", "how many by state"},
             {"sessions", "count", "of clients"},
             {"registry", "(ok|failed)", "can it be read and written"},
             {"registryProblem", "text?", "what is wrong with it"},
             {"orphans", "count", "left by lost keepers, being ended"})},
    {"Version", "Which poold this is.",
     MEMBERS({"version", "text", "of the program"},
             {"api", "(v1)", "of this API"},
             {"pid", "number", "of poold"},
             {"startedAt", "time", "its start"},
             {"configFile", "path", "its configuration"},
             {"stateDir", "path", "registry and logs"},
             {"runDir", "path", "sockets"},
             {"listen", "text", "the front's address"})},
    {"Forgotten", "A project that was forgotten.",
     MEMBERS({"forgotten", "text", "its key"})},
    {"Stopped", "Daemons that were stopped.",
     MEMBERS({"stopped", "count", "how many"})},
    {"ShuttingDown", "poold ends now.",
     MEMBERS({"keepDaemons", "bool", "the daemons go on"})},
    {"Progress", "A line of progress: a step with its time, or at last the outcome.",
     MEMBERS({"step?", "@step", "reached"},
             {"ms?", "count", "from when the start was asked for"},
             {"daemon?", "Daemon", "it is ready"},
             {"problem?", "Problem", "it is not"})},
    {"Problem", "An error (RFC 9457).",
     MEMBERS({"type", "text", "urn:poold:error: and the code"},
             {"title", "text", "what the code means"},
             {"status", "number", "the HTTP status"},
             {"detail", "text", "what happened, for people"},
             {"code", "@code", "a name of the table of errors"},
             {"daemon?", "Daemon", "the one it is about"},
             {"tail?", "text?", "last lines of its output"},
             {"steps?", "[WhyStep]", "the rules looked at"})},
    {"EventState", "Event `state`: a daemon has gone from one state to another.",
     MEMBERS({"at", "time", "when"}, OF_SLOT,
             {"daemonId", "text?", "the life; null: it has none yet"},
             {"generation", "count?", "its number"},
             {"state", "@state", "the new one"},
             {"was", "@state", "the one before"},
             {"wasMs", "count", "how long that lasted"},
             {"reason", "@reason?", "why it started or goes"},
             {"detail", "text?", "the same in words"})},
    {"EventStep", "Event `step`: a start has reached a step.",
     MEMBERS({"at", "time", "when"}, OF_SLOT,
             {"daemonId", "text?", "the life"},
             {"step", "@step", "which"},
             {"ms", "count", "from when the start was asked for"})},
    {"EventHealth", "Event `health`: a layer of health has changed.",
     MEMBERS({"at", "time", "when"}, OF_SLOT,
             {"daemonId", "text?", "the life"},
             {"health", "Health", "the new one"})},
    {"EventPin", "Event `pin`: a daemon is pinned, or no longer.",
     MEMBERS({"at", "time", "when"}, OF_SLOT,
             {"pinned", "bool", "now"})},
    {"EventSession", "Event `session`: a client's session has come or gone.",
     MEMBERS({"at", "time", "when"}, OF_SLOT,
             {"change", "@change", "what"},
             {"client", "text?", "what it calls itself"},
             {"transport", "(http|sse|lines)", "how it speaks MCP"},
             {"pid", "number?", "its process"},
             {"route", "text?", "the rule that found its project"})},
    {"EventTrust", "Event `trust`: a project is trusted, or no longer.",
     MEMBERS({"at", "time", "when"}, OF_PROJECT, {"trusted", "bool", "now"})},
    {"EventForget", "Event `forget`: a project is not known any more.",
     MEMBERS({"at", "time", "when"}, OF_PROJECT)},
    {"EventConfig", "Event `config`: the configuration was read again.",
     MEMBERS({"at", "time", "when"},
             {"file", "path", "which"},
             {"warnings", "[text]", "what is odd in it"})},
    {"EventReset", "Event `reset`: events were missed; list again, and go on from here.",
     MEMBERS({"at", "time", "when"},
             {"why", "(unknown-id|too-slow)", "Last-Event-ID is not known (any more), or the "
              "reader did not keep up"})},
};
/* clang-format on */

const struct shape *shape_rows(size_t *count)
{
    *count = sizeof rows / sizeof *rows;
    return rows;
}

const struct shape *shape_named(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

bool shape_member_is_optional(const struct shape_member *m)
{
    return m->name[strlen(m->name) - 1] == '?';
}

const struct shape_member *shape_member_named(const struct shape *shape, const char *name)
{
    for (const struct shape_member *m = shape->members; m->name; m++) {
        size_t n = strlen(m->name) - (shape_member_is_optional(m) ? 1 : 0);
        if (strlen(name) == n && strncmp(m->name, name, n) == 0)
            return m;
    }
    return NULL;
}
