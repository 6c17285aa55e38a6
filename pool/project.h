/* pool/project.h - from any path to the project it belongs to.
 *
 * A project is a canonical root directory: the nearest ancestor that is already known or has a
 * marker (.git, ...), looked for strictly below the home directory when the path is inside it.
 * Neither / nor home is a project. Pure but for looking at the file system. */
#pragma once
#include "base/err.h"

#define PROJECT_KEY_SIZE 80 /* slug (<= 40) + '-' + 10 + NUL, rounded up */

/* Is this canonical root already known? */
typedef bool project_known_fn(void *arg, const char *root);

/* The root for path (a directory, or a file in one; symbolic links are resolved). markers is the
 * projectMarkers setting ("a,b,c"). *how says what decided: "known" or "marker:.git" (static or in
 * out's lifetime). Err NO_PROJECT says where was looked and the ways to name one. New *root. */
bool project_find_root(const char *path, const char *markers, project_known_fn *is_known, void *arg,
                       char **root, char how[64], struct err *err) MUST_CHECK;
/* The path as a root of its own (ensure DIR names a project even without a marker, but not / or
 * home). New *root. */
bool project_canonical(const char *path, char **root, struct err *err) MUST_CHECK;
/* basename slug + '-' + 10 base-32 characters of SHA-256(root): the same on every machine. */
void project_key(const char *root, char out[PROJECT_KEY_SIZE]);
