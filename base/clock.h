/* base/clock.h - time in milliseconds. Monotonic for deadlines, unix for what people see. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Milliseconds of a clock that never jumps and counts while suspended where the system can. */
int64_t clock_ms(void);
/* The same clock in microseconds, for what is measured. */
int64_t clock_us(void);
/* Milliseconds since 1970 UTC. */
int64_t clock_unix_ms(void);

#define CLOCK_TEXT_SIZE 32
/* RFC 3339 UTC with milliseconds ("2026-01-31T12:00:00.000Z") into out (CLOCK_TEXT_SIZE bytes);
 * returns out. */
const char *clock_text(int64_t unix_ms, char *out);
