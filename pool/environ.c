/* pool/environ.c - see environ.h. */
#include "pool/environ.h"

#include <pwd.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static const char *const names[] = {
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_DATA_DIRS",
    "XDG_CONFIG_DIRS",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
};

static void default_to(struct strv *out, const char *name, const char *value)
{
    if (value && *value && !strv_env_get(out, name))
        strv_env_set(out, name, value);
}

void environ_base(const char *shell_path, struct strv *out)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value)
            strv_env_set(out, names[i], value);
    }
    for (char **at = environ; at && *at; at++)
        if (str_starts(*at, "LC_") && strchr(*at, '='))
            strv_add(out, *at);
    const struct passwd *user = getpwuid(getuid());
    if (user) {
        default_to(out, "HOME", user->pw_dir);
        default_to(out, "USER", user->pw_name);
        default_to(out, "LOGNAME", user->pw_name);
        default_to(out, "SHELL", user->pw_shell);
    }
    const char *own = getenv("PATH");
    strv_env_set(out, "PATH",
                 shell_path    ? shell_path
                 : own && *own ? own
                               : "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin");
}

void environ_words(const struct strv *over, struct strv *out)
{
    for (char **at = environ; at && *at; at++)
        strv_add(out, *at);
    for (size_t i = 0; i < over->count; i++) {
        char *name = xstrdup(over->items[i]);
        char *value = strchr(name, '=');
        if (value) {
            *value++ = '\0';
            strv_env_set(out, name, value);
        }
        free(name);
    }
}
