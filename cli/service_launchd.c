/* cli/service_launchd.c - poold as a launchd agent of the user: launchd holds the sockets. Facts:
 * launchd.plist(5), launchctl(1). Written by the manual; nobody has run it on a Mac yet. */
#include "cli/service.h"
#include "cli/tool.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ASK_MS 10000
#define LABEL "local.poold"

static const char pattern[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
    "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
    "<!-- Written by `poolctl service install`, which writes it anew. -->\n"
    "<plist version=\"1.0\">\n"
    "<dict>\n"
    "    <key>Label</key><string>" LABEL "</string>\n"
    "    <key>ProgramArguments</key>\n"
    "    <array>\n"
    "        <string>@poold@</string>\n"
    "        <string>--config</string><string>@config@</string>\n"
    "        <string>--state-dir</string><string>@stateDir@</string>\n"
    "        <string>--run-dir</string><string>@runDir@</string>\n"
    "        <string>--listen</string><string>@listen@</string>\n"
    "    </array>\n"
    "    <key>EnvironmentVariables</key>\n"
    "    <dict>\n"
    "@environment@"
    "    </dict>\n"
    "    <!-- launchd holds the sockets: no connection is refused while poold restarts. -->\n"
    "    <key>Sockets</key>\n"
    "    <dict>\n"
    "        <key>front</key>\n"
    "        <dict>\n"
    "            <key>SockNodeName</key><string>@host@</string>\n"
    "            <key>SockServiceName</key><string>@port@</string>\n"
    "            <key>SockType</key><string>stream</string>\n"
    "        </dict>\n"
    "        <key>api</key>\n"
    "        <dict>\n"
    "            <key>SockPathName</key><string>@apiSocket@</string>\n"
    "            <!-- 0600 -->\n"
    "            <key>SockPathMode</key><integer>384</integer>\n"
    "        </dict>\n"
    "        <key>mcp</key>\n"
    "        <dict>\n"
    "            <key>SockPathName</key><string>@mcpSocket@</string>\n"
    "            <!-- 0600 -->\n"
    "            <key>SockPathMode</key><integer>384</integer>\n"
    "        </dict>\n"
    "    </dict>\n"
    "    <!-- From login on; again after an unclean end. SIGTERM is a clean one. -->\n"
    "    <key>RunAtLoad</key><true/>\n"
    "    <key>KeepAlive</key>\n"
    "    <dict>\n"
    "        <key>SuccessfulExit</key><false/>\n"
    "    </dict>\n"
    "    <key>ThrottleInterval</key><integer>1</integer>\n"
    "    <!-- Keepers and daemons outlive poold. -->\n"
    "    <key>AbandonProcessGroup</key><true/>\n"
    "    <!-- People wait for what the daemons do. -->\n"
    "    <key>ProcessType</key><string>Interactive</string>\n"
    "    <key>SoftResourceLimits</key>\n"
    "    <dict>\n"
    "        <key>NumberOfFiles</key><integer>8192</integer>\n"
    "    </dict>\n"
    "    <key>WorkingDirectory</key><string>/</string>\n"
    "    <key>StandardErrorPath</key><string>@log@</string>\n"
    "</dict>\n"
    "</plist>\n";

static bool list(struct service_files *out, struct err *err)
{
    const char *home = getenv("HOME");
    if (!home || home[0] != '/')
        return err_set(err, ERR_USAGE, 0,
                       "unable to find the place for launch agents: HOME is not set");
    *out =
        (struct service_files){.count = 1,
                               .items = {{LABEL ".plist", pattern, "etc/launchd/" LABEL ".plist.in",
                                          NULL, NULL, SERVICE_ABSENT}}};
    out->items[0].path = str_path(home, "Library/LaunchAgents/" LABEL ".plist");
    return true;
}

/* As XML text; control characters have no way to be said in it. */
static char *word(const char *value)
{
    char *out = xmalloc(strlen(value) * 5 + 1), *to = out;
    for (; *value; value++) {
        const char *entity = *value == '&'   ? "&amp;"
                             : *value == '<' ? "&lt;"
                             : *value == '>' ? "&gt;"
                                             : NULL;
        if (entity)
            to = (char *)memcpy(to, entity, strlen(entity)) + strlen(entity);
        else
            *to++ = (unsigned char)*value < 0x20 ? '?' : *value;
    }
    *to = '\0';
    return out;
}

static char *environment(const struct strv *variables)
{
    char *lines = xstrdup("");
    for (size_t i = 0; i < variables->count; i++) {
        const char *item = variables->items[i];
        char *name = xstrndup(item, strcspn(item, "="));
        char *value = word(strchr(item, '=') ? strchr(item, '=') + 1 : "");
        char *more = xasprintf("%s        <key>%s</key><string>%s</string>\n", lines, name, value);
        free(name);
        free(value);
        free(lines);
        lines = more;
    }
    return lines;
}

/* --- commands --- */

static char *domain(void)
{
    return xasprintf("gui/%lu", (unsigned long)getuid());
}

static void add_launchctl(struct strv *out, const char *verb, char *target, const char *file)
{
    *out = (struct strv){0};
    strv_add(out, "launchctl");
    strv_add(out, verb);
    strv_add_take(out, target);
    if (file)
        strv_add(out, file);
}

static char *job(void)
{
    return xasprintf("gui/%lu/" LABEL, (unsigned long)getuid());
}

static size_t start(const struct service_files *files, bool is_running, struct strv *out)
{
    size_t n = 0;
    if (is_running && files->items[0].state == SERVICE_CURRENT)
        return 0;
    if (is_running)
        add_launchctl(&out[n++], "bootout", job(), NULL);
    add_launchctl(&out[n++], "bootstrap", domain(), files->items[0].path);
    return n;
}

/* What lies in LaunchAgents is loaded at the next login. */
static size_t enable_only(const struct service_files *files, struct strv *out)
{
    (void)files;
    add_launchctl(&out[0], "enable", job(), NULL);
    return 1;
}

static size_t stop(const struct service_files *files, struct strv *out)
{
    (void)files;
    add_launchctl(&out[0], "bootout", job(), NULL);
    return 1;
}

static size_t after_removal(struct strv *out)
{
    (void)out;
    return 0;
}

/* --- looking --- */

static char *ask(const char *verb, char *target, int *status, char **problem)
{
    struct strv argv;
    struct err err = {0};
    char *said = NULL;
    add_launchctl(&argv, verb, target, NULL);
    if (!tool_run(argv.items, ASK_MS, &said, status, &err))
        *problem = xstrdup(err_text(&err));
    strv_finish(&argv);
    return said;
}

/* The word behind "name = " in launchctl print's lines. New string, "" if missing. */
static char *value_of(const char *text, const char *name)
{
    char *mark = xasprintf("\t%s = ", name);
    const char *at = strstr(text, mark);
    char *value = at ? xstrndup(at + strlen(mark), strcspn(at + strlen(mark), "\n")) : xstrdup("");
    free(mark);
    return value;
}

static void look(struct service_look *out)
{
    *out = (struct service_look){0};
    int status = 0;
    char *said = ask("print", domain(), &status, &out->problem);
    out->can_ask = said && status == 0;
    if (said && status != 0)
        out->problem = xstrndup(said, strcspn(said, "\n"));
    free(said);
    if (!out->can_ask)
        return;
    said = ask("print", job(), &status, &out->problem);
    if (said && status == 0) {
        int64_t number;
        char *pid = value_of(said, "pid");
        out->state = value_of(said, "state");
        out->is_active = strcmp(out->state, "running") == 0;
        out->is_enabled = out->does_listen = true; /* loaded: launchd has the sockets */
        if (str_to_int(pid, 1, INT32_MAX, &number))
            out->pid = (pid_t)number;
        free(pid);
    } else {
        out->state = xstrdup("not loaded");
    }
    free(said);
}

const struct service_manager service_launchd = {
    .name = "launchd",
    .list = list,
    .word = word,
    .line = word,
    .environment = environment,
    .look = look,
    .start = start,
    .enable_only = enable_only,
    .stop = stop,
    .after_removal = after_removal,
    .linger_note = NULL,
    .linger_remedy = NULL,
};
