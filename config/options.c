/* config/options.c - see options.h. */
#include "config/options.h"

#include "base/str.h"

static const struct option_row rows[OPTION_COUNT] = {
#define X(name, option, value, variable, sentence)                                                 \
    [OPTION_##name] = {option, value, variable, sentence},
    POOLD_OPTIONS(X)
#undef X
};

const struct option_row *option_row(enum poold_option o)
{
    return &rows[o];
}

/* A lint test holds this table against every getenv() of the sources. */
static const struct variable_row read_rows[] = {
    {"POOLD_CONFIG", "The configuration file, as --config."},
    {"POOLD_STATE_DIR", "Where the registry and the logs are, as --state-dir."},
    {"POOLD_RUN_DIR", "Where the sockets are, as --run-dir."},
    {"POOLD_LISTEN", "The front's address, as --listen."},
    {"POOLD_SERENA_DIR", "Where the built-in server serena is installed, if not in the folder "
                         "serena of the data directory."},
    {"POOLD_CLANGD", "The clangd that the built-in server runs, if not the one in PATH; it belongs "
                     "into the entry's env."},
    {"XDG_CONFIG_HOME", "The folder of the configuration's folder, if not ~/.config (Linux)."},
    {"XDG_STATE_HOME", "The folder of the state directory, if not ~/.local/state (Linux)."},
    {"XDG_DATA_HOME", "The folder of the data directory, if not ~/.local/share (Linux)."},
    {"XDG_RUNTIME_DIR", "The folder of the run directory (Linux); one of another user's is "
                        "ignored, and without it the run directory is run in the state directory."},
    {"HOME", "The home directory: the default places are below it, and it is never a project."},
    {"PATH", "Where servers are looked for, together with what the login shell says."},
    {"SHELL", "The login shell that poold asks once for its PATH, so that a poold started by a "
              "service manager finds what a terminal finds."},
    {"CLAUDE_PROJECT_DIR",
     "The project of `poolctl connect` where no option names one; Claude Code sets it."},
    {"NO_COLOR", "If it is set, poolctl writes no colours."},
    {"TERM", "poolctl writes no colours to a terminal that is dumb."},
    {"LISTEN_FDS", "Number of listening sockets that a service manager hands over "
                   "(sd_listen_fds(3))."},
    {"LISTEN_PID", "Whose they are."},
    {"LISTEN_FDNAMES", "Their names, with colons between: front and api."},
    {"NOTIFY_SOCKET", "Where poold says that it is ready, reloads or ends (sd_notify(3))."},
    {"WATCHDOG_USEC", "How often the service manager wants to hear that poold lives "
                      "(sd_watchdog_enabled(3))."},
    {"WATCHDOG_PID", "Of whom it wants to hear that."},
    {"JOURNAL_STREAM", "Device and inode of the journal's stream. If that is poold's stderr, each "
                       "line of the log begins with its level."},
};

static const struct variable_row given_rows[] = {
    {"POOLD_PROJECT", "The project's directory."},
    {"POOLD_PROJECT_KEY", "The project's key."},
    {"POOLD_SERVER", "The server's name."},
    {"POOLD_PORT", "The port that a server of type http or sse has to listen on, on 127.0.0.1."},
    {"POOLD_DAEMON_ID", "The id of this life of the daemon; every process of its tree has it."},
};

const struct variable_row *variable_rows_read(size_t *count)
{
    *count = sizeof read_rows / sizeof *read_rows;
    return read_rows;
}

const struct variable_row *variable_rows_given(size_t *count)
{
    *count = sizeof given_rows / sizeof *given_rows;
    return given_rows;
}

void options_print_usage(FILE *out)
{
    fputs("usage: poold [OPTION]...\n"
          "Keeps one warm MCP daemon per project. Stays in the foreground and logs to stderr;\n"
          "`poolctl ensure DIR` starts it by itself. More: poold(8), or `poolctl help poold`.\n",
          out);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *o = &rows[i];
        char *left = xasprintf("--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
        fprintf(out, "  %-20s %s%s%s%s\n", left, o->sentence, *o->variable ? " (" : "", o->variable,
                *o->variable ? ")" : "");
        free(left);
    }
    fputs("Signals: TERM ends it and leaves the daemons running, HUP reads the configuration "
          "again.\n",
          out);
}
