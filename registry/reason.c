/* registry/reason.c - the words for why a daemon was started or went. See registry.h. */
#include "registry/registry.h"

#include <string.h>

static const char *const words[REASON_COUNT] = {
    [REASON_NONE] = "",
#define X(name, word) [REASON_##name] = word,
    REASON_LIST(X)
#undef X
};

const char *reason_word(enum reason r)
{
    return r < REASON_COUNT ? words[r] : "";
}

enum reason reason_from(const char *word)
{
    for (int i = REASON_NONE + 1; i < REASON_COUNT; i++)
        if (word && strcmp(words[i], word) == 0)
            return (enum reason)i;
    return REASON_NONE;
}
