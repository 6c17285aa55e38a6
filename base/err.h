/* base/err.h - errors: one struct, one table.
 *
 * A fallible function returns bool or a pointer, takes `struct err *err` last, and leaves its
 * outputs untouched on failure. The table's row gives the enum, the HTTP status, the JSON-RPC
 * code, the exit status of poolctl and poold, and the sentence in the manuals. JSON-RPC codes of
 * our own are -31000 less the exit status: what JSON-RPC reserves (-32768 to -32000) belongs to it
 * and to MCP (2026-07-28, basic, error codes). */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt_arg, first_arg) __attribute__((format(printf, fmt_arg, first_arg)))

/*    name             http  json-rpc exit  what it means */
#define ERR_LIST(X)                                                                              \
    X(OK,              200,      0,    0,   "it worked")                                         \
    X(INTERNAL,        500, -32603,    1,   "poold itself failed; its log says more")            \
    X(USAGE,           400, -32602,    2,   "the command line or a parameter is not understood") \
    X(NO_PROJECT,      404, -31003,    3,   "no project is known or found for this place")       \
    X(START_FAILED,    502, -31004,    4,   "the daemon could not be started")                   \
    X(START_TIMEOUT,   504, -31005,    5,   "the daemon was still starting when the wait ended") \
    X(DEGRADED,        502, -31006,    6,   "the daemon runs, but its tools do not work")        \
    X(NOT_RUNNING,     503, -31007,    7,   "poold is not running, or does not answer")          \
    X(ALREADY_RUNNING, 409, -31008,    8,   "poold is already running for these places")         \
    X(CONFIG,          422, -31009,    9,   "the configuration has a mistake")                   \
    X(REGISTRY,        500, -31010,   10,   "the registry cannot be read or written")            \
    X(ADDRESS,         500, -31011,   11,   "the listening address cannot be used")              \
    X(DENIED,          403, -31012,   12,   "this is not allowed")                               \
    X(NO_SERVER,       404, -31013,   13,   "no server of this name is configured")              \
    X(NOT_FOUND,       404, -31014,   14,   "nothing of this name is known")                     \
    X(TOO_BIG,         413, -31015,   15,   "a size limit was passed")                           \
    X(BAD_REQUEST,     400, -32600,   16,   "the request is malformed")                          \
    X(CONFLICT,        409, -31017,   17,   "this contradicts the present state")                \
    X(POOL_FULL,       503, -31018,   18,   "every place in the pool is taken by a busy daemon") \
    X(DAEMON_LOST,     502, -31019,   19,   "the daemon ended before it answered")               \
    X(NO_SESSION,      404, -32001,   20,   "the session is not known")                          \
    X(METHOD,          405, -32601,   21,   "this cannot be done here")                          \
    X(PARSE,           400, -32700,   22,   "the bytes are not JSON")                            \
    X(SYSTEM,          500, -31023,   23,   "the operating system refused something")            \
    X(UNHEALTHY,       500, -31024,   24,   "poolctl doctor found a problem")                    \
    X(TOOL,            502, -31025,   25,   "the tool that was called reported an error")

enum err_code {
#define X(name, http, rpc, exit, text) ERR_##name,
    ERR_LIST(X)
#undef X
        ERR_COUNT
};

struct err {
    enum err_code code;
    int sys; /* errno, or 0 */
    char text[400];
};

struct err_row {
    const char *name; /* lower case with dashes: "no-project" */
    int http, rpc, exit;
    const char *meaning;
};

/* The row of a code. */
const struct err_row *err_row(enum err_code code);
/* The code with this name ("no-project"), or ERR_COUNT. */
enum err_code err_by_name(const char *name);

/* Fill err (keeps the first error that was set; err may be NULL) and return false, so that
 * `return err_set(err, ERR_X, errno, "unable to ...")` is one line. sys is appended as text. */
bool err_set(struct err *err, enum err_code code, int sys, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Forget an error, so that the struct can be used again. */
void err_clear(struct err *err);
/* "text" if set, else the row's meaning. Borrowed from err. */
const char *err_text(const struct err *err);
