/* cli/cmdline.c - see cmdline.h. */
#include "cli/cmdline.h"

#include "config/nearest.h"

#include <string.h>

const struct opt cmdline_globals[] = {
    {"config", 0, OPT_TEXT, "FILE", 0, 0, "Configuration file (also POOLD_CONFIG)."},
    {"state-dir", 0, OPT_TEXT, "DIR", 0, 0,
     "Where the registry and the logs are (also POOLD_STATE_DIR)."},
    {"run-dir", 0, OPT_TEXT, "DIR", 0, 0, "Where the sockets are (also POOLD_RUN_DIR)."},
    {"listen", 0, OPT_TEXT, "HOST:PORT", 0, 0,
     "Front address of a poold that has to be started (also POOLD_LISTEN)."},
    {"json", 0, OPT_FLAG, NULL, 0, 0, "Answer with JSON on stdout; errors as JSON on stderr."},
    {"help", 'h', OPT_FLAG, NULL, 0, 0, "Show help and exit."},
    {"version", 'V', OPT_FLAG, NULL, 0, 0, "Show the version and exit."},
    {0}};

#define NAMES_MAX 160 /* more words than all tables have */

const struct cmd *cmdline_find(const struct cmd *const *commands, const char *name)
{
    for (; *commands; commands++)
        if (strcmp((*commands)->name, name) == 0)
            return *commands;
    return NULL;
}

const char *cmdline_nearest_command(const struct cmd *const *commands, const char *word)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    for (; *commands && count < NAMES_MAX; commands++)
        names[count++] = (*commands)->name;
    return nearest_name(word, names, count);
}

/* A word that is being read may be an option of a command that only follows ("-n 5 logs"), so
 * without a command every command's options are looked through. */
struct reading {
    const struct cmd *const *commands;
    struct cli *cli;
    char **argv;
    int argc, at;
    struct err *err;
};

typedef void opt_fn(void *arg, const struct opt *opt);

static void each_in(const struct opt *options, opt_fn *each, void *arg)
{
    for (const struct opt *o = options; o && o->name; o++)
        each(arg, o);
}

static void each_option(const struct reading *r, opt_fn *each, void *arg)
{
    each_in(cmdline_globals, each, arg);
    if (r->cli->cmd) {
        each_in(r->cli->cmd->options, each, arg);
        return;
    }
    for (const struct cmd *const *c = r->commands; *c; c++)
        each_in((*c)->options, each, arg);
}

struct wanted {
    const char *name;
    size_t name_len;
    char letter;
    const struct opt *found;
};

static void match(void *arg, const struct opt *opt)
{
    struct wanted *w = arg;
    bool same =
        w->name ? strlen(opt->name) == w->name_len && strncmp(opt->name, w->name, w->name_len) == 0
                : opt->letter == w->letter;
    if (same && !w->found)
        w->found = opt;
}

struct names {
    const char *items[NAMES_MAX];
    size_t count;
};

static void collect_name(void *arg, const struct opt *opt)
{
    struct names *n = arg;
    if (n->count < NAMES_MAX)
        n->items[n->count++] = opt->name;
}

static bool unknown_option(const struct reading *r, const char *word)
{
    char *name = xstrndup(word, strcspn(word, "="));
    struct names names = {0};
    const char *near = NULL;
    if (str_starts(word, "--")) {
        each_option(r, collect_name, &names);
        near = nearest_name(name + 2, names.items, names.count);
    }
    const char *of = r->cli->cmd ? r->cli->cmd->name : NULL;
    err_set(r->err, ERR_USAGE, 0, "unknown option '%s'%s%s%s%s%s", name, of ? " for " : "",
            of ? of : "", near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
    free(name);
    return false;
}

static bool take_number(const struct opt *opt, const char *text, int64_t *out, struct err *err)
{
    return str_to_int(text, opt->min, opt->max, out) ||
           err_set(err, ERR_USAGE, 0, "--%s: expected a whole number from %lld to %lld, found '%s'",
                   opt->name, (long long)opt->min, (long long)opt->max, text);
}

/* value NULL: it is the next word. */
static bool give(struct reading *r, const struct opt *opt, const char *value)
{
    struct cli *cli = r->cli;
    if (cli->given_count == CLI_GIVEN_MAX)
        return err_set(r->err, ERR_USAGE, 0, "too many options");
    struct given g = {.opt = opt};
    if (opt->kind == OPT_FLAG && value)
        return err_set(r->err, ERR_USAGE, 0, "--%s takes no value", opt->name);
    if (opt->kind != OPT_FLAG) {
        if (!value && r->at + 1 >= r->argc)
            return err_set(r->err, ERR_USAGE, 0, "--%s needs a value (%s)", opt->name, opt->value);
        g.text = value ? value : r->argv[++r->at];
        if (opt->kind == OPT_NUMBER && !take_number(opt, g.text, &g.number, r->err))
            return false;
    }
    cli->given[cli->given_count++] = g;
    if (strcmp(opt->name, "json") == 0)
        cli->is_json = true;
    return true;
}

static bool take_long(struct reading *r, const char *word)
{
    const char *equals = strchr(word, '=');
    struct wanted w = {.name = word + 2,
                       .name_len = equals ? (size_t)(equals - word - 2) : strlen(word + 2)};
    each_option(r, match, &w);
    return w.found ? give(r, w.found, equals ? equals + 1 : NULL) : unknown_option(r, word);
}

static bool take_short(struct reading *r, const char *word)
{
    for (const char *p = word + 1; *p; p++) {
        struct wanted w = {.letter = *p};
        each_option(r, match, &w);
        if (!w.found)
            return unknown_option(r, (char[]){'-', *p, '\0'});
        if (w.found->kind != OPT_FLAG)
            return give(r, w.found, p[1] ? p + 1 : NULL);
        if (!give(r, w.found, NULL))
            return false;
    }
    return true;
}

static bool take_word(struct reading *r, const char *word)
{
    if (r->cli->cmd) {
        strv_add(&r->cli->args, word);
        return true;
    }
    r->cli->cmd = cmdline_find(r->commands, word);
    if (r->cli->cmd)
        return true;
    const char *near = cmdline_nearest_command(r->commands, word);
    return err_set(r->err, ERR_USAGE, 0, "unknown command '%s'%s%s%s", word,
                   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* Options that were read before the command was known must be its own (or global). */
static bool options_belong(const struct reading *r)
{
    struct cli *cli = r->cli;
    for (size_t i = 0; cli->cmd && i < cli->given_count; i++) {
        struct given *g = &cli->given[i];
        struct wanted w = {.name = g->opt->name, .name_len = strlen(g->opt->name)};
        each_option(r, match, &w);
        if (!w.found || w.found->kind != g->opt->kind) {
            char *word = xasprintf("--%s", g->opt->name);
            unknown_option(r, word);
            free(word);
            return false;
        }
    }
    return true;
}

static bool count_is_right(const struct cli *cli, struct err *err)
{
    if (!cli->cmd || cli_has(cli, "help") || cli_has(cli, "version"))
        return true;
    int n = (int)cli->args.count;
    if (n < cli->cmd->min_args)
        return err_set(err, ERR_USAGE, 0, "%s needs %s", cli->cmd->name, cli->cmd->args);
    if (n > cli->cmd->max_args)
        return err_set(err, ERR_USAGE, 0, "%s: '%s' is one argument too many", cli->cmd->name,
                       cli->args.items[cli->cmd->max_args]);
    return true;
}

bool cmdline_parse(int argc, char **argv, const struct cmd *const *commands, struct cli *cli,
                   struct err *err)
{
    struct reading r = {
        .commands = commands, .cli = cli, .argv = argv, .argc = argc, .at = 1, .err = err};
    bool options_over = false;
    for (; r.at < argc; r.at++) {
        const char *word = argv[r.at];
        bool ok;
        if (options_over || word[0] != '-' || !word[1]) {
            ok = take_word(&r, word);
        } else if (strcmp(word, "--") == 0) {
            options_over = true;
            continue;
        } else {
            ok = word[1] == '-' ? take_long(&r, word) : take_short(&r, word);
        }
        if (!ok)
            return false;
    }
    return options_belong(&r) && count_is_right(cli, err);
}

static const struct given *find_given(const struct cli *cli, const char *name)
{
    for (size_t i = cli->given_count; i > 0; i--) /* the last one counts */
        if (strcmp(cli->given[i - 1].opt->name, name) == 0)
            return &cli->given[i - 1];
    return NULL;
}

bool cli_has(const struct cli *cli, const char *name)
{
    return find_given(cli, name) != NULL;
}

const char *cli_text(const struct cli *cli, const char *name)
{
    const struct given *g = find_given(cli, name);
    return g ? g->text : NULL;
}

int64_t cli_number(const struct cli *cli, const char *name, int64_t otherwise)
{
    const struct given *g = find_given(cli, name);
    return g ? g->number : otherwise;
}

const char *cli_arg(const struct cli *cli, size_t n, const char *otherwise)
{
    return n < cli->args.count ? cli->args.items[n] : otherwise;
}

bool cli_dirs(struct cli *cli, const struct dirs **out, struct err *err)
{
    if (!cli->has_dirs && !dirs_find(cli_text(cli, "config"), cli_text(cli, "state-dir"),
                                     cli_text(cli, "run-dir"), &cli->dirs, err))
        return false;
    cli->has_dirs = true;
    *out = &cli->dirs;
    return true;
}

void cli_finish(struct cli *cli)
{
    strv_finish(&cli->args);
    if (cli->has_dirs)
        dirs_finish(&cli->dirs);
    json_decref(cli->problem);
    *cli = (struct cli){0};
}
