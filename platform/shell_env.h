/* platform/shell_env.h - what the user's own shell says about the environment: above all the PATH
 * that they have in a terminal, which poold does not have when a service manager started it.
 *
 * The login shell ($SHELL, else the passwd entry) is started once, in a session of its own, without
 * terminal or input, from a small fixed environment, so that the answer does not depend on who
 * started poold. Nothing here waits: the caller watches the fd and keeps the time.
 * Programs of the user's own profile run with their rights, as in every terminal they open. */
#pragma once
#include "base/err.h"
#include "base/str.h"

#include <sys/types.h>

#define SHELL_ENV_LIMIT_MS 5000           /* call finish after this long, done or not */
#define SHELL_ENV_OUTPUT_MAX (256 * 1024) /* bytes that a noisy profile may print */

struct shell_env; /* one question under way */

/* Ask for these variables (NULL-terminated; NULL: PATH only). New; shell_env_finish. False with the
 * reason if the shell cannot be started; ERR_USAGE for a name that is none. */
bool shell_env_start(const char *const *names, struct shell_env **out, struct err *err) MUST_CHECK;
/* To watch for reading; borrowed. */
int shell_env_fd(const struct shell_env *s);
/* The shell; finish waits for it, so a SIGCHLD handler that already has is fine too. */
pid_t shell_env_pid(const struct shell_env *s);
/* The program that is asked, for messages; borrowed. */
const char *shell_env_shell(const struct shell_env *s);

enum shell_env_state { SHELL_ENV_MORE, SHELL_ENV_DONE };
/* Take what the fd has. DONE: nothing more is needed or will come, call finish. */
enum shell_env_state shell_env_feed(struct shell_env *s);
/* End it and free s, at any time. Sets NAME=VALUE in out for every name that was answered and is
 * not empty; false with the reason if there is none. out NULL: never mind the answer. */
bool shell_env_finish(struct shell_env *s, struct strv *out, struct err *err) MUST_CHECK;

/* The entries of both PATHs in this order, each once; empty and relative ones (which mean the
 * current directory, whatever that is) are dropped. Either may be NULL. New. */
char *shell_env_join_paths(const char *first, const char *second);
/* The PATH to use when no shell answers: `own` (NULL: none), then ~/.local/bin and the system's
 * usual places. New. */
char *shell_env_fallback_path(const char *own);
