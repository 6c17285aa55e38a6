/* cli/cmd.h - what a command of poolctl is: one row of words, options and a function. The rows
 * give the parser, `--help`, the manual and the completions. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include "platform/dirs.h"

#include <jansson.h>
#include <stdint.h>

enum opt_kind { OPT_FLAG, OPT_TEXT, OPT_NUMBER };

struct opt {
    const char *name; /* without dashes; NULL ends a table */
    char letter;      /* its short form, or 0 */
    enum opt_kind kind;
    const char *value; /* what stands for its value in the help: "SECONDS" */
    int64_t min, max;  /* OPT_NUMBER */
    const char *help;  /* one sentence */
};

struct cli;

struct cmd {
    const char *name;
    const char *args;    /* "[DIR]", as in the help */
    const char *summary; /* one line, no full stop */
    const char *text;    /* a few sentences for its --help and the manual */
    const struct opt *options;
    int min_args, max_args;
    /* Errors are printed and turned into the exit status by the caller. */
    bool (*run)(struct cli *cli, struct err *err);
};

#define CLI_GIVEN_MAX 32

/* One call of poolctl. Owned by main; commands borrow. */
struct cli {
    const struct cmd *cmd; /* NULL: none was named */
    struct strv args;      /* what is no option */
    struct given {
        const struct opt *opt;
        const char *text; /* of argv, NULL for a flag */
        int64_t number;
    } given[CLI_GIVEN_MAX];
    size_t given_count;
    bool is_json;
    bool has_dirs;
    struct dirs dirs;   /* cli_dirs fills it */
    json_t *problem;    /* the problem+json of the API's last refusal, or NULL */
    const char *remedy; /* what to do about the error, static, {} for the project;
                         * NULL: by its code */
};

/* Was the option given? Name without dashes. */
bool cli_has(const struct cli *cli, const char *name);
/* Its value, or NULL. Borrowed. */
const char *cli_text(const struct cli *cli, const char *name);
int64_t cli_number(const struct cli *cli, const char *name, int64_t otherwise);
/* The n-th argument, or otherwise. */
const char *cli_arg(const struct cli *cli, size_t n, const char *otherwise);
/* Where config, state and sockets are, by flags, variables and defaults. Borrowed from cli. */
bool cli_dirs(struct cli *cli, const struct dirs **out, struct err *err) MUST_CHECK;
void cli_finish(struct cli *cli);
