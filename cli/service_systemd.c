/* cli/service_systemd.c - poold under the user's systemd: a socket unit that holds the sockets and
 * a service unit. Facts: systemd.service(5), systemd.socket(5), systemd.syntax(7). */
#include "cli/service.h"
#include "cli/tool.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ASK_MS 10000

static const char service_pattern[] =
    "# Written by `poolctl service install`, which writes it anew; for changes of your own use\n"
    "# `systemctl --user edit poold.service`. What each line is for: docs/service.md\n"
    "[Unit]\n"
    "Description=poold, one warm MCP daemon per project\n"
    "Documentation=man:poold(8)\n"
    "Requires=poold.socket\n"
    "After=poold.socket\n"
    "# Reaching a start limit would close the sockets too, and refuse every client.\n"
    "StartLimitIntervalSec=0\n"
    "\n"
    "[Service]\n"
    "Type=notify\n"
    "NotifyAccess=main\n"
    "ExecStart=@poold@ --config @config@ --state-dir @stateDir@ --run-dir @runDir@ "
    "--listen @listen@\n"
    "ExecReload=/bin/kill -HUP $MAINPID\n"
    "@environment@"
    "WorkingDirectory=/\n"
    "SyslogIdentifier=poold\n"
    "# Keepers and daemons are in this unit's control group and outlive poold.\n"
    "KillMode=process\n"
    "OOMPolicy=continue\n"
    "# SIGTERM and `poolctl shutdown` are clean ends (status 0). A mistake that a new start would\n"
    "# only repeat is not retried until a client comes, and then in no hurry.\n"
    "Restart=on-failure\n"
    "RestartSec=100ms\n"
    "RestartPreventExitStatus=@finalStatuses@\n"
    "ExecStopPost=/bin/sh -c 'case \" @finalStatuses@ \" in *\" $$EXIT_STATUS \"*) sleep 2 ;; "
    "esac'\n"
    "WatchdogSec=60\n"
    "TimeoutStartSec=60\n"
    "TimeoutStopSec=30\n"
    "LimitNOFILE=8192:524288\n"
    "\n"
    "[Install]\n"
    "WantedBy=default.target\n"
    "Also=poold.socket\n";

static const char socket_pattern[] =
    "# Written by `poolctl service install`, which writes it anew. Holds poold's sockets, so that\n"
    "# no connection is refused while poold is killed, restarted or upgraded.\n"
    "[Unit]\n"
    "Description=Sockets of poold\n"
    "Documentation=man:poold(8)\n"
    "\n"
    "[Socket]\n"
    "# poold tells them apart: the front by its kind, api.sock (for poolctl) and mcp.sock (for\n"
    "# clients that speak JSON lines) by their names.\n"
    "ListenStream=@listen@\n"
    "ListenStream=@apiSocket@\n"
    "ListenStream=@mcpSocket@\n"
    "SocketMode=0600\n"
    "DirectoryMode=0700\n"
    "Backlog=4096\n"
    "RemoveOnStop=yes\n"
    "\n"
    "[Install]\n"
    "WantedBy=sockets.target\n";

/* ${XDG_CONFIG_HOME:-~/.config}/systemd/user. New string. */
static char *unit_dir(struct err *err)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (config && config[0] == '/')
        return str_path(config, "systemd/user");
    if (home && home[0] == '/')
        return str_path(home, ".config/systemd/user");
    err_set(err, ERR_USAGE, 0, "unable to find the place for unit files: HOME is not set");
    return NULL;
}

static bool list(struct service_files *out, struct err *err)
{
    char *dir = unit_dir(err);
    if (!dir)
        return false;
    *out = (struct service_files){
        .count = 2,
        .items = {{"poold.service", service_pattern, "etc/systemd/poold.service.in", NULL, NULL,
                   SERVICE_ABSENT},
                  {"poold.socket", socket_pattern, "etc/systemd/poold.socket.in", NULL, NULL,
                   SERVICE_ABSENT}}};
    for (size_t i = 0; i < out->count; i++)
        out->items[i].path = str_path(dir, out->items[i].name);
    free(dir);
    return true;
}

/* Is a word safe without quotes? */
static bool is_plain(const char *value)
{
    return *value && !value[strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                          "0123456789-._/:@+,[]~=")];
}

/* With escapes: % and $ doubled (specifiers and, in commands, variables), quotes and backslashes
 * behind a backslash, control characters as \xNN. */
static char *escaped(const char *value, bool is_command)
{
    char *out = xmalloc(strlen(value) * 4 + 1), *to = out;
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        if (c == '%' || (c == '$' && is_command))
            *to++ = *value;
        else if (c == '"' || c == '\\')
            *to++ = '\\';
        if (c < 0x20 || c == 0x7f)
            to += snprintf(to, 5, "\\x%02x", c);
        else
            *to++ = *value;
    }
    *to = '\0';
    return out;
}

static char *word(const char *value)
{
    if (is_plain(value))
        return xstrdup(value);
    char *text = escaped(value, true), *quoted = xasprintf("\"%s\"", text);
    free(text);
    return quoted;
}

/* Of a setting that takes its whole line: no quotes there. */
static char *line(const char *value)
{
    char *out = xmalloc(strlen(value) * 2 + 1), *to = out;
    for (; *value; value++) {
        if (*value == '%')
            *to++ = '%';
        *to++ = *value;
    }
    *to = '\0';
    return out;
}

static char *environment(const struct strv *variables)
{
    char *lines = xstrdup("");
    for (size_t i = 0; i < variables->count; i++) {
        char *text = escaped(variables->items[i], false);
        char *more = xasprintf("%sEnvironment=\"%s\"\n", lines, text);
        free(text);
        free(lines);
        lines = more;
    }
    return lines;
}

/* --- commands --- */

static void step(struct strv *out, const char *const *words)
{
    *out = (struct strv){0};
    strv_add(out, "systemctl");
    strv_add(out, "--user");
    for (; *words; words++)
        strv_add(out, *words);
}
#define STEP(out, ...) step((out), (const char *const[]){__VA_ARGS__, NULL})

static size_t start(const struct service_files *files, bool is_running, struct strv *out)
{
    STEP(&out[0], "daemon-reload");
    /* Changed sockets can only be opened while nobody has the old ones. */
    bool is_moved = files->items[1].state == SERVICE_DIFFERS;
    if (is_running && is_moved) {
        STEP(&out[1], "stop", "poold.socket", "poold.service");
        STEP(&out[2], "enable", "--now", "poold.socket", "poold.service");
        return 3;
    }
    STEP(&out[1], "enable", "--now", "poold.socket", "poold.service");
    if (!is_running || files->items[0].state == SERVICE_CURRENT)
        return 2;
    STEP(&out[2], "restart", "poold.service");
    return 3;
}

static size_t enable_only(const struct service_files *files, struct strv *out)
{
    (void)files;
    STEP(&out[0], "daemon-reload");
    STEP(&out[1], "enable", "poold.socket", "poold.service");
    return 2;
}

static size_t stop(const struct service_files *files, struct strv *out)
{
    (void)files;
    STEP(&out[0], "disable", "--now", "poold.socket", "poold.service");
    return 1;
}

static size_t after_removal(struct strv *out)
{
    STEP(&out[0], "daemon-reload");
    return 1;
}

/* --- looking --- */

/* What `systemctl --user WORDS` says; NULL if it fails, with what it said in *problem. */
static char *ask(const char *const *words, char **problem)
{
    struct strv argv;
    struct err err = {0};
    char *said = NULL;
    int status = 0;
    step(&argv, words);
    bool ok = tool_run(argv.items, ASK_MS, &said, &status, &err);
    strv_finish(&argv);
    if (ok && status == 0)
        return said;
    if (problem && !*problem)
        *problem = ok && *said ? xstrndup(said, strcspn(said, "\n"))
                   : ok        ? xasprintf("systemctl ended with status %d", status)
                               : xstrdup(err_text(&err));
    free(said);
    return NULL;
}

/* The value of NAME= in systemctl show's lines. New string, "" if missing. */
static char *value_of(const char *lines, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = lines; *at;) {
        size_t len = strcspn(at, "\n");
        if (strncmp(at, name, n) == 0 && at[n] == '=')
            return xstrndup(at + n + 1, len - n - 1);
        at += len + (at[len] == '\n');
    }
    return xstrdup("");
}

static bool value_is(const char *lines, const char *name, const char *wanted)
{
    char *value = value_of(lines, name);
    bool is = strcmp(value, wanted) == 0;
    free(value);
    return is;
}

static void look_at_service(const char *lines, struct service_look *out)
{
    char *active = value_of(lines, "ActiveState"), *sub = value_of(lines, "SubState");
    char *pid = value_of(lines, "MainPID");
    int64_t number;
    out->state = xasprintf("%s (%s)", active, sub);
    out->is_active = strcmp(active, "active") == 0;
    out->is_enabled = value_is(lines, "UnitFileState", "enabled");
    if (str_to_int(pid, 1, INT32_MAX, &number))
        out->pid = (pid_t)number;
    free(active);
    free(sub);
    free(pid);
}

/* logind keeps a file for each user that lingers; without its directory nothing is known. */
static void look_at_linger(struct service_look *out)
{
    struct stat st;
    const struct passwd *user = getpwuid(getuid());
    if (!user || stat("/var/lib/systemd", &st) != 0)
        return;
    char *file = str_path("/var/lib/systemd/linger", user->pw_name);
    out->is_linger_known = true;
    out->does_linger = stat(file, &st) == 0;
    free(file);
}

static void look(struct service_look *out)
{
    static const char *const reach[] = {"show-environment", NULL};
    static const char *const service[] = {"show", "poold.service", "--property",
                                          "ActiveState,SubState,MainPID,UnitFileState", NULL};
    static const char *const sockets[] = {"show", "poold.socket", "--property", "ActiveState",
                                          NULL};
    *out = (struct service_look){0};
    look_at_linger(out);
    char *said = ask(reach, &out->problem);
    if (!said)
        return;
    free(said);
    out->can_ask = true;
    said = ask(service, &out->problem);
    if (said)
        look_at_service(said, out);
    free(said);
    said = ask(sockets, &out->problem);
    out->does_listen = said && value_is(said, "ActiveState", "active");
    free(said);
}

const struct service_manager service_systemd = {
    .name = "systemd",
    .list = list,
    .word = word,
    .line = line,
    .environment = environment,
    .look = look,
    .start = start,
    .enable_only = enable_only,
    .stop = stop,
    .after_removal = after_removal,
    .linger_note = "without lingering your systemd starts poold at login and ends it, with all "
                   "daemons, at the last logout",
    .linger_remedy = "loginctl enable-linger",
};
