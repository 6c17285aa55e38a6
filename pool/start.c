/* pool/start.c - see start.h. */
#include "pool/start.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "platform/dirs.h"
#include "platform/net.h"
#include "pool/environ.h"
#include "pool/records.h"
#include "pool/serena.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LOG_MODULE "pool"

void start_spec_finish(struct start_spec *spec)
{
    strv_finish(&spec->argv);
    strv_finish(&spec->env);
    free(spec->cwd);
    *spec = (struct start_spec){0};
}

/* --- what is started --- */

static bool mentions(const struct strv *texts, const char *word)
{
    for (size_t i = 0; i < texts->count; i++)
        if (strstr(texts->items[i], word))
            return true;
    return false;
}

/* Does its command refer to the Serena that we prepare? */
static bool uses_serena(const struct config_server *server)
{
    static const char word[] = "${POOLD_SERENA";
    return (server->command && strstr(server->command, word)) || mentions(&server->args, word) ||
           mentions(&server->env, word);
}

void start_definition(const struct slot *s, char out[20])
{
    const struct config_server *server = slot_server(s);
    out[0] = '\0';
    if (!server)
        return;
    uint8_t hash[DIGEST_SIZE];
    char text[64];
    bool is_trusted = s->d.project->is_trusted && uses_serena(server);
    char *all = xasprintf("%s %s", server->definition, is_trusted ? "trusted" : "-");
    digest_sha256(all, strlen(all), hash);
    digest_base32(hash, DIGEST_SIZE, text);
    snprintf(out, 20, "%.16s", text);
    free(all);
}

/* --- ports --- */

static bool is_port_used(const struct pool *p, int port)
{
    list_each(node, after, &p->slots)
    {
        const struct slot *s = container_of(node, struct slot, in_pool);
        if (s->is_alive && s->d.port == port)
            return true;
    }
    return false;
}

static bool may_use(const struct slot *s, int64_t port)
{
    const struct setting_range *range = &s->d.pool->config->settings.ports;
    return port >= range->first && port <= range->last && port != s->avoid_port &&
           !is_port_used(s->d.pool, (int)port) && net_port_is_free((int)port);
}

/* Is the port leased to somebody else? */
static bool is_leased_away(const struct slot *s, int64_t port)
{
    char *key = NULL, *server = NULL;
    bool away = registry_lease_holder(s->d.pool->registry, port, &key, &server) &&
                (strcmp(key, s->d.project->key) != 0 || strcmp(server, s->d.server) != 0);
    free(key);
    free(server);
    return away;
}

static void lease_put(const struct slot *s, int64_t port)
{
    struct registry *r = s->d.pool->registry;
    struct err err = {0};
    if (is_leased_away(s, port))
        registry_lease_drop(r, port, &err);
    if (!registry_lease_put(r, port, s->d.project->key, s->d.server, &err))
        records_lost(s->d.pool, "port lease", &err);
}

/* Its leased port where that is free; else one that nobody has a lease of; else one whose holder
 * does not run. The search begins where the project's key says, so that a port stays even after a
 * loss of the registry. */
static bool lease_port(struct slot *s, struct err *err)
{
    struct pool *p = s->d.pool;
    const struct setting_range *range = &p->config->settings.ports;
    int64_t port = registry_lease_of(p->registry, s->d.project->key, s->d.server);
    if (s->d.instance == 0 && port && may_use(s, port)) {
        s->d.port = (int)port;
        return true;
    }
    uint8_t hash[DIGEST_SIZE];
    char *name = xasprintf("%s %s", s->d.project->key, s->d.server);
    digest_sha256(name, strlen(name), hash);
    free(name);
    int64_t count = range->last - range->first + 1;
    int64_t offset = (hash[0] << 16 | hash[1] << 8 | hash[2]) % count;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < count; i++) {
            port = range->first + (offset + i) % count;
            if (!may_use(s, port) ||
                (pass == 0 && (is_leased_away(s, port) || !net_port_is_free_to_all((int)port))))
                continue;
            if (s->d.instance == 0) /* the others' places change with their sessions */
                lease_put(s, port);
            s->d.port = (int)port;
            return true;
        }
    return err_set(err, ERR_START_FAILED, 0,
                   "no port of %lld-%lld is free: widen portRange in the configuration",
                   (long long)range->first, (long long)range->last);
}

void start_adopt_lease(struct slot *s)
{
    if (s->d.port && s->d.instance == 0)
        lease_put(s, s->d.port);
}

void start_save_project(struct slot *s)
{
    struct project *project = s->d.project;
    struct err err = {0};
    project->last_unix_ms = clock_unix_ms();
    const struct project_row row = records_project(project);
    if (!registry_project_put(s->d.pool->registry, &row, &err))
        records_lost(s->d.pool, "project", &err);
}

/* --- the command --- */

/* Where Serena's home would be, without making it. */
static bool serena_words(const struct slot *s, bool is_real, struct strv *out, struct err *err)
{
    const struct pool_places *places = &s->d.pool->places;
    const struct project *project = s->d.project;
    if (is_real)
        return serena_vars(places->state_dir, project->root, project->key, project->is_trusted, out,
                           err);
    struct serena_install install = {0};
    if (!serena_find(&install, err))
        return false;
    char *home = xasprintf("%s/serena/%s", places->state_dir, project->key);
    strv_env_set(out, "POOLD_SERENA", install.command);
    strv_env_set(out, "POOLD_SERENA_HOME", home);
    free(home);
    serena_install_finish(&install);
    return true;
}

static bool add_expanded(struct strv *to, const char *text, const struct strv *words,
                         struct err *err)
{
    char *value = config_expand(text, words, err);
    if (!value)
        return false;
    strv_add_take(to, value);
    return true;
}

/* The entry's env on top of env; what it says may be referred to by its command. */
static bool add_env(const struct config_server *server, struct strv *words, struct strv *env,
                    struct err *err)
{
    for (size_t i = 0; i < server->env.count; i++) {
        const char *entry = server->env.items[i];
        const char *equals = strchr(entry, '=');
        if (!equals)
            continue;
        char *value = config_expand(equals + 1, words, err);
        if (!value)
            return false;
        char *name = xstrndup(entry, (size_t)(equals - entry));
        strv_env_set(env, name, value);
        strv_env_set(words, name, value);
        free(name);
        free(value);
    }
    return true;
}

static bool build(const struct slot *s, const struct config_server *server, int port, bool is_real,
                  struct start_spec *out, struct err *err)
{
    const struct daemon *d = &s->d;
    struct start_spec spec = {0};
    struct strv words = {0};
    char port_text[16] = "";
    if (port)
        snprintf(port_text, sizeof port_text, "%d", port);
    environ_base(d->pool->shell_path, &spec.env);
    environ_words(&spec.env, &words);
    const char *const own[][2] = {{"POOLD_PROJECT", d->project->root},
                                  {"POOLD_PROJECT_KEY", d->project->key},
                                  {"POOLD_SERVER", d->server},
                                  {"POOLD_PORT", port_text}};
    size_t own_count = sizeof own / sizeof *own - (port ? 0 : 1);
    for (size_t i = 0; i < own_count; i++)
        strv_env_set(&words, own[i][0], own[i][1]);
    if (server->transport == CONFIG_STDIO) { /* as Claude Code gives it to the servers it starts */
        strv_env_set(&words, "CLAUDE_PROJECT_DIR", d->project->root);
        strv_env_set(&spec.env, "CLAUDE_PROJECT_DIR", d->project->root);
    }
    strv_env_set(&words, "POOLD_STATE_DIR", d->pool->places.state_dir);
    bool ok = (!uses_serena(server) || serena_words(s, is_real, &words, err)) &&
              add_env(server, &words, &spec.env, err) &&
              add_expanded(&spec.argv, server->command, &words, err);
    for (size_t i = 0; ok && i < server->args.count; i++)
        ok = add_expanded(&spec.argv, server->args.items[i], &words, err);
    if (ok)
        spec.cwd =
            server->cwd ? config_expand(server->cwd, &words, err) : xstrdup(d->project->root);
    for (size_t i = 0; i < own_count; i++)
        strv_env_set(&spec.env, own[i][0], own[i][1]);
    strv_finish(&words);
    if (!ok || !spec.cwd) {
        start_spec_finish(&spec);
        return false;
    }
    *out = spec;
    return true;
}

static bool check(const struct slot *s, const struct config_server **server, struct err *err)
{
    const struct daemon *d = &s->d;
    struct stat st;
    *server = pool_server(d->pool, d->project, d->server, err);
    if (!*server)
        return false;
    if ((*server)->is_remote || !(*server)->command)
        return err_set(err, ERR_START_FAILED, 0,
                       "server %s is a remote one (url): clients reach it without poold",
                       d->server);
    if (stat(d->project->root, &st) != 0 || !S_ISDIR(st.st_mode))
        return err_set(err, ERR_START_FAILED, 0,
                       "the project directory %s is gone; `poolctl forget` drops it",
                       d->project->root);
    return true;
}

bool start_prepare(struct slot *s, struct start_spec *out, struct err *err)
{
    const struct config_server *server;
    if (!check(s, &server, err))
        return false;
    s->d.transport = (enum transport)server->transport;
    s->d.is_private = s->d.instance > 0 || server->share == CONFIG_SHARE_SESSION;
    start_definition(s, s->d.definition);
    char *logs = str_path(s->d.pool->places.state_dir, "logs");
    bool is_stdio = s->d.transport == TRANSPORT_STDIO;
    if (is_stdio)
        s->d.port = 0;
    bool ok = dirs_make(logs, true, err) && (is_stdio || lease_port(s, err)) &&
              build(s, server, s->d.port, true, out, err);
    free(logs);
    return ok;
}

bool start_describe(const struct slot *s, struct start_spec *out, struct err *err)
{
    const struct config_server *server;
    if (!check(s, &server, err))
        return false;
    int64_t port = s->d.port;
    if (server->transport == CONFIG_STDIO)
        return build(s, server, 0, false, out, err);
    if (!port)
        port = registry_lease_of(s->d.pool->registry, s->d.project->key, s->d.server);
    if (!port)
        port = s->d.pool->config->settings.ports.first;
    return build(s, server, (int)port, false, out, err);
}

const char *daemon_definition_now(const struct daemon *d)
{
    static char definition[20];
    start_definition(slot_of_const(d), definition);
    return definition;
}

bool daemon_describe(struct daemon *d, struct strv *argv, struct strv *env, char **cwd,
                     struct err *err)
{
    struct start_spec spec = {0};
    if (!start_describe(slot_of(d), &spec, err))
        return false;
    *argv = spec.argv;
    *env = spec.env;
    *cwd = spec.cwd;
    return true;
}
