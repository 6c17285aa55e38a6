/* cli/cmd_why.c - `poolctl why`: how a request from a place would be routed, and what would start.
 */
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/start_poold.h"
#include "cli/target.h"

#include <string.h>

static const struct opt options[] = {OPT_SERVER,
                                     {"pid", 'p', OPT_NUMBER, "PID", 1, 2147483647,
                                      "Instead of DIR: the directory of this process decides."},
                                     {0}};

static void print_steps(const json_t *why)
{
    const json_t *steps = json_object_get(why, "steps"), *s;
    size_t i;
    if (json_array_size(steps))
        puts("\nhow that was found:");
    json_array_foreach(steps, i, s)
    {
        char *result = say_clean(field_text(s, "result"));
        printf("  %-10s %s\n", field_text(s, "rule"), result);
        free(result);
    }
}

static void print_start(const json_t *why)
{
    const json_t *argv = json_object_get(why, "argv"), *a;
    json_t *env = json_object_get(why, "environment"), *value;
    const char *problem = field_text(why, "startProblem"), *name;
    size_t i;
    puts("\na daemon would be started with:");
    if (*problem) {
        output_fact("problem", say_clean(problem));
        return;
    }
    printf("  %-10s", "command");
    json_array_foreach(argv, i, a)
    {
        char *word = say_quoted(json_string_value(a));
        printf(" %s", word);
        free(word);
    }
    putchar('\n');
    output_fact("cwd", say_clean(field_text(why, "cwd")));
    puts("  environment");
    json_object_foreach(env, name, value)
    {
        char *word = say_quoted(json_string_value(value));
        printf("    %s=%s\n", name, word);
        free(word);
    }
}

static void print(const char *asked, const json_t *why)
{
    const char *how = field_text(why, "how"), *root = field_text(why, "project");
    const char *marker = field_text(why, "marker");
    char *shown = say_path(root), *real = asked ? realpath(asked, NULL) : NULL;
    say_coloured(stdout, BOLD, shown);
    putchar('\n');
    if (asked)
        output_fact("asked for", say_clean(asked));
    if (real && asked && strcmp(real, asked) != 0)
        output_fact("really", say_clean(real));
    output_fact("rule", say_clean(field_text(why, "rule")));
    if (*marker)
        output_fact("because", xasprintf("%s has %s", shown, marker));
    else if (strcmp(how, "known") == 0)
        output_fact("because", xasprintf("%s is a known project", shown));
    else
        output_fact("because", say_clean(how));
    output_fact("key", say_clean(field_text(why, "projectKey")));
    output_fact("server", say_clean(field_text(why, "server")));
    output_fact("state", say_clean(field_text(why, "state")));
    output_fact("url", say_clean(field_text(why, "url")));
    output_fact("trusted",
                xstrdup(field_flag(why, "trusted") ? "yes: its own files may name commands"
                                                   : "no: its own files may name no commands"));
    print_steps(why);
    print_start(why);
    free(shown);
    free(real);
}

/* "/why?..." for DIR, or for --pid. *asked: the path, or NULL. New strings. */
static bool make_query(struct cli *cli, char **target, char **asked, struct err *err)
{
    struct target t = {0};
    const char *server = cli_text(cli, "server");
    char *name = server ? call_escape(server) : NULL, *path = NULL;
    const char *more = name ? "&server=" : "";
    bool ok = true;
    if (cli_has(cli, "pid")) {
        *target = xasprintf("/why?pid=%lld%s%s", (long long)cli_number(cli, "pid", 0), more,
                            name ? name : "");
    } else {
        ok = target_from(cli_arg(cli, 0, "."), &t, err) &&
             (t.path || target_resolve(cli, &t, server, err));
        path = ok ? call_escape(t.path ? t.path : t.root) : NULL;
        *asked = ok ? xstrdup(t.path ? t.path : t.root) : NULL;
        *target = ok ? xasprintf("/why?path=%s%s%s", path, more, name ? name : "") : NULL;
    }
    free(name);
    free(path);
    target_finish(&t);
    return ok;
}

static bool run(struct cli *cli, struct err *err)
{
    json_t *why = NULL;
    char *target = NULL, *asked = NULL;
    if (cli_has(cli, "pid") && cli->args.count)
        return err_set(err, ERR_USAGE, 0, "why: either DIR or --pid");
    bool ok = poold_start(cli, err) && make_query(cli, &target, &asked, err) &&
              call_get(cli, target, &why, err);
    if (ok && !output_json(cli, why))
        print(asked, why);
    json_decref(why);
    free(target);
    free(asked);
    return ok;
}

const struct cmd cmd_why = {
    .name = "why",
    .args = "[DIR]",
    .summary = "how a request from there is routed, and what a daemon would start with",
    .text = "The rule that decides, the project and what made it one, its key and URL, whether it "
            "is trusted, and the command, directory and environment of a daemon (values that look "
            "secret as ***). Starts no daemon; starts poold if none runs. " DIR_TEXT,
    .options = options,
    .max_args = 1,
    .run = run,
};
