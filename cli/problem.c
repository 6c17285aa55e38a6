/* cli/problem.c - see problem.h. */
#include "cli/problem.h"

#include "cli/field.h"
#include "cli/say.h"

#include <string.h>

/* {} stands for the project that the command was about. */
static const struct {
    enum err_code code;
    const char *remedy;
} remedies[] = {
    {ERR_INTERNAL,
     "poolctl status   (its log is poold.log in the logs folder of the state directory)"},
    {ERR_NO_PROJECT, "poolctl ensure DIR   (makes any folder a project; / and home are none)"},
    {ERR_START_FAILED, "poolctl logs {}   (what the daemon said); then poolctl ensure --force {}"},
    {ERR_START_TIMEOUT,
     "poolctl status {}   (the start goes on); or poolctl ensure --timeout SECONDS {}"},
    {ERR_DEGRADED, "poolctl logs {}; then poolctl restart {}"},
    {ERR_NOT_RUNNING, "poolctl ensure DIR   (starts poold)"},
    {ERR_CONFIG, "poolctl config --check   (after the mistake is mended)"},
    {ERR_ADDRESS, "poolctl --listen 127.0.0.1:0 ensure DIR   (any free port)"},
    {ERR_NO_SERVER, "poolctl config   (names the servers there are)"},
    {ERR_NOT_FOUND, "poolctl list   (names what is known)"},
    {ERR_POOL_FULL, "poolctl list   (who is busy); then poolctl stop DIR"},
    {ERR_DAEMON_LOST, "poolctl logs {}; poolctl history {}"},
};

/* New: text with each {} replaced. */
static char *fill(const char *text, const char *with)
{
    char *out = xstrdup("");
    for (const char *hole; (hole = strstr(text, "{}")); text = hole + 2) {
        char *more = xasprintf("%s%.*s%s", out, (int)(hole - text), text, with);
        free(out);
        out = more;
    }
    char *whole = xasprintf("%s%s", out, text);
    free(out);
    return whole;
}

char *problem_remedy(enum err_code code, const char *project)
{
    for (size_t i = 0; i < sizeof remedies / sizeof *remedies; i++)
        if (remedies[i].code == code)
            return fill(remedies[i].remedy, project);
    return NULL;
}

/* The command's project as it would be typed again. New string. */
static char *project_of(const struct cli *cli)
{
    const char *server = cli_text(cli, "server");
    const char *named = cli_text(cli, "project");
    bool is_argument = cli->cmd && strstr(cli->cmd->args, "DIR");
    char *dir = say_quoted(named ? named : is_argument ? cli_arg(cli, 0, ".") : ".");
    if (!server)
        return dir;
    char *name = say_quoted(server), *both = xasprintf("-s %s %s", name, dir);
    free(name);
    free(dir);
    return both;
}

/* New string, or NULL. */
static char *remedy_of(const struct cli *cli, const struct err *err)
{
    const char *own = field_text(cli->problem, "remedy");
    if (*own)
        return xstrdup(own);
    char *project = project_of(cli);
    char *remedy = cli->remedy ? fill(cli->remedy, project) : problem_remedy(err->code, project);
    free(project);
    return remedy;
}

static void print_json(const struct cli *cli, const struct err *err)
{
    const struct err_row *row = err_row(err->code);
    json_t *problem = cli->problem ? json_copy(cli->problem) : json_object();
    if (!cli->problem) {
        char *type = xasprintf("urn:poold:error:%s", row->name), *text = say_clean(err_text(err));
        json_object_set_new(problem, "type", json_string(type));
        json_object_set_new(problem, "title", json_string(row->meaning));
        json_object_set_new(problem, "status", json_integer(row->http));
        json_object_set_new(problem, "detail", json_string(text));
        json_object_set_new(problem, "code", json_string(row->name));
        free(type);
        free(text);
    }
    char *remedy = remedy_of(cli, err);
    if (remedy && !json_object_get(problem, "remedy"))
        json_object_set_new(problem, "remedy", json_string(remedy));
    json_dumpf(problem, stderr, JSON_COMPACT);
    fputc('\n', stderr);
    json_decref(problem);
    free(remedy);
}

void problem_print_tail(const char *tail, FILE *out)
{
    while (*tail) {
        size_t n = strcspn(tail, "\n");
        char *line = xstrndup(tail, n), *clean = say_clean(line);
        fprintf(out, "  | %s\n", clean);
        free(line);
        free(clean);
        tail += n + (tail[n] == '\n');
    }
}

static void print_text(const struct cli *cli, const struct err *err)
{
    const char *whole = field_text(cli->problem, "detail");
    char *remedy = remedy_of(cli, err);
    char *text = say_clean(*whole ? whole : err_text(err));
    say_coloured(stderr, err->code == ERR_DEGRADED ? YELLOW : RED, "poolctl: ");
    fprintf(stderr, "%s\n", text);
    free(text);
    problem_print_tail(field_text(cli->problem, "tail"), stderr);
    if (remedy)
        fprintf(stderr, "  try: %s\n", remedy);
    else if (err->code == ERR_USAGE)
        fprintf(stderr, "  try: poolctl %s%s--help\n", cli->cmd ? cli->cmd->name : "",
                cli->cmd ? " " : "");
    free(remedy);
}

int problem_print(struct cli *cli, const struct err *err)
{
    if (err->code == ERR_OK)
        return 0;
    fflush(stdout);
    if (cli->is_json)
        print_json(cli, err);
    else
        print_text(cli, err);
    return err_row(err->code)->exit;
}
