/* platform/dirs.h - where poold's places are by default: XDG on Linux, Library on macOS; and small
 * files read and written whole.
 *
 * Errors: ERR_USAGE for places that cannot be told, ERR_DENIED for a directory of somebody else's,
 * ERR_NOT_FOUND, ERR_TOO_BIG, ERR_SYSTEM for the rest (err->sys is the errno). */
#pragma once
#include "base/err.h"

#include <stddef.h>

struct dirs {          /* all new strings; dirs_finish */
    char *config_file; /* $XDG_CONFIG_HOME/poold/poold.conf */
    char *state_dir;   /* $XDG_STATE_HOME/poold: registry.db, logs/, key, serena/ */
    char *
        run_dir; /* $XDG_RUNTIME_DIR/poold, else state_dir/run: poold.pid, port, *.sock, keepers/ */
    char *data_dir; /* $XDG_DATA_HOME/poold: installed servers */
};
/* Flags win over POOLD_CONFIG, POOLD_STATE_DIR, POOLD_RUN_DIR, which win over the defaults; NULL
 * flag = not given, and so is an empty one. Relative paths are made absolute, relative XDG
 * variables ignored (as their specification says), and so is an XDG_RUNTIME_DIR that is not ours
 * (su and sudo leave such). Fails when HOME is needed and unset. */
bool dirs_find(const char *config, const char *state, const char *run, struct dirs *out,
               struct err *err) MUST_CHECK;
void dirs_finish(struct dirs *d);
/* mkdir -p (0700); an existing directory must be ours and is made private (0700) if `is_private`.
 */
bool dirs_make(const char *path, bool is_private, struct err *err) MUST_CHECK;
/* Write a small file whole: temporary file, fsync, rename. mode as in open(2). A symbolic link
 * stays one: the file behind it is replaced. */
bool dirs_write_file(const char *path, const void *bytes, size_t n, int mode,
                     struct err *err) MUST_CHECK;
/* Read a file whole into a new terminated string; over cap bytes is TOO_BIG; a missing file is
 * NOT_FOUND. n may be NULL. */
bool dirs_read_file(const char *path, size_t cap, char **out, size_t *n,
                    struct err *err) MUST_CHECK;

/* Fill the members that are still NULL with the system's defaults, for the files of this system
 * only (dirs_linux.c, dirs_darwin.c). On failure what was filled stays. */
bool dirs_defaults(struct dirs *d, struct err *err) MUST_CHECK;
