/* keeper/signals.h - signals as something to poll for. One set per process. */
#pragma once
#include "base/err.h"

/* Catch these (a list ending in 0); the fd becomes readable when one has come. */
bool signals_catch(const int *numbers, int *fd, struct err *err) MUST_CHECK;
/* Ignore these (a list ending in 0). */
void signals_ignore(const int *numbers);
/* Has this signal come since it was last asked? */
bool signals_take(int number);
/* Make the fd quiet again; call before signals_take. */
void signals_drain(void);
