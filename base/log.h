/* base/log.h - one line per event on stderr, as logfmt or with the same fields as a JSON object:
 *   time=... level=info mod=pool msg="daemon is ready" project=repo-... ms=1840
 *   {"time":"...","level":"info","mod":"pool","msg":"daemon is ready","project":"repo-...","ms":1840}
 * To the journal each line goes with its level in front (<3> error ... <7> debug: sd-daemon(3)).
 * Each file that logs defines LOG_MODULE before including this. Only the owner that decides what
 * to do about something logs it, once; libraries below pool/ do not log. Never a header, body or
 * secret. */
#pragma once
#include "base/err.h"

#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

/* Lines above this level are dropped. Default LOG_INFO. */
void log_set_level(enum log_level level);
/* "error", "warn", "info", "debug" -> level; false if it is none of them. */
bool log_level_from(const char *name, enum log_level *out) MUST_CHECK;

/* Default LOG_LOGFMT. */
void log_set_format(enum log_format format);
/* "logfmt", "json" -> format; false if it is none of them. */
bool log_format_from(const char *name, enum log_format *out) MUST_CHECK;
/* Is stderr the journal's stream (systemd.exec(5): JOURNAL_STREAM is its device and inode)? Then
 * each line begins with its level. Once, at the program's start. */
void log_find_journal(void);
/* If stderr appends to this very file: keep it below max_bytes. It is copied to PATH.1 and emptied
 * (never renamed: the holder and a later poold append to the same file). Checked now and whenever
 * that much was written. Again with another limit after a reload. */
void log_bound(const char *path, int64_t max_bytes);

/* fields is a printf format that gives "key=value key=value" (may be ""); quote values that may
 * hold blanks with log_quote. In JSON a value that the format prints as a number is a number, any
 * other one a text. */
void log_line(enum log_level level, const char *module, const char *msg, const char *fields, ...)
    PRINTF_LIKE(4, 5);
/* value as a logfmt value: as it is, or quoted with escapes. Borrowed; eight results live at once. */
const char *log_quote(const char *value);

#define log_error(...) log_line(LOG_ERROR, LOG_MODULE, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, LOG_MODULE, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, LOG_MODULE, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, LOG_MODULE, __VA_ARGS__)
