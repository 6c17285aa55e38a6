/* keeper/tail.h - the last bytes of a daemon's output, for the one who asks why it died. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define TAIL_SIZE 4096

struct tail { /* zero to start */
    char ring[TAIL_SIZE];
    size_t at; /* where the next byte goes */
    bool is_full;
};

/* Remember n bytes, forgetting the oldest. */
void tail_add(struct tail *tail, const char *bytes, size_t n);
/* Whole lines of what is remembered, as text: NUL bytes become '?', a line cut at its beginning is
 * left out if others follow. out has TAIL_SIZE + 1 bytes. */
void tail_text(const struct tail *tail, char *out);
