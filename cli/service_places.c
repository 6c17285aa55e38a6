/* cli/service_places.c - see service_places.h. */
#include "cli/service_places.h"

#include "platform/self.h"
#include "platform/shell_env.h"

#include <string.h>
#include <unistd.h>

#define DEFAULT_LISTEN "127.0.0.1:7337"

/* Variables besides PATH that decide where poold and its daemons look, recorded if they are set. */
static const char *const recorded[] = {"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME",
                                       "XDG_CACHE_HOME", "POOLD_SERENA_DIR"};

/* Entries that mean the current directory are no use to a service. */
static void record(struct strv *out)
{
    char *path = shell_env_join_paths(getenv("PATH"), NULL);
    strv_env_set(out, "PATH", *path ? path : "/usr/local/bin:/usr/bin:/bin");
    free(path);
    for (size_t i = 0; i < sizeof recorded / sizeof *recorded; i++) {
        const char *value = getenv(recorded[i]);
        if (value && value[0] == '/')
            strv_env_set(out, recorded[i], value);
    }
}

static bool find_listen(const struct cli *cli, char **out, struct err *err)
{
    const char *given = cli_text(cli, "listen"), *env = getenv("POOLD_LISTEN");
    const char *listen = given && *given ? given : env && *env ? env : DEFAULT_LISTEN;
    const char *colon = strrchr(listen, ':');
    int64_t port;
    if (!colon || colon == listen || !str_to_int(colon + 1, 0, 65535, &port))
        return err_set(err, ERR_USAGE, 0, "\"%s\" is not HOST:PORT", listen);
    if (port == 0)
        return err_set(err, ERR_USAGE, 0,
                       "a service needs a fixed port: clients have it in their configuration");
    *out = xstrdup(listen);
    return true;
}

bool service_places_find(struct cli *cli, struct service_places_kept *out, struct err *err)
{
    const struct dirs *dirs;
    char *poold = self_sibling("poold"), *listen = NULL;
    bool ok = cli_dirs(cli, &dirs, err);
    if (ok && (!poold || access(poold, X_OK)))
        ok = err_set(err, ERR_NOT_FOUND, 0, "poold is not beside poolctl, where it belongs (%s)",
                     poold ? poold : "its place cannot be told");
    if (!ok || !find_listen(cli, &listen, err)) {
        free(poold);
        return false;
    }
    *out = (struct service_places_kept){.dirs = dirs, .poold = poold, .listen = listen};
    record(&out->environment);
    out->places = (struct service_places){.poold = poold,
                                          .config_file = dirs->config_file,
                                          .state_dir = dirs->state_dir,
                                          .run_dir = dirs->run_dir,
                                          .listen = listen,
                                          .environment = &out->environment};
    return true;
}

void service_places_finish(struct service_places_kept *kept)
{
    free(kept->poold);
    free(kept->listen);
    strv_finish(&kept->environment);
}
