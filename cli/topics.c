/* cli/topics.c - what `poolctl help TOPIC` knows beside the commands. See manual_text.h. */
#include "cli/manual_text.h"

#include <string.h>

const struct topic topics[] = {
    {"config", "poold.conf.5", "SETTINGS|SERVERS", "every setting and every key of a server"},
    {"errors", "poold-api.7", "ERRORS", "every error with its HTTP, JSON-RPC and exit code"},
    {"exit-codes", "poolctl.1", "EXIT STATUS", "what poolctl's exit statuses mean, and what to do"},
    {"api", "poold-api.7", "DESCRIPTION|SHAPES|ROUTES", "the HTTP API"},
    {"environment", "poold.8", "ENVIRONMENT", "variables that are read, and what daemons get"},
    {"files", "poold.8", "FILES", "where everything is"},
    {"signals", "poold.8", "SIGNALS", "what poold does at which signal"},
    {"routing", "poold.8", "ROUTING", "how a request finds its project"},
    {"states", "poold.8", "DAEMON STATES", "states and health of a daemon"},
    {"reasons", "poold.8", "REASONS", "why daemons start and end"},
    {"trust", "poold.8", "TRUST", "what a trusted project may do"},
    {"logs", "poold.8", "LOGS", "poold's log, daemons' logs and their limits"},
    {"poold", "poold.8", NULL, "the manual page of poold"},
    {"poolctl", "poolctl.1", NULL, "the manual page of poolctl"},
    {"poold.conf", "poold.conf.5", NULL, "the manual page of the configuration"},
    {"poold-api", "poold-api.7", NULL, "the manual page of the API"},
    {0}};

const struct topic *topic_find(const char *name)
{
    for (const struct topic *t = topics; t->name; t++)
        if (strcmp(t->name, name) == 0 || (!t->sections && strcmp(t->file, name) == 0))
            return t;
    return NULL;
}

bool topic_print(const struct topic *topic, FILE *out)
{
    int wanted = 1;
    for (const char *c = topic->sections; c && *c; c++)
        wanted += *c == '|';
    for (const struct manual_file *f = manual_files; f->name; f++)
        if (strcmp(f->name, topic->file) == 0) {
            int printed = manual_print_text(f->roff, topic->sections, out);
            return topic->sections ? printed == wanted : printed > 0;
        }
    return false;
}
