/* cli/service.h - poold as a service of the user's own: the files that systemd or launchd wants,
 * the commands that make it read them, and how it is doing.
 *
 * The texts stand once, as templates with @placeholders@ in service_systemd.c and
 * service_launchd.c; etc/systemd/ and etc/launchd/ are printed from them (a test compares).
 * Both managers are there on every system, so that --print and the tests know both; which one is
 * this system's own is service_native (service_linux.c, service_darwin.c). */
#pragma once
#include "base/err.h"
#include "base/str.h"

#include <sys/types.h>

#define SERVICE_FILES_MAX 2
#define SERVICE_STEPS_MAX 3

/* What goes into the files. Borrowed; paths are absolute. */
struct service_places {
    const char *poold, *config_file, *state_dir, *run_dir;
    const char *listen;             /* HOST:PORT, no port 0 */
    const struct strv *environment; /* NAME=VALUE, PATH among them */
};

struct service_file {
    const char *name;    /* "poold.service"; static */
    const char *pattern; /* its template; static */
    const char *kept_as; /* the template's file in the repository; static */
    char *path, *text;   /* new; NULL before service_files */
    enum service_file_state { SERVICE_ABSENT, SERVICE_DIFFERS, SERVICE_CURRENT } state;
};

struct service_files {
    size_t count;
    struct service_file items[SERVICE_FILES_MAX];
};

/* What the manager says of it. Strings are new, NULL: not known. */
struct service_look {
    bool can_ask;  /* is there a manager to ask? */
    char *problem; /* why not, in its words */
    char *state;   /* "active (running)" */
    bool is_active, is_enabled, does_listen;
    pid_t pid;                         /* of poold under it, 0: none */
    bool is_linger_known, does_linger; /* does it outlive the last logout? */
};

struct service_manager {
    const char *name; /* "systemd" */
    /* The files with name, pattern, kept_as and path; text stays NULL. */
    bool (*list)(struct service_files *out, struct err *err);
    /* A value for a template, quoted as it wants. New string. */
    char *(*word)(const char *value);
    char *(*line)(const char *value); /* the same where the value is the whole line */
    /* The lines for @environment@. New string. */
    char *(*environment)(const struct strv *environment);
    void (*look)(struct service_look *out);
    /* Commands, each an argv: after the files were written, and before they are removed.
     * is_running: it runs one now, by older files. Returns how many. */
    size_t (*start)(const struct service_files *files, bool is_running, struct strv *out);
    size_t (*enable_only)(const struct service_files *files, struct strv *out);
    size_t (*stop)(const struct service_files *files, struct strv *out);
    size_t (*after_removal)(struct strv *out);
    const char *linger_note; /* what it means when it does not linger; NULL: nothing to say */
    const char *linger_remedy;
};

extern const struct service_manager service_systemd, service_launchd;
extern const struct service_manager *const service_native;

/* The manager of this name (NULL: this system's), or err USAGE. */
const struct service_manager *service_find(const char *name, struct err *err);
/* Fill out with path, text and state of each file; service_files_finish. */
bool service_files_make(const struct service_manager *m, const struct service_places *places,
                        struct service_files *out, struct err *err) MUST_CHECK;
void service_files_finish(struct service_files *files);
/* Are all there? Are all as they would be written now? */
bool service_is_installed(const struct service_files *files);
bool service_is_current(const struct service_files *files);
/* The value of a recorded variable or flag in an installed file of the manager, as it was written:
 * the text between before and the end of its line or tag. New string, or NULL. */
char *service_installed_path(const struct service_manager *m);
void service_look_finish(struct service_look *look);
/* A command as one would type it. New string. */
char *service_step_text(const struct strv *argv);
/* text with every @name@ that fill knows replaced; others stay. New string. */
typedef char *service_fill_fn(void *arg, const char *name);
char *service_fill(const char *text, service_fill_fn *fill, void *arg);
