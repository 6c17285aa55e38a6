/* config/nearest.c - see nearest.h. */
#include "config/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define LETTERS_MAX 40

static bool same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein (optimal string alignment) of two short words. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t d[LETTERS_MAX + 1][LETTERS_MAX + 1];
    for (size_t i = 0; i <= n; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= n; i++)
        for (size_t j = 1; j <= m; j++) {
            size_t change = d[i - 1][j - 1] + !same(a[i - 1], b[j - 1]);
            d[i][j] = least(change, least(d[i - 1][j], d[i][j - 1]) + 1);
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[n][m];
}

/* Begins with what was typed, as when the unit was left out. */
static bool begins_with(const char *name, const char *typed)
{
    size_t n = 0;
    while (typed[n] && same(name[n], typed[n]))
        n++;
    return !typed[n] && n >= 4;
}

const char *nearest_name(const char *typed, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t n = strlen(typed), best_distance = n / 3 + 1;
    for (size_t i = 0; n <= LETTERS_MAX && i < count; i++) {
        size_t m = strlen(names[i]);
        if (m > LETTERS_MAX)
            continue;
        size_t d = distance(typed, n, names[i], m);
        if (d < best_distance) {
            best = names[i];
            best_distance = d;
        }
        if (!best && begins_with(names[i], typed))
            best = names[i];
    }
    return best;
}
