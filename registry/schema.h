/* registry/schema.h - the tables, as a numbered list of migrations kept in user_version.
 *
 * A released step is never edited: a change is a new step at the end. Every table explains itself
 * to a reader of `sqlite3 registry.db .schema`, so the comments stand inside the statements. */
#pragma once
#include "base/err.h"

#include <sqlite3.h>

/* The steps in force, each a NULL-terminated list of statements; *count of them is the newest
 * version. Borrowed, static. */
const char *const *const *schema_steps(int *count);
/* The file's version; false with the SQLite error left in db. */
bool schema_read_version(sqlite3 *db, int *version) MUST_CHECK;
/* Is this a file of ours, or an empty one? Err REGISTRY if it is of another program, or of a
 * version newer than count (naming both). file is for the words only. */
bool schema_is_ours(sqlite3 *db, const char *file, int count, struct err *err) MUST_CHECK;
/* Bring db from its version to count, all steps in one transaction: all or nothing. *code is
 * SQLite's result. */
bool schema_migrate(sqlite3 *db, const char *const *const *steps, int count, int *code,
                    struct err *err) MUST_CHECK;
