/* config/nearest.h - "did you mean": the known name that a mistyped one is close to. */
#pragma once
#include <stddef.h>

/* The nearest of count names, or NULL if none is close enough to be meant: at most a third of the
 * letters changed, swapped, missing or too many (case does not count), or else the first one that
 * begins with it. Borrowed from names. */
const char *nearest_name(const char *typed, const char *const *names, size_t count);
