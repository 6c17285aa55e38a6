/* config/options.h - poold's options and the environment variables of all programs, as two tables:
 * they give the parser, `poold --help` and the manual. (poolctl's options are cli/cmdline.c's.) */
#pragma once
#include <stddef.h>
#include <stdio.h>

/*    name, option, value (NULL: none), variable of the same meaning ("" none), sentence */
#define POOLD_OPTIONS(X)                                                                         \
    X(CONFIG, "config", "FILE", "POOLD_CONFIG", "The configuration.")                            \
    X(STATE_DIR, "state-dir", "DIR", "POOLD_STATE_DIR",                                          \
      "Where the registry, the logs and the session key are.")                                   \
    X(RUN_DIR, "run-dir", "DIR", "POOLD_RUN_DIR",                                                \
      "Where the sockets, the pid file and the keepers' sockets are.")                           \
    X(LISTEN, "listen", "HOST:PORT", "POOLD_LISTEN",                                             \
      "The front's address, 127.0.0.1:7337 by default; port 0 takes a free one.")                \
    X(LOG_FORMAT, "log-format", "FORMAT", "",                                                    \
      "How to log: logfmt or json; wins over the setting logFormat.")                            \
    X(CHECK_CONFIG, "check-config", NULL, "",                                                    \
      "Read the configuration, say what is wrong with it, and end.")                             \
    X(VERSION, "version", NULL, "", "Show the version and end.")                                 \
    X(HELP, "help", NULL, "", "Show the options and end.")

enum poold_option {
#define X(name, option, value, variable, sentence) OPTION_##name,
    POOLD_OPTIONS(X)
#undef X
        OPTION_COUNT
};

struct option_row {
    const char *name, *value, *variable, *sentence;
};
const struct option_row *option_row(enum poold_option o);

/* A variable that a program of ours reads, or that a daemon gets from us. */
struct variable_row {
    const char *name, *sentence;
};
/* Read by poold, its keepers or poolctl. Borrowed, static. */
const struct variable_row *variable_rows_read(size_t *count);
/* Given to every daemon. */
const struct variable_row *variable_rows_given(size_t *count);

/* `poold --help`. */
void options_print_usage(FILE *out);
