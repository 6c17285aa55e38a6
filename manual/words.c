/* manual/words.c - what the words of a few tables mean: states, reasons, rules of routing. The
 * tables themselves are needed where sentences would be dead weight. See manual.h. */
#include "manual/manual.h"

#include <string.h>

struct word {
    const char *word, *meaning;
};

static const char *meaning_of(const struct word *words, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i].word, word) == 0)
            return words[i].meaning;
    return NULL;
}
#define MEANING_OF(words, word) meaning_of(words, sizeof words / sizeof *words, word)

const char *manual_state(const char *word)
{
    static const struct word words[] = {
        {"down", "Nothing runs. The next call starts it."},
        {"starting", "It waits for its turn to start, or was started and has not answered the "
                     "handshake yet. Lasts at most startTimeoutSeconds."},
        {"ready", "It answers and has nothing to do. It goes when it has been so for idleSeconds, "
                  "or to make room."},
        {"busy", "It works on at least one call. It is not evicted."},
        {"draining",
         "It is to stop when its calls have ended, at the latest after drainSeconds. It "
         "gets no new ones: they wait for the next start."},
        {"stopping", "Its processes are being ended: TERM, and KILL after stopGraceSeconds."},
        {"failed", "The last start failed. It is tried again by the next call after a pause that "
                   "doubles from 1 s to 60 s; poolctl ensure --force tries at once."},
    };
    return MEANING_OF(words, word);
}

const char *manual_reason(const char *word)
{
    static const struct word words[] = {
        {"ensure", "Started: poolctl ensure or the API asked for it."},
        {"call", "Started: a client's call needed it."},
        {"restart", "Stopped and started anew: poolctl restart or the API asked for it."},
        {"session", "Started: a client has stayed connected after its first requests."},
        {"adopted", "It ran already when poold came up, and was taken over."},
        {"revived", "Started again at once because its keeper was lost or it had gone mute."},
        {"idle", "Stopped: it had no work for idleSeconds."},
        {"pool-full", "Stopped: another project needed a daemon, and maxDaemons were there."},
        {"memory", "Stopped: all daemons together passed memoryBudgetMiB."},
        {"asked", "Stopped: poolctl stop or the API asked for it."},
        {"evicted", "Stopped: poolctl evict or the API asked for it."},
        {"shutdown", "Stopped: poold was ended with its daemons."},
        {"crashed", "It was ended by a signal that poold did not send."},
        {"exited", "It ended by itself, with an exit status."},
        {"exec-failed", "Its command could not be run: it is not there, or is no program."},
        {"start-timeout", "It was not ready after startTimeoutSeconds."},
        {"start-exited", "It ended before it was ready."},
        {"port-taken", "A process that is not its own listens on its port."},
        {"handshake-failed", "It runs, but answered the handshake with errors."},
        {"keeper-lost", "Its keeper ended, so that it was ended too."},
        {"unresponsive", "It answered three pings in a row no more, and was ended."},
        {"orphaned", "No poold was there for orphanSeconds, so that its keeper ended it."},
        {"gone-while-away", "It ended while no poold was there to see why."},
        {"forgotten", "Stopped: its project was forgotten."},
        {"definition-changed", "Stopped when idle: the server's entry in the configuration, or the "
                               "project's trust, is another one now."},
        {"handshake-lost",
         "A stdio server whose answer to the handshake is not known any more (the "
         "registry was lost) is started anew: it can be asked only once."},
        {"spare", "Started warm for the next session (`spares` of a server with share session)."},
        {"session-over", "Stopped: the session that it belonged to is over."},
    };
    return MEANING_OF(words, word);
}

const char *manual_route_rule(const char *word)
{
    static const struct word words[] = {
        {"path", "The URL names it: /p/KEY/mcp."},
        {"header", "The header X-Poold-Project names it, by its key or an absolute path."},
        {"query", "?project= in the URL names it, by its key or an absolute path."},
        {"line", "The first line over mcp.sock names it, by its key or an absolute path."},
        {"session", "It is the project of the MCP session that the request belongs to."},
        {"cwd", "It is the project around the working directory of the process that owns the "
                "client's socket."},
        {"roots", "It is the project of the first root that the client names when poold asks it "
                  "(MCP roots)."},
    };
    return MEANING_OF(words, word);
}
