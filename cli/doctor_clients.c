/* cli/doctor_clients.c - doctor's look into the configuration of clients: does anything point at
 * our front, or at where it is not? Files are only read. */
#include "cli/doctor.h"
#include "cli/say.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_CAP (64 * 1024 * 1024)

struct client {
    const char *name, *file; /* below the home directory */
    bool is_toml;
    /* How it is told: %s is the URL, %2$s the entry's name. */
    const char *add, *change;
};

static const struct client clients[] = {
    {"Claude Code", ".claude.json", false, "claude mcp add --transport http --scope user %2$s %1$s",
     "claude mcp remove %2$s; claude mcp add --transport http --scope user %2$s %1$s"},
    {"Codex", ".codex/config.toml", true, "codex mcp add %2$s --url %1$s",
     "codex mcp remove %2$s; codex mcp add %2$s --url %1$s"},
    {"Cursor", ".cursor/mcp.json", false,
     "${EDITOR:-vi} ~/.cursor/mcp.json   (\"%2$s\": {\"url\": \"%1$s\"})",
     "${EDITOR:-vi} ~/.cursor/mcp.json   (\"%2$s\": {\"url\": \"%1$s\"})"}};

struct looking { /* at one client's file */
    struct doctor *d;
    const struct client *client;
    size_t right, wrong;
};

/* "http://127.0.0.1:7337/mcp" -> its port and path; false if it is not on this machine. */
static bool split(const char *url, int *port, const char **path)
{
    static const char *const hosts[] = {"http://127.0.0.1:", "http://localhost:", "http://[::1]:"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        if (!str_starts(url, hosts[i]))
            continue;
        const char *at = url + strlen(hosts[i]);
        char *digits = xstrndup(at, strcspn(at, "/?#"));
        int64_t number;
        bool ok = str_to_int(digits, 1, 65535, &number);
        *path = at + strlen(digits);
        *port = ok ? (int)number : 0;
        free(digits);
        return ok;
    }
    return false;
}

/* Does an entry that points elsewhere mean us? By its name or by paths that only poold has. */
static bool means_poold(const char *name, const char *path)
{
    return strstr(name, "poold") || str_starts(path, "/p/") || strstr(path, "/s/");
}

static bool is_daemon_port(const struct doctor *d, int port)
{
    const struct setting_range *range = d->config ? &d->config->settings.ports : NULL;
    return range && port >= range->first && port <= range->last;
}

static char *front_url(const struct doctor *d, const char *path)
{
    return xasprintf("http://%s%s", d->listen, *path ? path : "/mcp");
}

/* The client's command for this URL and name, as a shell takes it. New string. */
static char *command_of(const char *pattern, const char *url, const char *name)
{
    char *out = xstrdup("");
    char *u = say_quoted(url), *n = say_quoted(name);
    for (const char *at = pattern; *at;) {
        size_t plain = strcspn(at, "%");
        const char *value = at[plain] ? (at[plain + 1] == '1' ? u : n) : "";
        char *more = xasprintf("%s%.*s%s", out, (int)plain, at, value);
        free(out);
        out = more;
        at += plain + (at[plain] ? strlen("%1$s") : 0);
    }
    free(u);
    free(n);
    return out;
}

static void judge(struct looking *l, const char *name, const char *url)
{
    struct doctor *d = l->d;
    const char *path;
    int port;
    if (!split(url, &port, &path))
        return;
    if (port == d->port) {
        l->right++;
        return;
    }
    bool is_direct = is_daemon_port(d, port);
    if (!is_direct && !means_poold(name, path))
        return;
    l->wrong++;
    char *right = front_url(d, is_direct || !str_starts(path, "/") ? "/mcp" : path);
    doctor_add(d, "clients", is_direct ? DOCTOR_WARNING : DOCTOR_PROBLEM,
               is_direct
                   ? xasprintf("%s: \"%s\" points at a daemon itself (%s), which goes when it is "
                               "idle",
                               l->client->name, name, url)
                   : xasprintf("%s: \"%s\" points at port %d, but poold is at %s", l->client->name,
                               name, port, d->listen),
               command_of(l->client->change, right, name));
    free(right);
}

/* --- files --- */

static void look_at_servers(struct looking *l, json_t *servers)
{
    const char *name;
    json_t *entry;
    if (!json_is_object(servers))
        return;
    json_object_foreach(servers, name, entry)
    {
        const char *url = json_string_value(json_object_get(entry, "url"));
        if (url)
            judge(l, name, url);
    }
}

static bool look_at_json(struct looking *l, const char *text, char **why)
{
    json_error_t error;
    const char *path;
    json_t *all = json_loads(text, 0, &error), *one;
    if (!all) {
        *why = xasprintf("line %d: %s", error.line, error.text);
        return false;
    }
    look_at_servers(l, json_object_get(all, "mcpServers"));
    json_t *projects = json_object_get(all, "projects"); /* Claude Code's local scope */
    if (json_is_object(projects))
        json_object_foreach(projects, path, one)
            look_at_servers(l, json_object_get(one, "mcpServers"));
    json_decref(all);
    return true;
}

/* The text between the first two quotes of the line, or NULL. New string. */
static char *quoted_in(const char *line)
{
    const char *from = strpbrk(line, "\"'");
    const char *to = from ? strchr(from + 1, *from) : NULL;
    return to ? xstrndup(from + 1, (size_t)(to - from - 1)) : NULL;
}

/* [mcp_servers.NAME] ... url = "..." : all of TOML that is needed here. */
static void look_at_toml(struct looking *l, const char *text)
{
    static const char table[] = "[mcp_servers.";
    char *name = NULL;
    while (*text) {
        size_t n = strcspn(text, "\n");
        char *whole = xstrndup(text, n), *line = whole + strspn(whole, " \t");
        if (line[0] == '[') {
            free(name);
            name = NULL;
            if (str_starts(line, table)) {
                const char *at = line + strlen(table);
                name = *at == '"' ? quoted_in(at) : xstrndup(at, strcspn(at, ".]"));
            }
        } else if (name && str_starts(line, "url") && strchr(" \t=", line[3])) {
            char *url = quoted_in(line);
            if (url)
                judge(l, name, url);
            free(url);
        }
        free(whole);
        text += n + (text[n] == '\n');
    }
    free(name);
}

/* True if the client is there at all. */
static bool check_client(struct doctor *d, const struct client *c)
{
    const char *home = getenv("HOME");
    char *file = str_path(home ? home : "/", c->file), *text = NULL, *why = NULL;
    struct err err = {0};
    struct looking l = {.d = d, .client = c};
    if (!dirs_read_file(file, FILE_CAP, &text, NULL, &err)) {
        bool is_there = err.code != ERR_NOT_FOUND;
        if (is_there)
            doctor_add(d, "clients", DOCTOR_WARNING, xasprintf("%s: %s", c->name, err_text(&err)),
                       NULL);
        free(file);
        return is_there;
    }
    bool ok = true;
    if (c->is_toml)
        look_at_toml(&l, text);
    else
        ok = look_at_json(&l, text, &why);
    char *shown = say_path(file), *url = front_url(d, "");
    if (!ok)
        doctor_add(d, "clients", DOCTOR_WARNING,
                   xasprintf("%s: %s cannot be read: %s", c->name, shown, why), NULL);
    else if (l.right)
        doctor_add(d, "clients", DOCTOR_OK, xasprintf("%s points at poold", c->name), NULL);
    else if (!l.wrong)
        doctor_add(d, "clients", DOCTOR_WARNING,
                   xasprintf("%s does not know poold (%s)", c->name, shown),
                   command_of(c->add, url, "poold"));
    free(shown);
    free(url);
    free(why);
    free(text);
    free(file);
    return true;
}

void doctor_clients(struct doctor *d)
{
    bool is_any = false;
    for (size_t i = 0; i < sizeof clients / sizeof *clients; i++)
        is_any = check_client(d, &clients[i]) || is_any;
    if (!is_any)
        doctor_add(d, "clients", DOCTOR_NOT_APPLICABLE,
                   xasprintf("no configuration of Claude Code, Codex or Cursor in the home "
                             "directory; the URL for any client is http://%s/mcp",
                             d->listen),
                   NULL);
}
