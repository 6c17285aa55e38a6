/* base/log.h - one logfmt line per event on stderr:
 *   time=... level=info mod=pool msg="daemon is ready" project=repo-... ms=1840
 * Each file that logs defines LOG_MODULE before including this. Only the owner that decides what
 * to do about something logs it, once; libraries below pool/ do not log. Never a header, body or
 * secret. */
#pragma once
#include "base/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Lines above this level are dropped. Default LOG_INFO. */
void log_set_level(enum log_level level);
/* "error", "warn", "info", "debug" -> level; false if it is none of them. */
bool log_level_from(const char *name, enum log_level *out) MUST_CHECK;

/* fields is a printf format that gives "key=value key=value" (may be ""); quote values that may
 * hold blanks with log_quote. */
void log_line(enum log_level level, const char *module, const char *msg, const char *fields, ...)
    PRINTF_LIKE(4, 5);
/* value as a logfmt value: as it is, or quoted with escapes. Borrowed; eight results live at once. */
const char *log_quote(const char *value);

#define log_error(...) log_line(LOG_ERROR, LOG_MODULE, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, LOG_MODULE, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, LOG_MODULE, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, LOG_MODULE, __VA_ARGS__)
