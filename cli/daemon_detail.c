/* cli/daemon_detail.c - see daemon_detail.h. */
#include "cli/daemon_detail.h"

#include "base/clock.h"
#include "base/str.h"
#include "cli/daemon_text.h"
#include "cli/history_table.h"
#include "cli/output.h"
#include "cli/problem.h"

#include <string.h>

static void print_state(const json_t *d)
{
    char *state = daemon_state_text(d, clock_unix_ms()), *cause = daemon_cause(d);
    char *remedy = daemon_remedy(d);
    const char *reason = field_text(d, "reason"), *detail = field_text(d, "detail");
    printf("  %-10s ", "state");
    say_coloured(stdout, daemon_colour(d), state);
    if (*reason)
        printf("  (%s%s%s)", reason, *detail && !cause ? ": " : "",
               *detail && !cause ? detail : "");
    putchar('\n');
    output_fact("cause", cause);
    output_fact("try", remedy);
    free(state);
    if (*field_text(d, "tail") && strcmp(field_text(d, "state"), "failed") == 0) {
        puts("  said last:");
        problem_print_tail(field_text(d, "tail"), stdout);
    }
}

static void print_health(const json_t *d)
{
    static const char *const layers[] = {"process", "accepts", "mcp", "useful"};
    const json_t *health = json_object_get(d, "health");
    printf("  %-10s ", "health");
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        const char *word = field_text(health, layers[i]);
        enum colour colour = strcmp(word, "ok") == 0       ? GREEN
                             : strcmp(word, "failed") == 0 ? RED
                                                           : DIM;
        printf("%s%s ", i ? ", " : "", layers[i]);
        say_coloured(stdout, colour, *word ? word : "unknown");
    }
    putchar('\n');
}

static void print_process(const json_t *d)
{
    long long pid = field_number(d, "pid", 0), keeper = field_number(d, "keeperPid", 0);
    int64_t started = field_time(d, "startedAt");
    char *memory = say_bytes(field_number(d, "memoryBytes", -1));
    char *cpu = say_duration(field_number(d, "cpuMs", -1));
    char *age = started && pid ? say_duration(clock_unix_ms() - started) : NULL;
    if (pid)
        output_fact("process",
                    xasprintf("pid %lld, keeper %lld%s%s%s%s", pid, keeper, age ? ", up " : "",
                              age ? age : "", *cpu ? ", CPU " : "", cpu));
    output_fact("memory", memory);
    free(cpu);
    free(age);
}

static void print_start(const json_t *d)
{
    static const struct {
        const char *name, *word;
    } steps[] = {{"queuedMs", "queued"},
                 {"spawnedMs", "spawned"},
                 {"portOpenMs", "port open"},
                 {"handshakeMs", "handshake"},
                 {"warmMs", "warm"}};
    bool has_port = field_number(d, "port", 0) > 0;
    char *text = xstrdup("");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int64_t ms = field_number(json_object_get(d, "steps"), steps[i].name, -1);
        if (ms < 0 || (i == 0 && ms == 0) || (i == 2 && !has_port))
            continue; /* it did not have to queue; a stdio daemon has no port */
        char *took = say_duration(ms);
        char *more = xasprintf("%s%s%s %s", text, *text ? ", " : "", steps[i].word, took);
        free(took);
        free(text);
        text = more;
    }
    output_fact("start", text);
    char *usual = say_duration(field_number(d, "usualStartMs", -1));
    output_fact("starts", xasprintf("%lld%s%s", (long long)field_number(d, "starts", 0),
                                    *usual ? ", usually " : "", usual));
    free(usual);
}

/* "claude-code 2.1 (node, pid 12 in ~/repo, by cwd): 2 calls for 4.1 s, stream open" */
static void print_client(const json_t *c)
{
    const char *client = field_text(c, "client"), *program = field_text(c, "program");
    long long pid = field_number(c, "pid", 0), calls = field_number(c, "inFlight", 0);
    char *name = say_clean(*client ? client : *program ? program : "unknown client");
    char *cwd = say_path(field_text(c, "cwd"));
    printf("    %s", name);
    if (pid)
        printf(" (%s%spid %lld%s%s)", *client && *program ? program : "",
               *client && *program ? ", " : "", pid, *cwd ? " in " : "", cwd);
    printf(", by %s", *field_text(c, "route") ? field_text(c, "route") : "unknown rule");
    if (calls) {
        char *oldest = say_duration(field_number(c, "oldestCallMs", -1));
        printf(": %lld call%s under way%s%s", calls, calls == 1 ? "" : "s",
               *oldest ? ", the oldest for " : "", oldest);
        free(oldest);
    }
    puts(field_flag(c, "hasStream") ? ", stream open (does not pin)" : "");
    free(name);
    free(cwd);
}

static void print_clients(const json_t *d)
{
    const json_t *clients = json_object_get(d, "clients"), *c;
    size_t i;
    printf("  %-10s %zu\n", "clients", json_array_size(clients));
    json_array_foreach(clients, i, c) print_client(c);
}

void daemon_detail_print(const json_t *d)
{
    const json_t *exits = json_object_get(d, "lastExits");
    char *project = say_path(field_text(d, "project"));
    say_coloured(stdout, BOLD, project);
    printf("  %s  (%s%s)\n", field_text(d, "server"), field_text(d, "projectKey"),
           field_flag(d, "trusted") ? ", trusted" : "");
    free(project);
    print_state(d);
    print_health(d);
    output_fact("goes", daemon_goes_text(d));
    output_fact("url", say_clean(field_text(d, "url")));
    output_fact("direct", say_clean(field_text(d, "directUrl")));
    print_process(d);
    print_start(d);
    print_clients(d);
    output_fact("log", say_path(field_text(d, "logFile")));
    if (json_array_size(exits)) {
        puts("  last exits:");
        history_table_print(exits, false);
    }
}
