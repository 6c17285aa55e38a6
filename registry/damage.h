/* registry/damage.h - is the file damaged, and putting it aside. Nothing is ever emptied. */
#pragma once
#include "base/err.h"

#include <sqlite3.h>

/* Does this SQLite result code mean that the file itself is broken? */
bool damage_is_code(int code);
/* Read every page of db: NULL if it is sound, or what is wrong (new string). *failed says that
 * it could not be read for a reason outside the file (locked, no memory). */
char *damage_find(sqlite3 *db, bool *failed);
/* A WAL whose database is missing or empty: SQLite would drop it without a word. */
bool damage_lost_its_main(const char *file);
/* Rename file, -wal, -shm and -journal to file.damaged-YYYYmmddTHHMMSS(-wal ...), UTC. New name
 * of the main file, or NULL and err REGISTRY. */
char *damage_put_aside(const char *file, struct err *err) MUST_CHECK;
